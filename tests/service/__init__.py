"""Tests of the two flows, without drivers."""
