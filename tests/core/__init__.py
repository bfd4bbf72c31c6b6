"""Tests of the pure core: its rules and laws."""
