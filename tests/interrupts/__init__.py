"""Ctrl-C and SIGTERM at random moments of every command; `make interrupts` in full strength."""
