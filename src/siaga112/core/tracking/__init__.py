"""What is seen of each call on the PBX: events in, facts of the calls that ended out."""
