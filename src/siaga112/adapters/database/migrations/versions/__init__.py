"""One file a version; what is in one that has been released never changes."""
