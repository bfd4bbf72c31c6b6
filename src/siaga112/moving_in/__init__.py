"""Lists of other systems, brought in: what a file is, what it says, what would come of it."""
