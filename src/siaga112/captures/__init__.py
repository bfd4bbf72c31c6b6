"""What the PBX told, written to a file, and run through the line again."""
