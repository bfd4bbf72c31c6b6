"""Benchmarks: a module that is a command prints its figures (`python -m benchmarks.NAME`)."""
