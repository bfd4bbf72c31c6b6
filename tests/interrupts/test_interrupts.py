"""Ctrl-C at any moment ends every command, with 130 or 0, and without a word too many."""

import asyncio
import os
import random
import secrets
import signal
from collections.abc import AsyncIterator, Iterable

import pytest
from _pytest.mark.structures import ParameterSet

from tests.commands import names
from tests.interrupts.trying import (
    COMMANDS,
    ENDLESS,
    PATIENCE_SECONDS,
    PROGRAMS,
    Site,
    Tally,
    attempt,
    measure,
    site,
)

pytestmark = pytest.mark.redis

BY_DAY = ("run", "record", "top", "backtest", "block", "report")
"""Of each kind of command one; the others are tried at night."""

TRIES = 1
FULL = 200


def by_day(commands: Iterable[str]) -> list[ParameterSet]:
    """Give commands to try; most are for nights."""
    return [pytest.param(one, marks=[] if one in BY_DAY else [pytest.mark.night]) for one in commands]


@pytest.fixture
async def at() -> AsyncIterator[Site]:
    """Give a site."""
    async with site() as made:
        yield made


def test_every_command_is_interrupted() -> None:
    """Each command of the program stands in the table of what is tried; a new one must be put there."""
    assert set(COMMANDS) == set(names())


@pytest.mark.parametrize(
    "number",
    [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.night)],
    ids=["Ctrl-C", "SIGTERM"],
)
@pytest.mark.parametrize("command", by_day(COMMANDS))
async def test_a_signal_at_any_moment_ends_a_command(
    at: Site, command: str, number: signal.Signals, *, full: bool
) -> None:
    """Whenever it comes, the command ends, with 128 + its number or as it would have, without a traceback."""
    seed = secrets.randbits(32)
    print(f"seed {seed}")
    chance, tally = random.Random(seed), Tally()
    await measure(at, command)
    for _ in range(FULL if full else TRIES):
        await attempt(at, command, number, chance, tally)
    assert not tally.wrong, f"seed {seed}: {tally.wrong}"


@pytest.mark.parametrize("command", by_day(name for name in COMMANDS if name not in ENDLESS))
async def test_a_reader_that_has_left_is_no_failure(at: Site, command: str) -> None:
    """`siaga112 … | true` ends as it would with a reader, and says nothing of a pipe."""
    await measure(at, command)
    await at.prepare(command)
    reading, writing = os.pipe()
    os.close(reading)
    process = await asyncio.create_subprocess_exec(
        *PROGRAMS[0],
        *at.words(command),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=writing,
        stderr=asyncio.subprocess.PIPE,
    )
    os.close(writing)
    async with asyncio.timeout(PATIENCE_SECONDS):
        _, err = await process.communicate()
    assert process.returncode in {0, at.codes[command]}
    assert "ipe" not in err.decode()
    assert err.count(b"\n") <= 1
