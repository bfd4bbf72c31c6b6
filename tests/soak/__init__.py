"""The daemon under a load that does not end: what it holds on to."""
