"""The files shipped with siaga112."""
