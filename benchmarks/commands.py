"""`siaga112 report` over a month of 53,794 calls and a year of 650,000: time and memory of the command.

python -m benchmarks.report           both
python -m benchmarks.report month     one
"""

import asyncio
import multiprocessing
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from benchmarks.servers import used
from siaga112.adapters.database.connect import connect
from siaga112.adapters.database.records import DatabaseRecords
from siaga112.adapters.database.versions import bring
from siaga112.app.records import DATABASE
from tests import month

RUNS = 5
SITE = "bench"
YEAR = month.Share(date(2019, 1, 1), date(2019, 12, 31), 650_000, 93_000, 35_000, 522_000, genuine=170)


@dataclass(frozen=True)
class Case:
    """A ledger, and what the report of it may cost."""

    name: str
    shares: tuple[month.Share, ...]
    seconds: float
    megabytes: float


CASES = (Case("month", month.SHARES, 0.9, 90), Case("year", (YEAR,), 3, 90))


@dataclass(frozen=True)
class Run:
    """What one run of the command cost."""

    seconds: float
    cpu: float
    megabytes: float


def main(names: list[str]) -> None:
    """Fill a database, run the command some times, and print what it cost."""
    print(f"{platform.machine()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, {RUNS} runs each")
    for case in CASES:
        if not names or case.name in names:
            _measure(case)


def _measure(case: Case) -> None:
    with tempfile.TemporaryDirectory() as home:
        # In a process of its own: what a command takes at most is counted from what its parent has.
        filling = multiprocessing.Process(target=_fill_now, args=(home, case))
        filling.start()
        filling.join(600)
        if filling.exitcode != 0:
            filling.kill()
            sys.exit(f"{case.name}: the calls were not written in 600 s (exit code {filling.exitcode})")
        config = Path(home, "siaga112.toml")
        config.write_text(f'site = "{SITE}"\nstate_dir = "{home}"\n')
        command = [sys.executable, "-m", "siaga112", "--config", str(config), "report"]
        command += ["--from", f"{case.shares[0].first}", "--to", f"{case.shares[-1].last}"]
        runs = [_run([*command, "--format", "html"]) for _ in range(RUNS)]
    calls = sum(share.total for share in case.shares)
    times = sorted(run.seconds for run in runs)
    cpu = statistics.median(run.cpu for run in runs)
    print(
        f"{case.name}, {calls:,} calls: {statistics.median(times):.2f} s "
        f"({times[0]:.2f} to {times[-1]:.2f}; of the processor {cpu:.2f} s), "
        f"{max(run.megabytes for run in runs):.0f} MB at most; "
        f"may take {case.seconds:g} s and {case.megabytes:g} MB"
    )


def _fill_now(home: str, case: Case) -> None:
    asyncio.run(_fill(home, case))


async def _fill(home: str, case: Case) -> None:
    store = DatabaseRecords(connect(f"sqlite:///{home}/{DATABASE}"), SITE, bring)
    if case.name == "month":
        rows = list(month.entries(case.shares))
        await month.write(store, rows)
        await month.write_records(store, month.records(rows), rows[-1].finding.call.ended)
    else:
        await month.write(store, month.entries(case.shares))
    await store.close()


def _run(command: list[str]) -> Run:
    begun = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    status, usage = used(process, 600)
    seconds = time.perf_counter() - begun
    if status:
        sys.exit(f"{command}: exit code {status}")
    return Run(seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)


if __name__ == "__main__":
    main(sys.argv[1:])
