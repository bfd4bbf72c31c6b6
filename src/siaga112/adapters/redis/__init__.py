"""Redis: the block list, and what is kept beside it."""
