"""Tests of the runbook: each alert's situation is brought about, and the commands are run as written."""
