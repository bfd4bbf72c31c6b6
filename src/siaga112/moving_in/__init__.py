"""Imports lists of other systems: recognises a file, reads it, and plans what an import would change."""
