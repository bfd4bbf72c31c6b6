"""One codec under atheris: `python -m tests.fuzz.one CODEC`, and libFuzzer's own arguments."""

import sys

import atheris

with atheris.instrument_imports(include=["siaga112.core", "siaga112.adapters.ami.source"]):
    from tests.fuzz.contracts import CONTRACTS, small_limits

if __name__ == "__main__":
    program, name, *rest = sys.argv
    with small_limits():
        atheris.Setup([program, *rest], CONTRACTS[name].check)
        atheris.Fuzz()
