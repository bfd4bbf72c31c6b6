"""Every fault that siaga112 must survive, tried on the real parts, with the figure that it shows.

`rows` is the list of them. A test says which it is of with `@pytest.mark.fault("name")`, wherever it
lives, and tells its figures through the fixture `measured`. `make faults` runs these tests in full
strength and writes docs/reliability.md.
"""
