"""FastAGI sessions against a server (`c/agi_load.c`), and figures about them."""

import array
import subprocess
from dataclasses import dataclass
from typing import Final

from benchmarks import build

NOT_BLOCKED: Final = 87_700_000_000
BLOCKED: Final = 81_200_000_000
"""The first numbers of callers who are not, and who may be, on a block list (without their leading 0)."""


@dataclass(frozen=True, slots=True)
class Sessions:
    """The result of a run: (began, seconds) of each session that ended well."""

    samples: list[tuple[float, float]]
    seconds: float
    failed: int
    blocked: int

    @property
    def rate(self) -> float:
        """Sessions a second."""
        return len(self.samples) / self.seconds

    def micros(self, share: float) -> float:
        """Return a quantile of the sessions' durations, in µs."""
        if not self.samples:
            raise SystemExit(f"no session ended with a verdict in {self.seconds:g} s; {self.failed} failed")
        return quantile([took for _, took in self.samples], share) * 1e6


def quantile(values: list[float], share: float) -> float:
    """Return the value that this share of the values does not exceed."""
    if not values:
        raise SystemExit("nothing was measured of what a quantile is wanted of")
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def sessions(
    port: int,
    seconds: float,
    *,
    at_once: int = 1,
    rate: float = 0,
    first: int = NOT_BLOCKED,
    numbers: int = 1_000,
) -> Sessions:
    """Run sessions for this long: `at_once` all the time, or `rate` a second if given."""
    arguments = (port, seconds, at_once, rate, first, numbers)
    done = subprocess.run(
        [build.program("agi_load"), *map(str, arguments)],
        check=True,
        capture_output=True,
        timeout=seconds + 60,
    )
    figures = array.array("d")
    figures.frombytes(done.stdout)
    _, failed, blocked = map(int, done.stderr.split())
    samples = [(figures[n], figures[n + 1]) for n in range(0, len(figures), 2) if figures[n + 1] > 0]
    return Sessions(samples, seconds, failed, blocked)
