"""The versions of the tables, and the steps between them."""
