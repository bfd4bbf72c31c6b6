"""The two flows, driver-free."""
