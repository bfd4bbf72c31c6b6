"""The manual's installation on a machine of its own, each step with its time: `make install-log`."""
