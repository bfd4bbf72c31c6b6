"""A signal at any moment ends every command cleanly, and so does a closed pipe."""

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
"""One command of each kind. The others are tried at night."""

TRIES = 1
FULL = 200


def by_day(commands: Iterable[str]) -> list[ParameterSet]:
    """Return the commands as parameters; all but those in `BY_DAY` have the mark `night`."""
    return [pytest.param(one, marks=[] if one in BY_DAY else [pytest.mark.night]) for one in commands]


@pytest.fixture
async def at() -> AsyncIterator[Site]:
    """Yield a site."""
    async with site() as made:
        yield made


def test_every_command_is_interrupted() -> None:
    """`COMMANDS` has every command of the program."""
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
    """The command ends without a traceback, with exit code 0, 128 + the signal's number, or its usual one."""
    seed = secrets.randbits(32)
    print(f"seed {seed}")
    chance, tally = random.Random(seed), Tally()
    await measure(at, command)
    for _ in range(FULL if full else TRIES):
        await attempt(at, command, number, chance, tally)
    assert not tally.wrong, f"seed {seed}: {tally.wrong}"


@pytest.mark.parametrize("command", by_day(name for name in COMMANDS if name not in ENDLESS))
async def test_a_reader_that_has_left_is_no_failure(at: Site, command: str) -> None:
    """With a closed pipe as output, a command exits with 0 or its usual code and prints no error about it."""
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
