"""Tests of the service layer, without drivers."""
