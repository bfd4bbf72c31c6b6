"""The container images, tried for real without a container engine: `make image-check`."""
