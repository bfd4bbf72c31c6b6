"""An installation of siaga112 before 0.1.0: what its Redis held, and what its commands said of it."""
