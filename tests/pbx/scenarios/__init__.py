"""Every way a call can go: scenarios that real PBXs play, and that are recorded as captures.

python -m tests.pbx.scenarios                      # play all on both PBXs and print the outcomes
python -m tests.pbx.scenarios --record             # … and rewrite tests/golden
python -m tests.pbx.scenarios --record NAME…       # only these
python -m tests.pbx.scenarios --table > docs/scenarios.md
"""
