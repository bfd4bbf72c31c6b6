"""Rules and laws of the pure middle."""
