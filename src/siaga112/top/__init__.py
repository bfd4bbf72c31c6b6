"""The live screen `siaga112 top`: its data and its layout."""
