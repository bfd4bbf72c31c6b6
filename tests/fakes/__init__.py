"""Stand-ins for parts whose faults cannot be provoked for real, or that a test does not need."""
