"""One outside system each; none imports another."""
