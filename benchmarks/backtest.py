"""How long `siaga112 backtest` takes for 1,000,000 rows of CEL, and how much memory.

    python -m benchmarks.backtest [ROWS]

Made-up months (tests/backtest/month.py), cut at ROWS, both presets, three runs: time, processor time (which
a busy machine changes less), rows a second and the highest resident memory, with the machine.
"""

import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from itertools import islice
from pathlib import Path

from benchmarks.servers import used
from tests.backtest import month

RUNS = 3


def measure(folder: Path) -> tuple[float, float, float]:
    """Run the command once; give seconds, seconds of processor time, and megabytes."""
    command = [sys.executable, "-m", "siaga112", "--config", "siaga112.toml", "backtest", "cel.csv", "--json"]
    began = time.perf_counter()
    presets = ("--policy", "permenkominfo-2016", "--policy", "serang-2019")
    process = subprocess.Popen([*command, *presets], cwd=folder, stdout=subprocess.DEVNULL)
    code, usage = used(process, 1_200)
    if code:
        raise SystemExit(f"the command failed ({code})")
    return time.perf_counter() - began, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1_024


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
        spent = []
        for _ in range(RUNS):
            seconds, processor, memory = measure(folder)
            spent.append(processor)
            rate = f"{written / processor:,.0f} rows/s of it"
            print(f"{seconds:6.1f} s, {processor:5.1f} s of a processor, {rate}, {memory:.0f} MB", flush=True)
        median = statistics.median(spent)
        print(f"median {median:.1f} s of a processor, {written / median:,.0f} rows/s")


if __name__ == "__main__":
    main()
