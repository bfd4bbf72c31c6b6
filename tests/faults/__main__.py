"""Write docs/reliability.md from the figures of a run: `python -m tests.faults FILE`."""

import json
import platform
import sys
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Final, get_args

from tests.faults.figures import Figure
from tests.faults.rows import ROWS, Row
from tests.lab import Version

Shown = dict[str, Any]

HEAD: Final = """# What siaga112 survives

`make faults` generates this page; do not edit it. Each row is tried on the running program with real parts
(Asterisk, Redis, sockets, SQLite), in full strength. A figure is the worst of all tries, and the test fails
if it exceeds the promise. Callers' waits exclude the time in which the machine had no processor for the
processes that answer (schedstat). Where the promise is in milliseconds, the same run also measures without
the fault. A row without a figure promises that something does not happen, and its tests prove it.

"""


def main(path: Path) -> int:
    """Print the page; return 1 if a row is missing, else 0."""
    shown = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    missing = [key for rows in ROWS.values() for key, row in rows.items() if _lacking(row, _of(key, shown))]
    total = sum(len(rows) for rows in ROWS.values())
    print(HEAD + f"{total} rows, {len(missing)} missing. {_machine()}\n")
    for group, rows in ROWS.items():
        print(f"## {group}\n\n| fault | what was done | promised | measured |\n|---|---|---|---|")
        for key, row in rows.items():
            print(_line(key, row, _of(key, shown)))
        print()
    for key in missing:
        print(f"missing: {key}", file=sys.stderr)
    return 1 if missing else 0


def _of(key: str, shown: Sequence[Shown]) -> list[Shown]:
    return [one for one in shown if key in one["rows"]]


def _lacking(row: Row, shown: Sequence[Shown]) -> bool:
    """Return whether a row was not tried, or not on every PBX that it needs."""
    return not shown or (row.pbx and not {one["pbx"] for one in shown} >= set(get_args(Version)))


def _line(key: str, row: Row, shown: Sequence[Shown]) -> str:
    done = "<br>".join(
        dict.fromkeys(f"{one['rule']} ([test](../{one['test'].partition('::')[0]}))" for one in shown)
    )
    by_pbx: dict[str, list[Shown]] = defaultdict(list)
    for one in shown:
        by_pbx[one["pbx"] or ""].append(one)
    told = "<br>".join(
        (f"Asterisk {pbx}: " if pbx else "") + _figures(key, ones)
        for pbx, ones in sorted(by_pbx.items(), reverse=True)
    )
    if _lacking(row, shown):
        told = f"{told}<br>**missing**".removeprefix("<br>")
    return f"| {row.fault} | {done} | {row.promised} | {told} |"


def _figures(key: str, shown: Iterable[Shown]) -> str:
    worst: dict[str, Figure] = {}
    tries = 0
    for one in shown:
        tries += 1
        for figure in (Figure(**given) for given in one["figures"] if given["row"] == key):
            if figure.value >= worst.get(figure.what, figure).value:
                worst[figure.what] = figure
    return ", ".join(map(str, worst.values())) or f"held ({tries} {'try' if tries == 1 else 'tries'})"


def _machine() -> str:
    cores = sum(
        line.startswith("processor") for line in Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    )
    return f"Python {platform.python_version()}, {cores} cores."


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
