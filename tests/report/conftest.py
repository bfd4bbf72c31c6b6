"""The golden month in a real database, and a shell that has it."""

import asyncio
import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path

import pytest

from siaga112.adapters.database.connect import connect
from siaga112.adapters.database.records import DatabaseRecords
from siaga112.adapters.database.versions import bring
from siaga112.app.records import DATABASE
from siaga112.core.model import Entry
from tests import month
from tests.cli.shell import Shell

SITE = "serang"
SHIFTS = 'pagi = "07:00"\nsiang = "14:00"\nmalam = "21:00"'


def records_in(state: Path) -> DatabaseRecords:
    """Open the centre's records."""
    return DatabaseRecords(connect(f"sqlite:///{state / DATABASE}"), SITE, bring)


async def fill(state: Path, rows: list[Entry]) -> None:
    """Write the month, and the records of callers who were blocked in it, into a state directory."""
    records = records_in(state)
    await month.write(records, rows)
    await month.write_records(records, month.records(rows), rows[-1].finding.call.ended)
    await records.close()


@pytest.fixture(scope="session")
def month_rows() -> list[Entry]:
    """Return the ledger of the centre's first month."""
    return list(month.entries())


@pytest.fixture(scope="session")
def state_with_month(month_rows: list[Entry], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Yield a state directory with the centre's first month. One of all test workers makes it."""
    base = tmp_path_factory.getbasetemp()
    made = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "month"
    (made / "state").mkdir(parents=True, exist_ok=True)
    with (made / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (made / "whole").exists():
            asyncio.run(fill(made / "state", month_rows))
            (made / "whole").touch()
    with tempfile.TemporaryDirectory(prefix="s112-test-") as state:
        shutil.copytree(made / "state", state, dirs_exist_ok=True)
        yield Path(state)


@contextmanager
def shell_at(state: Path) -> Iterator[Shell]:
    """Yield a shell at a centre with these records."""
    with tempfile.TemporaryDirectory(prefix="s112-test-") as home:
        shell = Shell(Path(home))
        shell.write(shifts=SHIFTS)
        shell.environ |= {"SIAGA112_SITE": SITE, "SIAGA112_STATE_DIR": str(state)}
        shell.patience = 120.0  # a month takes seconds on a busy machine
        yield shell


@pytest.fixture
def centre(state_with_month: Path) -> Iterator[Shell]:
    """Yield a shell at the centre."""
    with shell_at(state_with_month) as shell:
        yield shell


@pytest.fixture(scope="session")
def handled_rows() -> list[Entry]:
    """Return the centre's first calls, with operators, hand-overs, kinds and districts."""
    return list(month.handled(islice(month.entries(), 3_000)))


@pytest.fixture(scope="session")
def state_with_handled(handled_rows: list[Entry]) -> Iterator[Path]:
    """Yield a state directory with these calls."""
    with tempfile.TemporaryDirectory(prefix="s112-test-") as state:
        asyncio.run(fill(Path(state), handled_rows))
        yield Path(state)


@pytest.fixture
def desk(state_with_handled: Path) -> Iterator[Shell]:
    """Yield a shell at the centre with these calls."""
    with shell_at(state_with_handled) as shell:
        yield shell
