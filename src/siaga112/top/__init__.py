"""The live screen: what it looks at, and how it is drawn."""
