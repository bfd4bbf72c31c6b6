"""Tests of the back-test: past calls read from Asterisk's own files.

`python -m tests.backtest.record` places the same real calls on Asterisk 22 and 16, with every
form of call record enabled, and stores the files in `tests/golden/backtest`.
"""
