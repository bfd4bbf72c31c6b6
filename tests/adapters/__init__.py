"""Tests of each adapter with the real part that it adapts."""
