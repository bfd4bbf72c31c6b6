"""The pure core: no asyncio, sockets, clock, randomness or logging. Time is a parameter."""
