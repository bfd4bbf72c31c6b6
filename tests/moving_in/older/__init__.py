"""An installation of siaga112 before 0.1.0: what its Redis contained, and what its commands printed."""
