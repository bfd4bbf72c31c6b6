"""Stand-ins for what cannot be provoked on the real thing, or need not be there."""
