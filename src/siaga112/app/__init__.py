"""The wiring of settings, adapters and flows: the daemon, and the smaller sets that commands use."""
