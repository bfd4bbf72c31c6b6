"""The versions of the tables, and the migrations between them."""
