"""Faults of an installation, each made for real on a lab PBX, and the doctor's line for it.

`faults` is the list, `bench` the lab; `python -m tests.pbx.doctor` writes docs/doctor.md from the list.
"""
