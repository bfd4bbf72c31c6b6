"""A shell that runs commands, and one at a site with a running Redis."""

import asyncio
import json
import os
import shlex
import shutil
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from siaga112.adapters.redis.server import EmbeddedRedis
from siaga112.core.model import DAY
from siaga112.service.recording import Recorder
from tests import warm
from tests.core.table import in_force
from tests.fakes.meter import KeptMeter
from tests.fakes.outbox import MemoryOutbox
from tests.lab.stores import site_store
from tests.printed import without_secrets
from tests.samples import NOW, RULES, answered, entry, prank

NUMBER = "0812-1111-1111"
NOBODY_UID = 65_534
PATIENCE = 60.0

AS_USER = """
import importlib, os, sys
from siaga112.cli import commands, main
for command in commands.COMMANDS.values():
    importlib.import_module(f"siaga112.cli.{command.module}")
from siaga112.core.caller_id import canonical
canonical("081211111111")
os.setgid(int(sys.argv[1]))
os.setuid(int(sys.argv.pop(1)))
main()
"""
"""Run a command as another user. Everything is imported first: that user may not be able to read our Python.
"""


@dataclass(frozen=True)
class Ended:
    """The result of a command."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The output, parsed as JSON."""
        return json.loads(self.out)

    def failed(self, code: int) -> str:
        """Check that it failed with this code and one line; return the line."""
        assert self.code == code, self
        assert self.out == ""
        assert self.err.startswith("siaga112: ")
        assert self.err.count("\n") == 1
        return self.err.rstrip("\n")

    def done(self) -> str:
        """Check that it succeeded and printed no error; return its output."""
        assert (self.code, self.err) == (0, ""), self
        return self.out


class Shell:
    """Runs commands with one configuration."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.config = home / "siaga112.toml"
        self.environ = {"PATH": os.environ["PATH"], "USER": "ratna", "SIAGA112_CONFIG": str(self.config)}
        self.user: int | None = None
        self.patience = PATIENCE
        self.write()

    def write(self, **more: str) -> None:
        """Write the configuration, with more lines for some sections."""
        lines = [f'site = "lab"\nstate_dir = "{self.home / "state"}"']
        lines += [f"[{section}]\n{text}" for section, text in more.items()]
        self.config.write_text("\n".join(lines))

    async def __call__(self, *arguments: str) -> Ended:
        """Run a command to its end. None may print a traceback or a warning of Python."""
        if self.user is None:
            code, out, err = await warm.run(arguments, self.environ, self.patience)
        else:
            code, out, err = await self._as_user(self.user, *arguments)
        ended = Ended(code, without_secrets(out.decode()), without_secrets(err.decode()))
        assert "Traceback" not in ended.err, ended.err
        assert "Warning" not in ended.err, ended.err
        return ended

    async def _as_user(self, user: int, *arguments: str) -> warm.Finished:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", AS_USER, str(user), *arguments),
            env=self.environ,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        async with asyncio.timeout(self.patience):
            out, err = await process.communicate()
        return warm.Finished(process.returncode or 0, out, err)

    async def each(self, *commands: str) -> list[Ended]:
        """Run commands that do not depend on each other, in parallel."""
        return await asyncio.gather(*(self(*shlex.split(command)) for command in commands))


@pytest.fixture
def shell() -> Iterator[Shell]:
    """Yield a shell in a folder of its own."""
    home = Path(tempfile.mkdtemp(prefix="s112-test-"))
    yield Shell(home)
    shutil.rmtree(home)


@pytest.fixture
async def live(shell: Shell) -> AsyncIterator[Shell]:
    """Yield a shell at a site whose private Redis runs and whose ledger has some calls."""
    embedded = EmbeddedRedis(shell.home / "state")
    await embedded.start()
    store = site_store(shell.home / "state", "lab")
    recorder = Recorder(MemoryOutbox(), store, in_force(policy=RULES), KeptMeter())
    for call in (prank(1, NOW - 3_600_000), answered(2, NOW - 1_800_000), prank(3, NOW - 2 * DAY, None)):
        await recorder.record([entry(call)])
    yield shell
    await store.close()
    await embedded.stop()
