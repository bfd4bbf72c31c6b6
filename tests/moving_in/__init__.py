"""Tests of imports from other systems and older versions."""
