"""The records, in SQLite beside the daemon or in PostgreSQL."""
