"""siaga112: screens prank callers and measures service for emergency call centres on Asterisk."""

__version__ = "0.1.0"
