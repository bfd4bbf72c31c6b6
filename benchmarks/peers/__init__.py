"""Programs that run with the peers' own virtual environment: each is a peer as its users would use it."""
