"""The manager interface's bytes and events: no sockets here."""
