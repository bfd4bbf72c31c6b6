"""How long `siaga112 backtest` takes for 1,000,000 rows, and how much memory.

    python -m benchmarks.backtest [cel|cdr|queue_log] [ROWS]

It back-tests made-up months (tests/backtest/month.py), cut at ROWS, with both presets, three times. It prints
the machine and, for each run, the time, the processor time of all processes (which other load changes less),
rows a second, and the most memory that the processes used together (shared memory counts once). The last line
is the limit: the least that a Python program does with the same file (`benchmarks.least_files`).
"""

import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import islice
from pathlib import Path
from threading import Event, Thread
from typing import Final

from benchmarks.servers import used
from tests.backtest import month

RUNS = 3
LOOK_SECONDS: Final = 0.2

FORMS: Final[dict[str, Callable[[int], Iterator[str]]]] = {
    "cel": month.rows,
    "cdr": month.cdr,
    "queue_log": month.queue_log,
}
COPIES: Final = {"cel": 3, "cdr": 19, "queue_log": 32}
"""How many months make a million rows."""


COMMAND: Final = (
    *("siaga112", "--config", "siaga112.toml", "backtest", "calls", "--json"),
    *("--policy", "permenkominfo-2016", "--policy", "serang-2019"),
)
LEAST: Final = "benchmarks.least_files"


def measure(folder: Path, *command: str) -> tuple[float, float, float]:
    """Run a module once; return seconds, seconds of processor time, and the most megabytes."""
    began = time.perf_counter()
    paths = os.pathsep.join([str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH", "")])
    process = subprocess.Popen(
        [sys.executable, "-m", *command],
        cwd=folder,
        stdout=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": paths},
    )
    most, over = [0.0], Event()

    def look() -> None:
        while not over.wait(LOOK_SECONDS):
            with suppress(OSError):  # one of them has just ended
                most.append(held(process.pid))

    looking = Thread(target=look)
    looking.start()
    code, usage = used(process, 1_200)
    over.set()
    looking.join(10)
    if code:
        raise SystemExit(f"the command failed ({code})")
    return time.perf_counter() - began, usage.ru_utime + usage.ru_stime, max(most)


def held(pid: int) -> float:
    """Return the megabytes that a process and its children use together."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text("ascii").split()
    told = (Path(f"/proc/{one}/smaps_rollup").read_text("ascii") for one in (pid, *children))
    return sum(int(text.partition("\nPss:")[2].split()[0]) for text in told) / 1_024


def main() -> None:
    """Make the rows, measure and print."""
    form = next((name for name in sys.argv[1:] if name in FORMS), "cel")
    rows = next((int(name) for name in sys.argv[1:] if name.isdigit()), 1_000_000)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with (folder / "calls").open("w", encoding="utf-8") as file:
            written = sum(file.write(line) > 0 for line in islice(FORMS[form](COPIES[form]), rows))
        size = (folder / "calls").stat().st_size / 1e6
        (folder / "siaga112.toml").write_text('timezone = "UTC"\n' + month.CONFIG, "utf-8")
        print(f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}")
        print(f"{written:,} rows of {form}, {size:.0f} MB, both presets")
        spent = []
        for _ in range(RUNS):
            seconds, processor, memory = measure(folder, *COMMAND)
            spent.append(processor)
            rate = f"{written / processor:,.0f} rows/s of it"
            print(f"{seconds:6.1f} s, {processor:5.1f} s of a processor, {rate}, {memory:.0f} MB", flush=True)
        median = statistics.median(spent)
        print(f"median {median:.1f} s of a processor, {written / median:,.0f} rows/s")
        seconds, processor, memory = measure(folder, LEAST, form, "calls")
        print(f"the least: {seconds:.1f} s, {processor:.1f} s of a processor, {memory:.0f} MB")


if __name__ == "__main__":
    main()
