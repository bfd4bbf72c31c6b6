"""`make steady`: `make test` five times in a row while other programs keep every core busy.

A test that waits for a time and not for an event, or counts on being first, fails sooner or later there. The
load is one endless loop a core, in the same terminal session, so that the kernel shares the cores by process.
"""

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager


def main() -> None:
    """Run the tests that often; print how long each run took, and end at the first that fails."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--times", type=int, default=5)
    times = parser.parse_args().times
    for nth in range(1, times + 1):
        began = time.monotonic()
        with _busy(os.cpu_count() or 1):
            status, summary = _tested()
        minutes, seconds = divmod(round(time.monotonic() - began), 60)
        print(f"{nth} of {times}: {minutes}:{seconds:02}  {summary}", flush=True)
        if status:
            raise SystemExit(status)


@contextmanager
def _busy(cores: int) -> Iterator[None]:
    """Keep that many cores busy while the block runs."""
    loops = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(cores)]
    try:
        yield
    finally:
        for loop in loops:
            loop.kill()
            loop.wait()  # ends: it is killed


def _tested() -> tuple[int, str]:
    """Run `make test`, and show what it prints; return its exit code and its last line of figures."""
    summary = ""
    with subprocess.Popen(["make", "test"], stdout=subprocess.PIPE, text=True) as run:  # ends: as below
        assert run.stdout is not None
        for line in run.stdout:  # ends: pytest has its own limit for a whole run
            print(line, end="", flush=True)
            if " passed" in line or " failed" in line:
                summary = line.strip(" =\n")
    return run.returncode, summary


if __name__ == "__main__":
    main()
