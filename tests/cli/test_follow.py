"""`calls --follow`: each call as it is recorded, until Ctrl-C or until the pipe is closed."""

import asyncio
import json
import signal
import sys
from asyncio.subprocess import PIPE, Process

import pytest

from siaga112.core.model import Call
from siaga112.service.recording import Recorder
from tests.cli.shell import Shell, live, shell
from tests.core.table import in_force
from tests.fakes.meter import KeptMeter
from tests.fakes.outbox import MemoryOutbox
from tests.lab.stores import site_store
from tests.samples import NOW, OTHER, RULES, answered, entry, prank

__all__ = ["live", "shell"]
pytestmark = pytest.mark.redis


async def begun(live: Shell, *options: str) -> Process:
    """Start to follow."""
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "siaga112", "calls", "--follow", *options),
        env=live.environ,
        stdout=PIPE,
        stderr=PIPE,
    )


async def recorded(live: Shell, *calls: Call) -> None:
    """Record calls as the daemon does."""
    store = site_store(live.home / "state", "lab")
    await Recorder(MemoryOutbox(), store, in_force(policy=RULES), KeptMeter()).record(
        [entry(call) for call in calls]
    )
    await store.close()


async def line(process: Process) -> str:
    """Return the next line."""
    assert process.stdout
    async with asyncio.timeout(30):
        return (await process.stdout.readline()).decode().rstrip("\n")


async def test_new_calls_follow_until_ctrl_c(live: Shell) -> None:
    """The calls of the last day come first, then each new one once, until Ctrl-C ends it with 130."""
    process = await begun(live)
    head, first, second = [await line(process) for _ in range(3)]
    assert [first.split()[0], second.split()[0]] == [
        prank(1, NOW - 3_600_000).id,
        answered(2, NOW - 1_800_000).id,
    ]
    await recorded(live, prank(7, NOW - 60_000))
    third = await line(process)
    assert third.split()[0] == prank(7, NOW - 60_000).id
    assert head.index("outcome") == third.index("ivr_prank")
    process.send_signal(signal.SIGINT)
    async with asyncio.timeout(30):
        out, err = await process.communicate()
    assert (process.returncode, out, err) == (130, b"", b"")


async def test_followed_calls_are_chosen_too_and_are_lines_of_json(live: Shell) -> None:
    """With `--json` each call that matches the filters is one line, with what `calls --json` has for it."""
    process = await begun(live, "--json", "--last", "1", "--number", OTHER)
    await recorded(live, answered(8, NOW - 50_000), prank(9, NOW - 40_000, OTHER))
    row = json.loads(await line(process))
    process.send_signal(signal.SIGTERM)
    async with asyncio.timeout(30):
        await process.communicate()
    assert process.returncode == 143
    assert (row["call"], row["caller"]) == (prank(9, NOW - 40_000, OTHER).id, OTHER)
    listed = (await live("calls", "--json", "--number", OTHER)).json
    assert listed == [row]


async def test_it_ends_when_nobody_reads_any_more(live: Shell) -> None:
    """`siaga112 calls --follow | head -3` ends at the next call, with 0 and without an error."""
    live.environ["FOLLOWED"] = f"{sys.executable} -m siaga112 calls --follow"
    process = await asyncio.create_subprocess_exec(
        *("/bin/bash", "-c", "$FOLLOWED | head -3; echo ${PIPESTATUS[0]}"),
        env=live.environ,
        stdout=PIPE,
        stderr=PIPE,
    )
    for _ in range(3):
        await line(process)
    await recorded(live, prank(7, NOW - 60_000))
    assert await line(process) == "0"
    async with asyncio.timeout(30):
        assert await process.communicate() == (b"", b"")


async def test_what_does_not_go_together_is_one_line(live: Shell) -> None:
    """Options that exclude each other are refused in one line, with 2."""
    until, both, explained = await live.each(
        "calls --follow --until 1h", "calls --limit 2 --last 2", "calls --follow --explain"
    )
    assert "--follow cannot be combined with --until, --limit, --call or --explain" in until.failed(2)
    assert "--limit names the oldest, --last the newest: only one of them" in both.failed(2)
    assert "--follow cannot be combined with" in explained.failed(2)
    live.environ["SIAGA112_TOKEN"] = "any"
    remote = await live("--api", "http://127.0.0.1:1", "calls", "--follow")
    assert "--follow works on the machine of siaga112 itself" in remote.failed(2)
