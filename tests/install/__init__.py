"""The manual's installation on fresh machines, with the time of each step: `make install-log`."""
