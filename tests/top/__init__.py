"""What top sees and draws."""
