"""One contract under atheris: `python -m tests.fuzz.one NAME`, and libFuzzer's own arguments."""

import resource
import sys
import time
from collections.abc import Callable
from typing import Final

MOST_SECONDS: Final = 10
"""Of the processor's time, for one input."""

HANGS_SECONDS: Final = 300
"""What takes so long, on a machine however busy, waits for something that does not come."""

MOST_MIB: Final = 140
"""By so much an input may make the memory grow: with the program's own 60 MiB that is 200."""


def bounded(check: Callable[[bytes], None]) -> Callable[[bytes], None]:
    """Give a check that looks at the memory and the time too."""

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
        CONTRACTS[name].check(b"")  # loads what is loaded late
        atheris.Setup([program, *rest], bounded(CONTRACTS[name].check))
        atheris.Fuzz()


if __name__ == "__main__":
    main()
