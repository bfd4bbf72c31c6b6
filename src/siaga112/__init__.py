"""siaga112: screens prank callers and measures service for emergency call centres on Asterisk."""

__version__ = "0.1.0"
"""The one place that has it: the wheel, the image, the .deb and /metrics take it from here."""
