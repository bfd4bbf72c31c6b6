"""The daemon's memory and descriptors under a long, steady load."""
