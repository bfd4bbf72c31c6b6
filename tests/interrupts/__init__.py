"""Ctrl-C and SIGTERM at random moments of every command; `make interrupts` tries 200 Ctrl-Cs for each."""
