"""What a report looks like: a table for a terminal, a page for the press, rows for scripts."""
