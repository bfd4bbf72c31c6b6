"""Tests of the files that come with siaga112."""
