"""The golden month in a real Redis, and a shell that has it."""

import asyncio
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from siaga112.adapters.redis.connect import connect
from siaga112.adapters.redis.store import RedisStore
from siaga112.core.model import Entry
from tests import month
from tests.cli.shell import Shell
from tests.lab.redis_servers import ANSWER_SECONDS, plain

SITE = "serang"
SHIFTS = 'pagi = "07:00"\nsiang = "14:00"\nmalam = "21:00"'


async def fill(url: str, rows: list[Entry]) -> None:
    """Put the month, and the records of who was blocked in it, into a Redis."""
    store = RedisStore(connect(url, ANSWER_SECONDS), SITE, month.FOREVER)
    await month.write(store, rows)
    await month.write_records(store, month.records(rows), rows[-1].finding.call.ended)
    await store.close()


@pytest.fixture(scope="session")
def month_rows() -> list[Entry]:
    """Give the ledger of the centre's first month."""
    return list(month.entries())


@pytest.fixture(scope="session")
def redis_with_month(month_rows: list[Entry]) -> Iterator[str]:
    """Give the address of a Redis that has the centre's first month."""
    with plain() as server:
        asyncio.run(fill(server.url, month_rows))
        yield server.url


@pytest.fixture
def centre(redis_with_month: str) -> Iterator[Shell]:
    """Give a shell at the centre."""
    with tempfile.TemporaryDirectory(prefix="s112-test-") as home:
        shell = Shell(Path(home))
        shell.write(redis=f'url = "{redis_with_month}"', shifts=SHIFTS)
        shell.environ["SIAGA112_SITE"] = SITE
        shell.patience = 120.0  # a month takes seconds on a machine that does much else
        yield shell
