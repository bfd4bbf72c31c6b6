"""The files that come with siaga112."""
