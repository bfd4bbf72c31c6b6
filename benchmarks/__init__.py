"""What it costs: each module is one command that prints figures (`python -m benchmarks.NAME`)."""
