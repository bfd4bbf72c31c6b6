"""Every fault that siaga112 must survive, provoked and measured.

`rows` lists the faults. A test, wherever it is, names its rows with `@pytest.mark.fault("name")` and reports
its figures through the fixture `measured`. `make faults` runs these tests in full strength and writes
docs/reliability.md.
"""
