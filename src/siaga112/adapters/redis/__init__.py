"""Redis: the block list, and the values stored beside it."""
