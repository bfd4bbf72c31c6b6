"""Captures: the PBX's events written to a file, and replayed through the pipeline."""
