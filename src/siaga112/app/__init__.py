"""Wires: settings → adapters → flows. The daemon, and what commands open of it, each by itself."""
