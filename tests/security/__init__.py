"""What an attacker on the machine or on the network gets, tried with real parts."""
