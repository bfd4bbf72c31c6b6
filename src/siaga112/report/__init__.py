"""Reports: a table for a terminal, a page for print and press, rows for scripts."""
