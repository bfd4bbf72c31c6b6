"""Real calls on real PBXs."""
