"""Lists of other systems."""
