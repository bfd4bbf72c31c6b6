"""Each adapter against the real part that it adapts."""
