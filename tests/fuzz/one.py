"""Fuzzes one contract with atheris: `python -m tests.fuzz.one NAME`, with libFuzzer's own arguments."""

import resource
import sys
import time
from collections.abc import Callable
from typing import Final

MOST_SECONDS: Final = 10
"""Processor time for one input."""

HANGS_SECONDS: Final = 300
"""An input that takes this long hangs, however busy the machine is."""

MOST_MIB: Final = 140
"""How much memory one input may add; with the program's own 60 MiB that is 200."""


def bounded(check: Callable[[bytes], None]) -> Callable[[bytes], None]:
    """Return a check that also fails if an input takes too much memory or time."""

    def checked(data: bytes) -> None:
        before, began = _peak(), time.process_time()
        check(data)
        assert _peak() - before < MOST_MIB, f"an input takes {_peak() - before:.0f} MiB"
        assert time.process_time() - began < MOST_SECONDS, "an input takes too long"

    return checked


def _peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    """Fuzz until told to stop."""
    import atheris  # noqa: PLC0415 - of the fuzz extra

    with atheris.instrument_imports(include=["siaga112"]):
        from tests.fuzz.contracts import CONTRACTS, small_limits  # noqa: PLC0415 - loaded only where it is needed

    program, name, *rest = sys.argv
    with small_limits():
        CONTRACTS[name].check(b"")  # loads the modules that are imported late
        atheris.Setup([program, *rest], bounded(CONTRACTS[name].check))
        atheris.Fuzz()


if __name__ == "__main__":
    main()
