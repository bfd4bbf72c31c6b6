"""The pure middle: no asyncio, sockets, clock, randomness or logging; time comes in as a parameter."""
