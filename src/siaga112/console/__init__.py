"""The console and the API: a door for people, and one for programs. Never on a call's path."""
