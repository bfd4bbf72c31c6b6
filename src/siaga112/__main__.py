"""`python -m siaga112`."""

from siaga112.cli import main

main()
