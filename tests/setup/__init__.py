"""Tests of `siaga112 setup`: its plans for given facts. tests/pbx/test_setup.py tests it on a real PBX."""
