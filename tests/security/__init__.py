"""What attackers and bad days do, with real parts."""
