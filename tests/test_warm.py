"""A command that tests/warm.py runs behaves like one that is started on its own."""

import asyncio
import os
import socket
import sys

import pytest

from siaga112.cli.commands import COMMANDS
from tests import warm
from tests.waiting import output

ENVIRON = {"PATH": os.environ["PATH"], "NO_COLOR": "1"}


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(COMMANDS))
async def test_a_command_starts_on_its_own_and_says_the_same(name: str) -> None:
    """Each command, started on its own, prints the same help as when warm.py runs it."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "siaga112", name, "--help"),
        env=ENVIRON,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    said = await output(process, name)
    assert (process.returncode or 0, *said) == await warm.run((name, "--help"), ENVIRON, 60)
    assert process.returncode == 0


async def test_what_a_command_does_to_itself_ends_with_it() -> None:
    """A command that fails leaves the next one unaffected, and each exit code is the command's own."""
    wrong = await warm.run(("no-such-command",), ENVIRON, 60)
    assert (wrong.code, wrong.out) == (2, b"")
    assert (await warm.run(("--version",), ENVIRON, 60)).code == 0


async def test_a_command_that_does_not_end_is_ended() -> None:
    """A command that exceeds its bound raises TimeoutError."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with pytest.raises(TimeoutError):
            await warm.run(("--api", url, "calls"), ENVIRON | {"SIAGA112_TOKEN": "s112_" + 43 * "x"}, 1.0)


async def test_a_server_that_is_gone_is_no_good_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """If the server of commands is gone, a command raises an error instead of ending well without output."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    monkeypatch.setitem(warm.SERVERS, os.getpid(), ours)
    with ours:
        asked = asyncio.create_task(warm.run(("--version",), ENVIRON, 60))
        await asyncio.sleep(0)  # until it has asked
        theirs.close()
        with pytest.raises(ConnectionError):
            await asked
