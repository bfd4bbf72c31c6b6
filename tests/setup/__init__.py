"""`siaga112 setup`: its plans on recorded facts; what it does to a real PBX is in tests/pbx/test_setup.py."""
