"""Runs `siaga112` commands in processes forked from one that has already loaded the program.

Loading takes most of a second of processor time, and the tests run some thousands of commands. Everything
else is as if each were started on its own: a process, its arguments and environment, pipes, its end.
tests/test_warm.py shows that each command also starts without this.
"""

import array
import asyncio
import atexit
import contextlib
import gc
import importlib
import io
import json
import os
import runpy
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Final, NamedTuple, TextIO

from tests.waiting import output

LONGEST: Final = 1 << 20
"""The most bytes that a command's arguments and environment may have."""


class Finished(NamedTuple):
    """How a command ended."""

    code: int
    out: bytes
    err: bytes


# ── the client ───────────────────────────────────────────────────────────────────────────────────

SERVERS: Final = dict[int, socket.socket]()
"""By process id: each test worker has its own server, and a process that it forks has none."""


async def run(
    arguments: tuple[str, ...], environ: Mapping[str, str], seconds: float, cwd: Path | None = None
) -> Finished:
    """Run a command to its end. Kills it and raises TimeoutError if it does not end in time.

    Raises:
        ConnectionError: if the server is gone, so that nobody knows how the command ended.
    """
    if any(map(_read_at_start, environ, environ.values())):
        return await _cold(arguments, environ, seconds, cwd)
    ours, theirs = socket.socketpair()
    (out, out_end), (err, err_end) = os.pipe(), os.pipe()
    with ours:
        asked = json.dumps([arguments, dict(environ), str(cwd or Path.cwd())]).encode()
        with theirs, open(os.devnull, "rb") as nothing:  # noqa: ASYNC230, PTH123 - a device
            socket.send_fds(_server(), [asked], [theirs.fileno(), nothing.fileno(), out_end, err_end])
        os.close(out_end)
        os.close(err_end)
        ours.setblocking(False)  # noqa: FBT003 - the name of its parameter is its own
        pid = 0
        try:
            async with asyncio.timeout(seconds):
                pid = await _number(ours)
                said = await asyncio.gather(_all(out), _all(err))
                return Finished(await _number(ours), *said)
        except BaseException:
            if pid:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            raise


def _read_at_start(name: str, value: str) -> bool:
    """Return whether a variable acts before any program runs, and differs from our server's."""
    if name.startswith("LD_"):
        return True
    if name.startswith(("LC_", "LANG")):
        return value != "C.UTF-8"
    return name.startswith("PYTHON") and name not in {"PYTHONDONTWRITEBYTECODE", "PYTHONUNBUFFERED"}


async def _cold(
    arguments: tuple[str, ...], environ: Mapping[str, str], seconds: float, cwd: Path | None
) -> Finished:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "siaga112", *arguments),
        env=environ,
        cwd=cwd,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await output(process, "siaga112 " + " ".join(arguments), seconds)
    return Finished(process.returncode or 0, out, err)


async def _all(pipe: int) -> bytes:
    reader = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    transport, _ = await loop.connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(pipe, "rb", 0)
    )
    try:
        return await reader.read()  # ends: with the command, or at its bound
    finally:
        transport.close()


async def _number(line: socket.socket) -> int:
    data = await asyncio.get_running_loop().sock_recv(line, 4)  # ends: with the command, or at its bound
    if len(data) < 4:
        raise ConnectionError("the server of commands is gone (tests/warm.py)")
    return int.from_bytes(data, signed=True)


def _server() -> socket.socket:
    """Return the connection to this process's server; start it if there is none."""
    if found := SERVERS.get(os.getpid()):
        return found
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with theirs:
        process = subprocess.Popen(  # ends: when we close our end of the connection
            [sys.executable, "-m", "tests.warm", str(theirs.fileno())],
            cwd=Path(__file__).parents[1],
            env={"PATH": os.environ["PATH"]},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            pass_fds=[theirs.fileno()],
        )
    SERVERS[os.getpid()] = ours
    atexit.register(_end, os.getpid(), process)
    return ours


def _end(owner: int, process: "subprocess.Popen[bytes]") -> None:
    if os.getpid() == owner:
        SERVERS[owner].close()
        process.wait(10)


# ── the server ───────────────────────────────────────────────────────────────────────────────────


def serve(line: socket.socket) -> tuple[str, ...] | None:
    """Fork a process for each command until the line ends; in a fork, return the command's arguments."""
    _load()
    while True:
        asked, fds, _, _ = socket.recv_fds(line, LONGEST, 4)
        if not asked:
            return None
        if os.fork() == 0:
            line.close()
            reply = socket.socket(fileno=fds[0])
            pid = os.fork()
            if pid == 0:
                reply.close()
                return _become(asked, fds[1:])
            _wait(reply, pid, fds[1:])
        for fd in fds:
            os.close(fd)
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass


def _load() -> None:
    from siaga112.cli import commands  # noqa: PLC0415 - only in the server
    from siaga112.core.caller_id import canonical  # noqa: PLC0415

    for command in commands.COMMANDS.values():
        importlib.import_module(f"siaga112.cli.{command.module}")
    canonical("081211111111")
    gc.collect()
    gc.freeze()


def _wait(reply: socket.socket, pid: int, fds: "list[int] | array.array[int]") -> None:
    """Send the command's process id and, at its end, its exit code; then exit."""
    for fd in fds:
        os.close(fd)
    with contextlib.suppress(OSError):
        reply.sendall(pid.to_bytes(4, signed=True))
        code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        reply.sendall(code.to_bytes(4, signed=True))
    os._exit(0)


def _become(asked: bytes, fds: "list[int] | array.array[int]") -> tuple[str, ...]:
    """Take over the pipes, environment and folder of a command; return its arguments."""
    arguments, environ, cwd = json.loads(asked)
    for number, fd in enumerate(fds):
        os.dup2(fd, number)
        os.close(fd)
    sys.stdout = _text(1, sys.stdout)
    sys.stderr = _text(2, sys.stderr)
    os.environ.clear()
    os.environ.update(environ)
    time.tzset()
    os.chdir(cwd)
    return tuple(arguments)


def _text(fd: int, before: TextIO) -> io.TextIOWrapper:
    """Open a standard stream as Python does at its start, when it finds out whether it can seek."""
    raw = open(fd, "wb", closefd=False)  # noqa: SIM115 - not a path; open until the end
    return io.TextIOWrapper(raw, before.encoding, before.errors, line_buffering=fd == 2 or raw.isatty())


if __name__ == "__main__":
    given = serve(socket.socket(fileno=int(sys.argv[1])))
    if given is not None:
        sys.argv[1:] = given
        runpy.run_module("siaga112", run_name="__main__", alter_sys=True)
