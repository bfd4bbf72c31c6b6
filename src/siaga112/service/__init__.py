"""The two flows, async but driver-free: events in (pipeline), questions answered (screening)."""
