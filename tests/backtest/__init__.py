"""The back-test: past calls as Asterisk's own files tell them.

`python -m tests.backtest.record` places the same real calls on Asterisk 22 and 16 with everything
switched on that an Asterisk can write of a call, and keeps the files in `tests/golden/backtest`.
"""
