"""The daemon as a whole: its start, its end, a reload."""
