"""How long `siaga112 backtest` takes for 1,000,000 rows of CEL, and how much memory.

    python -m benchmarks.backtest [ROWS]

Two made-up months (tests/backtest/month.py), cut at ROWS, both presets, three runs: time, rows a second
and the highest resident memory of the process, with the machine.
"""

import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from itertools import islice
from pathlib import Path

from tests.backtest import month

RUNS = 3


def measure(folder: Path) -> tuple[float, float]:
    """Run the command once; give seconds and megabytes."""
    command = [sys.executable, "-m", "siaga112", "--config", "siaga112.toml", "backtest", "cel.csv", "--json"]
    began = time.perf_counter()
    presets = ("--policy", "permenkominfo-2016", "--policy", "serang-2019")
    process = subprocess.Popen([*command, *presets], cwd=folder, stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"the command failed ({process.returncode})")
    return time.perf_counter() - began, _megabytes(used)


def _megabytes(used: resource.struct_rusage) -> float:
    return used.ru_maxrss / 1_024


def main() -> None:
    """Make the rows, measure, and print."""
    rows = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with (folder / "cel.csv").open("w", encoding="utf-8") as file:
            written = sum(file.write(line) > 0 for line in islice(month.rows(3), rows))
        size = (folder / "cel.csv").stat().st_size / 1e6
        (folder / "siaga112.toml").write_text(month.CONFIG, "utf-8")
        print(f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}")
        print(f"{written:,} rows of CEL, {size:.0f} MB, both presets")
        figures = []
        for _ in range(RUNS):
            seconds, memory = measure(folder)
            figures.append((seconds, memory))
            print(f"{seconds:6.1f} s  {written / seconds:9,.0f} rows/s  {memory:6.0f} MB at most", flush=True)
        median = statistics.median(seconds for seconds, _ in figures)
        print(f"median {median:.1f} s, {written / median:,.0f} rows/s")


if __name__ == "__main__":
    main()
