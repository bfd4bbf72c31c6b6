"""A user at the machine who follows the runbook: a shell in which its commands are real."""

import asyncio
import os
import shlex
import sys
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.lab.daemon import Daemon, Output
from tests.printed import without_secrets
from tests.runbook.axis import Axis, alerts
from tests.runbook.page import commands, filled

PATIENCE_SECONDS = 60.0


@dataclass
class Trying:
    """A section of the runbook, tried with a daemon. Its commands are run in order, each once.

    `systemctl` is a stand-in that prints its arguments; the test does the same to its own daemon.
    """

    section: str
    daemon: Daemon
    folder: Path
    console: Sequence[str] = ()
    axis: Axis = field(default_factory=Axis)
    places: dict[str, str] = field(default_factory=dict)
    _left: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._left = commands(self.section)
        # As at the machine, where the secret is in the file that only root and siaga112 read.
        given = [f"{name}={value}" for name, value in self.daemon.given.items()]
        ours = ("env", f"SIAGA112_CONFIG={self.daemon.config}", *given, sys.executable, "-m", "siaga112")
        for name, program in (
            ("siaga112", ours),
            ("asterisk", tuple(self.console) or ("false",)),
            ("systemctl", ("echo", "systemctl")),
        ):
            script = self.folder / name
            script.write_text(f'#!/bin/sh\nexec {shlex.join(program)} "$@"\n', "utf-8")
            script.chmod(0o755)

    @property
    def alert(self) -> str:
        """The alert that links to the section."""
        place = f"#{self.section.lower().replace(' ', '-')}"
        (name,) = (rule["alert"] for rule in alerts() if rule["annotations"]["runbook_url"].endswith(place))
        return str(name)

    async def holds(self, steps: int) -> None:
        """Hold the daemon's current page for that many steps."""
        await asyncio.sleep(0.15)  # a page may be as old as FRESH_SECONDS
        try:
            page = await self.daemon.metrics()
        except OSError:
            self.axis.hold(None, steps)
        else:
            self.axis.hold(page, steps)

    async def run(self, begins: str, code: int | None = 0) -> str:
        """Run the section's next command, which must begin so; return its output. `code` None: any code."""
        line = self._left.pop(0)
        assert line.startswith(begins), (line, begins)
        output = await self.typed(filled(line, **self.places))
        assert code in {None, output.code}, (line, output)
        return output.out + output.err

    async def typed(self, line: str) -> Output:
        """Run a line as if a user had typed it."""
        process = await asyncio.create_subprocess_exec(
            *("sh", "-c", line),
            cwd=self.folder,
            env={"PATH": f"{self.folder}:{os.environ['PATH']}", "HOME": str(self.folder)},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        async with asyncio.timeout(PATIENCE_SECONDS):
            out, err = await process.communicate()
        return Output(process.returncode or 0, without_secrets(out.decode()), without_secrets(err.decode()))

    def done(self) -> None:
        """Check that nothing of the section is left untried."""
        assert self._left == [], f"not tried: {self._left}"


async def until(what: Callable[[], Awaitable[bool]], seconds: float = PATIENCE_SECONDS) -> None:
    """Wait until `what`, called again and again, returns true."""
    async with asyncio.timeout(seconds):
        while not await what():  # noqa: ASYNC110 - there is no event to wait for
            await asyncio.sleep(0.05)
