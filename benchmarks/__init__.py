"""Measurements, each by one command; never part of the tests."""
