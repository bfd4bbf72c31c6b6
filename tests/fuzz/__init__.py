"""Whatever bytes come, each codec accepts them or raises its one error, and never another."""
