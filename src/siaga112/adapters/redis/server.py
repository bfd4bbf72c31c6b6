"""The private Redis: an append-only `redis-server` child with a socket in the state directory.

The process with the lock starts and stops it; the other half of the daemon and every command use the same
socket. If the server dies, any process that gets the lock restarts it.
"""

import asyncio
import contextlib
import fcntl
import os
import shutil
import signal
import time
from pathlib import Path
from typing import Final

import structlog

from siaga112.adapters.redis.embedded import socket_path
from siaga112.errors import SiagaError

START_SECONDS: Final = 10.0
WATCH_SECONDS: Final = 0.5
_SOCKET_PATH_MAX: Final = 100
"""A safe limit: the kernel truncates a Unix socket's path at 107 bytes (unix(7), `sun_path`)."""

_TOLD_LAST: Final = 2_000
"""The bytes at the end of its log that we search for the reason it ended."""

_DAMAGED: Final = (
    b"append only file",  # Bad file format, unknown command, unexpected end of file
    b"AOF",
    b"RDB",
    b"Short read",
)

_log = structlog.get_logger()


class EmbeddedRedis:
    """Keep the private Redis running while we live. `run` watches it; `stop` ends it if we own it."""

    def __init__(self, state_dir: Path) -> None:
        self._socket: Final = socket_path(state_dir)
        self._home: Final = self._socket.parent
        self._child: asyncio.subprocess.Process | None = None
        self._making: asyncio.Task[asyncio.subprocess.Process] | None = None
        self._lock: int | None = None

    async def start(self) -> None:
        """Return when the private Redis answers, whether we started it or another process did.

        Raises:
            SiagaError: in one line, if there is no redis-server or it does not start.

        """
        if len(os.fsencode(self._socket)) > _SOCKET_PATH_MAX:
            raise SiagaError(f"{self._socket}: too long for a Unix socket; choose a shorter state_dir")
        try:
            for folder in (self._home.parent, self._home):  # nobody else may see callers' numbers
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._take_lock()
            async with asyncio.timeout(START_SECONDS):
                while not await self._answers():
                    await self._launch()
                    await asyncio.sleep(0.02)
        except TimeoutError as error:
            raise SiagaError(
                f"the embedded Redis did not come up in {START_SECONDS:g} s; see {self._home / 'redis.log'}"
                if self._lock is not None
                else f"another siaga112 ({self._holder()}) keeps the embedded Redis in {self._home}, "
                "and it does not answer; end that one, or set another state_dir"
            ) from error
        except OSError as error:
            raise SiagaError(
                f"{error.filename or self._home}: cannot be used ({error.strerror}); "
                "set state_dir to a writable folder"
            ) from error

    async def run(self) -> None:
        """Restart the private Redis whenever it is gone; runs for ever."""
        while True:
            await asyncio.sleep(WATCH_SECONDS)
            if self._child and self._child.returncode is not None:
                _log.warning("redis_died", code=self._child.returncode, action="restarting it")
                self._child = None
            try:
                self._take_lock()
                if self._child is None and not await self._answers():
                    await self.start()
            except (SiagaError, OSError) as error:
                _log.error("redis_not_started", detail=str(error))

    async def stop(self) -> None:
        """End the private Redis if it is ours, or was left by a killed daemon; it saves its data first."""
        if self._making:  # cancelled while starting it: the process exists all the same
            with contextlib.suppress(OSError):
                self._child = await self._making
        if self._child and self._child.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self._child.send_signal(signal.SIGTERM)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(3):
                    await self._child.wait()
        elif self._child is None and self._lock is not None:
            await self._ask(b"SHUTDOWN\r\n")
        self._child = None
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    async def _answers(self) -> bool:
        return (await self._ask(b"PING\r\n")).startswith(b"+PONG")

    async def _ask(self, command: bytes) -> bytes:
        """Send one command over the socket and return the answer; empty if there is none."""
        try:
            async with asyncio.timeout(1):
                reader, writer = await asyncio.open_unix_connection(str(self._socket))
                try:
                    writer.write(command)
                    return await reader.readline()
                finally:
                    writer.close()
        except (OSError, TimeoutError):
            return b""

    async def _launch(self) -> None:
        """Start the child, unless another process has the lock."""
        if self._child:
            if self._child.returncode is None:
                return
            if await self._mend():
                self._child = None
                return
            raise SiagaError(
                f"the embedded Redis ended at its start (code {self._child.returncode}); "
                f"see {self._home / 'redis.log'}"
            )
        if not self._take_lock():
            return
        program = shutil.which("redis-server")
        if program is None:
            raise SiagaError(
                "no redis-server is installed; install it (Debian: apt install redis-server) "
                "or set [redis] url to one that runs"
            )
        options = {
            "dir": str(self._home),
            "port": "0",
            "unixsocket": str(self._socket),
            "unixsocketperm": "700",
            "tcp-backlog": "4096",  # also the socket's: beyond it connections are refused, not queued
            "appendonly": "yes",
            "appendfsync": "everysec",
            "save": "",
            "crash-log-enabled": "no",  # it would contain clients' last commands, with callers' numbers
            "logfile": str(self._home / "redis.log"),
            "maxmemory-policy": "noeviction",
            "daemonize": "no",
        }
        arguments = [part for name, value in options.items() for part in (f"--{name}", value)]
        self._making = asyncio.ensure_future(
            asyncio.create_subprocess_exec(
                program,
                "-",
                *arguments,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.DEVNULL,
                stderr=asyncio.subprocess.DEVNULL,
                start_new_session=True,  # keep Ctrl-C for ourselves; `stop` ends the child when we are done
            )
        )
        self._child = await asyncio.shield(self._making)
        self._making = None
        _log.info("redis_started", pid=self._child.pid, socket=str(self._socket))

    async def _mend(self) -> bool:
        """Set aside the files that Redis cannot read; return whether there were any.

        They hold no only copy, unless siaga112 before 0.1.0 wrote them.
        """
        files = self._home / "appendonlydir"
        if not files.is_dir() or not await asyncio.to_thread(self._refused_its_files):
            return False
        aside = files.with_name(f"{files.name}.damaged-{time.time_ns()}")
        files.rename(aside)
        _log.warning("redis_damaged", kept=str(aside), left="nothing: the block list is rebuilt")
        return True

    def _refused_its_files(self) -> bool:
        try:
            with (self._home / "redis.log").open("rb") as log:
                log.seek(max(0, log.seek(0, os.SEEK_END) - _TOLD_LAST))
                told = log.read()
        except OSError:
            return False
        return any(words in told for words in _DAMAGED)

    def _holder(self) -> str:
        """Return the process that has the lock, if the kernel shows it."""
        with contextlib.suppress(OSError, ValueError, IndexError):
            number = str((self._home / "redis.lock").stat().st_ino)
            for line in Path("/proc/locks").read_text("ascii").splitlines():
                if "FLOCK" in line and line.split()[5].rpartition(":")[2] == number:
                    return f"process {line.split()[4]}"
        return "a process"

    def _take_lock(self) -> bool:
        """Take the lock, and with it the duty to start and stop Redis; False if another process has it."""
        if self._lock is not None:
            return True
        lock = os.open(self._home / "redis.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(lock)
            return False
        self._lock = lock
        return True
