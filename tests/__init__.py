"""Tests: each says its rule in one sentence."""
