"""Runs the container images without a container engine: `make image-check`."""
