"""Every way a call can go, as a scenario that real PBXs play and that captures keep.

python -m tests.pbx.scenarios                      # play all on both PBXs, show what came of them
python -m tests.pbx.scenarios --record             # … and rewrite tests/golden
python -m tests.pbx.scenarios --record NAME…       # only these
python -m tests.pbx.scenarios --table > docs/scenarios.md
"""
