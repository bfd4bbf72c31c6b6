"""Faults of an installation, each made on a real lab PBX, with the doctor's line for it.

`faults` is the list, `bench` the lab; `python -m tests.pbx.doctor` writes docs/doctor.md from the list.
"""
