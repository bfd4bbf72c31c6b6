"""Commands as a shell sees them."""
