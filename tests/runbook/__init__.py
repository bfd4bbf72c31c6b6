"""The runbook, tried: each alert's situation is brought about, and its commands are run as they stand."""
