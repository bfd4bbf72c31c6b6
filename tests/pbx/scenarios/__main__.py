"""Play, record or tabulate the scenarios: see the package's docstring."""

import argparse
import asyncio
import sys
import time
import traceback
from collections.abc import Sequence
from fnmatch import fnmatch

from tests.lab import Version
from tests.pbx.scenarios.every import FAMILY_OF, PLAYED
from tests.pbx.scenarios.golden import GOLDEN
from tests.pbx.scenarios.play import Recorded, play_all, write
from tests.pbx.scenarios.scenario import Scenario
from tests.pbx.scenarios.table import table


async def play(wanted: Sequence[tuple[Scenario, Version]], *, record: bool) -> bool:
    """Play these and print each result; return whether all came out as expected."""
    began = time.monotonic()
    bad = 0
    async for scenario, version, result in play_all(wanted):
        good = isinstance(result, Recorded) and result.ok
        bad += not good
        shown = result.found if isinstance(result, Recorded) else _spelled(result)
        mark = "ok  " if good else "FAIL"
        print(f"{time.monotonic() - began:5.1f}s {mark} {version} {scenario.name:<34} {shown}", flush=True)
        if not good:
            print(f"{'':18}expected: {scenario.expect}", flush=True)
        if record and isinstance(result, Recorded):
            write(result, GOLDEN)
    print(f"{len(wanted) - bad} as expected, {bad} not")
    return bad == 0


def _spelled(error: Exception) -> str:
    """Return the step of the scenario's story that failed, and the error."""
    frames = [f for f in traceback.extract_tb(error.__traceback__) if "/scenarios/" in f.filename]
    return f"{frames[-1].name}: {frames[-1].line}: {error!r}" if frames else repr(error)


def main() -> int:
    """Run the command line; return 1 if a scenario did not come out as expected."""
    parser = argparse.ArgumentParser(prog="python -m tests.pbx.scenarios")
    parser.add_argument("names", nargs="*", metavar="NAME", help="only these (* stands for anything)")
    parser.add_argument("--version", choices=("22", "16"), help="only on this PBX")
    parser.add_argument("--record", action="store_true", help="rewrite tests/golden")
    parser.add_argument("--table", action="store_true", help="print docs/scenarios.md from tests/golden")
    given = parser.parse_args()
    if given.table:
        print(table(FAMILY_OF), end="")
        return 0
    wanted = [
        (scenario, version)
        for scenario, version in PLAYED
        if given.version in {None, version}
        and (not given.names or any(fnmatch(scenario.name, name) for name in given.names))
    ]
    return 0 if asyncio.run(play(wanted, record=given.record)) else 1


if __name__ == "__main__":
    sys.exit(main())
