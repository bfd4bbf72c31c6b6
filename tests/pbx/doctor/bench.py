"""A bench for the faults: a PBX, a daemon and a Redis, all in order until a test breaks something."""

import json
import os
import socket
import sys
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

from siaga112.doctor import diagnose
from siaga112.doctor.examination import examine
from siaga112.doctor.lines import Line
from siaga112.settings.loading import load
from tests import warm
from tests.lab import Asterisk, Observer, Version, find, ports
from tests.lab.asterisk import SHIPPED
from tests.lab.daemon import Daemon, running
from tests.lab.redis_servers import ACL, LOGIN, RedisServer, home
from tests.pbx.doctor.fault import Edit
from tests.waiting import output

RELOAD: Final = {
    "extensions.conf": "dialplan reload",
    "manager.conf": "module reload manager",
    "manager.d/siaga112.conf": "module reload manager",
    "queues.conf": "module reload app_queue.so",
    "pjsip.conf": "module reload res_pjsip.so",
    "http.conf": "module reload http",
    "features.conf": "module reload features",
    "acl.conf": "module reload acl",
}

# A trunk's context missing from the configuration, a context that nothing leads to, and telephones.
DIALPLAN: Final = """
[from-forgotten]
exten => 112,1,Gosub(siaga112-screen,s,1)
 same => n,Hangup()
[office]
exten => s,1,Answer()
 same => n,Hangup()
[phones]
exten => _XXX,1,Dial(PJSIP/${EXTEN})
"""

OPERATOR: Final = "member => Local/101@operators/n,0,Siti,Custom:siti\n"
"""An operator whose telephone the PBX shows."""

NOLOAD: Final = {"modules.conf": "noload = func_realtime.so\nnoload = func_sorcery.so\n"}
"""As in the manual. func_config.so is loaded, because the doctor reads Asterisk's files with it."""

FORGOTTEN: Final = "127.0.0.9"
"""The address of the exchange at the other end of [from-forgotten]'s trunk."""
TRUNK: Final = f"""
[trunk-forgotten]
type = endpoint
context = from-forgotten
disallow = all
allow = ulaw
[trunk-forgotten]
type = identify
endpoint = trunk-forgotten
match = {FORGOTTEN}
"""
"""That trunk's sections of pjsip.conf."""

AS_NOBODY: Final = """
import encodings.idna, os, sys
import siaga112.cli.doctor
from siaga112.cli import main
os.setgid(65534)
os.setuid(65534)
main()
"""
"""Runs the doctor as the user nobody. It imports our code before, which that user may be unable to read."""


@dataclass
class Bench:
    """Everything that a fault can break."""

    pbx: Asterisk
    lab: Observer
    daemon: Daemon
    redis: RedisServer

    @classmethod
    @asynccontextmanager
    async def running(cls, version: Version) -> AsyncIterator[Self]:
        """Run a bench for as long as the block lasts."""
        async with AsyncExitStack() as stack:
            pbx = await stack.enter_async_context(
                Asterisk.start(
                    find(version),
                    dialplan=DIALPLAN,
                    operators=(),
                    more={"queues.conf": OPERATOR, **NOLOAD},
                )
            )
            daemon = await stack.enter_async_context(running(pbx))
            acl = ACL.read_text("utf-8").replace("{siaga112}", "{lab}").replace(":siaga112:*", ":lab:*")
            user = next(line for line in acl.splitlines() if line.startswith("user "))
            redis = stack.enter_context(RedisServer(stack.enter_context(home()), "appendonly yes", user))
            bench = cls(pbx, await pbx.observe(), daemon, redis)
            try:
                yield bench
            finally:
                await bench.lab.close()

    @property
    def redis_url(self) -> str:
        """The URL of the bench's Redis, for a user with the rights that we ship."""
        return self.redis.url.replace("unix://", f"unix://{LOGIN}@")

    @property
    def names(self) -> dict[str, str]:
        """What `{…}` stands for in the expected lines."""
        return {
            "ami": f"127.0.0.1:{self.pbx.ami_port}",
            "agi": f"127.0.0.1:{self.pbx.agi_port}",
            "agi_port": str(self.pbx.agi_port),
            "metrics": self.daemon.metrics_url,
            "config": str(self.daemon.config),
            "state": str(self.daemon.folder / "state"),
            "sounds": f"{self.pbx.folder}/data/sounds",
            "redis": self.redis_url.replace("change-me", "***"),
        }

    async def examined(self, settings: Mapping[str, Any], config: Path | None = None) -> list[Line]:
        """Return the doctor's lines, with these settings in place of the daemon's."""
        file = config or self.daemon.config
        seen = await examine(load(file, {**self.given, **environ(settings)}), file)
        return list(diagnose(seen))

    @property
    def given(self) -> dict[str, str]:
        """The daemon's environment, with the AMI user's secret."""
        return {**self.daemon.given, "SIAGA112_AMI__SECRET": self.pbx.siaga_secret}

    @asynccontextmanager
    async def edited(self, *edits: Edit) -> AsyncIterator[None]:
        """Edit the PBX's files and reload them; restore them when the block ends."""
        kept: dict[Path, str] = {}
        for edit in edits:
            path = self.pbx.folder / "etc" / edit.file
            text = path.read_text("utf-8")
            kept.setdefault(path, text)
            text = text if edit.old.startswith("#include") else _with_includes(text)
            old = edit.old.replace("{agi_port}", str(self.pbx.agi_port))
            assert old in text, f"{edit.file} has no {old}"
            path.write_text(
                text.replace(old, edit.new.replace("{agi_port}", str(self.pbx.agi_port))), "utf-8"
            )
        await self._reload(edits)
        try:
            yield
        finally:
            for path, text in kept.items():
                path.write_text(text, "utf-8")
            await self._reload(edits)

    async def _reload(self, edits: tuple[Edit, ...]) -> None:
        for command in dict.fromkeys(RELOAD[edit.file] for edit in edits):
            await self.lab.action({"Action": "Command", "Command": command})

    async def restart_daemon(self) -> None:
        """Start the daemon again, and wait until it is as before."""
        since = len(self.daemon.lines)
        await self.daemon.start()
        await self.daemon.ready(since=since)

    async def doctor(self, *before: str, code: str = "") -> tuple[int, list[Line]]:
        """Run the real command; return its exit code and lines. `before`: words in front of it."""
        environ = {
            **os.environ,
            **self.daemon.given,
            **self.given,
            "SIAGA112_CONFIG": str(self.daemon.config),
        }
        if not (before or code):
            ended, out, err = await warm.run(("doctor", "--json"), environ, 60)
        else:
            ended, out, err = await self._real_doctor(*before, code=code, environ=environ)
        assert not err, err.decode()
        rows = json.loads(out)
        return ended, [Line(row["health"], row["found"], row["remedy"] or "", row["check"]) for row in rows]

    async def _real_doctor(self, *before: str, code: str, environ: Mapping[str, str]) -> warm.Finished:
        import asyncio  # noqa: PLC0415 - only here

        process = await asyncio.create_subprocess_exec(
            *before,
            sys.executable,
            *(("-c", code) if code else ("-m", "siaga112")),
            *("doctor", "--json"),
            env=environ,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        out, err = await output(process, "siaga112 doctor")
        return warm.Finished(process.returncode or 0, out, err)

    @contextmanager
    def as_redis_admin(self, do: tuple[str, ...], undo: tuple[str, ...]) -> Iterator[None]:
        """Send Redis one command when the block begins, and another when it ends."""
        self.redis.ask(*do)
        try:
            yield
        finally:
            self.redis.ask(*undo)


def environ(settings: Mapping[str, Any]) -> dict[str, str]:
    """Return settings as environment variables."""
    return {
        f"SIAGA112_{key.upper().replace('.', '__')}": json.dumps(value)
        if isinstance(value, list)
        else str(value)
        for key, value in settings.items()
    }


OURS: Final = (
    "extensions_siaga112.conf",
    "extensions_siaga112_centre.conf",
    "features_siaga112.conf",
    "queues_siaga112.conf",
)


def _with_includes(text: str) -> str:
    """Replace the lines that include our files by those files' text."""
    for name in OURS:
        text = text.replace(f'#include "{SHIPPED}/{name}"', (SHIPPED / name).read_text("utf-8"))
    return text


def closed_port() -> int:
    """Return a port on which nobody listens."""
    port = ports.free()
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", port)) != 0
    return port
