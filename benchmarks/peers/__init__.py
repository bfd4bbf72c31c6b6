"""Programs that run with the peers' own virtual environment: each uses a peer as its users would."""
