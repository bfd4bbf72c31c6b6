"""What an attacker on the machine or on the network can do, tried on real parts."""
