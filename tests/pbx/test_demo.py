"""`make demo KEEP=1`: every command that it prints works as printed."""

import asyncio
import json
import os
import re
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import pytest

from tests.lab.terminal import terminal
from tests.waiting import killed

pytestmark = pytest.mark.pbx
ROOT: Final = Path(__file__).parents[2]
DAY_SECONDS: Final = 300.0
COMMAND_SECONDS: Final = 60.0
LONGEST: Final = 110
"""The longest that a printed command line may be."""

ENDED_BY: Final = {"./siaga112 top": "q", "./pbx -rvvv": "exit\r"}
"""Commands that run until a key ends them, with the keys."""


@asynccontextmanager
async def kept() -> AsyncIterator[tuple[asyncio.subprocess.Process, list[str]]]:
    """Run the demo with KEEP=1; yield it and its command lines, once it has printed the last."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.lab.demo"),
        cwd=ROOT,
        env={**os.environ, "KEEP": "1"},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        start_new_session=True,
    )
    assert process.stdout
    printed: list[str] = []
    try:
        async with asyncio.timeout(DAY_SECONDS):
            while not printed or "curl" not in printed[-1]:
                line = await process.stdout.readline()
                assert line, printed[-5:]
                printed.append(line.decode().rstrip("\n"))
        start = next(at for at, line in enumerate(printed) if "another terminal" in line)
        yield process, printed[start + 1 :]
    finally:
        await killed(process)


async def shell(line: str) -> str:
    """Run a line in a shell with none of our variables in its environment; return what it printed."""
    process = await asyncio.create_subprocess_exec(
        *("sh", "-ec", line),
        cwd="/",
        env={"PATH": os.environ["PATH"], "HOME": "/"},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        async with asyncio.timeout(COMMAND_SECONDS):
            out, _ = await process.communicate()
    finally:
        await killed(process)
    assert process.returncode == 0, f"{line}\n{out.decode()}"
    return out.decode()


async def in_terminal(line: str, keys: str, shows: str) -> None:
    """Run a line in a terminal; once it shows this text, end it with these keys."""
    async with terminal("sh", "-ec", line, environ={"PATH": os.environ["PATH"], "HOME": "/"}) as seen:
        await seen.shows(shows)
        seen.press(keys)
        assert await seen.ended() == 0


@pytest.mark.night
async def test_every_line_that_the_demo_prints_works_as_printed() -> None:
    """Each printed line is short and works as printed; the spare caller's call is then in the ledger."""
    async with kept() as (demo, lines):
        there = lines[0].strip()
        assert re.fullmatch(r"cd \S+", there)
        said: dict[str, str] = {}
        for line in lines:
            assert len(line) <= LONGEST, line
            command = re.sub(r"\s*#.*", "", line).strip()
            whole = f"{there}; {line.strip()}"
            if command in ENDED_BY:
                await in_terminal(
                    whole, ENDED_BY[command], "siaga112 lab" if "top" in command else "Asterisk 22"
                )
            else:
                said[command] = await shell(whole)
        (spare,) = (command.split()[1] for command in said if command.startswith("./call"))
        assert "hung up" in said[f"./call {spare}"]
        (row,) = json.loads(await shell(f"{there}; ./siaga112 calls --number {spare} --json"))
        assert row["raw_caller"] == spare
        assert row["outcome"] != "unknown"
        assert row["call"] in said[f"./siaga112 why {spare}"] or not row["strike"]
        assert row["outcome"] in said[f"./siaga112 calls --number {spare}"]
        assert any("siaga112_mode{" in text for text in said.values())
        with_one = await shell(f"{there}; ./call {spare} 1")
        assert "presses 1" in with_one
        demo.send_signal(signal.SIGINT)
        async with asyncio.timeout(COMMAND_SECONDS):
            assert await demo.wait() == 0
    assert not os.path.exists(there.split()[1])  # noqa: ASYNC240, PTH110 - nothing else runs now
