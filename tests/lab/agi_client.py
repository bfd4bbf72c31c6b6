"""The dialplan's side of FastAGI: asks as Asterisk does, and measures how long the answer takes.

As a program it asks about one caller after another until its input ends, then prints how long each waited::

    python -m tests.lab.agi_client PORT NUMBER
"""

import asyncio
import contextlib
import json
import os
import select
import socket
import statistics
import sys
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from tests.waiting import output, within

PATIENCE_SECONDS: Final = 20.0
PAUSE_SECONDS: Final = 0.005

REQUEST: Final = """\
agi_network: yes
agi_network_script: {script}
agi_request: agi://127.0.0.1:4573/{script}
agi_channel: PJSIP/trunk-00000000
agi_language: id
agi_type: PJSIP
agi_uniqueid: {uid}
agi_version: 22.10.1
agi_callerid: {number}
agi_calleridname: unknown
agi_callingpres: 0
agi_callingani2: 0
agi_callington: 0
agi_callingtns: 0
agi_dnid: 112
agi_rdnis: unknown
agi_context: siaga112-screen
agi_extension: s
agi_priority: 12
agi_enhanced: 0.0
agi_accountcode:\x20
agi_threadid: 139767594194624
agi_arg_1: {number}

"""
OK: Final = b"200 result=1\n"


def request(number: str, script: str = "screen", uid: str = "1795463311.0") -> bytes:
    """Return what Asterisk sends first."""
    return REQUEST.format(number=number, script=script, uid=uid).encode()


@dataclass(frozen=True, slots=True)
class Answer:
    """The variables that were set (none if the connection just ended), and how long that took."""

    variables: dict[str, str]
    seconds: float

    @property
    def verdict(self) -> str:
        """The verdict for the dialplan: ALLOW unless the server set another."""
        return self.variables.get("SIAGA_VERDICT", "ALLOW")

    @property
    def reason(self) -> str:
        """The reason; '' if the connection just ended."""
        return self.variables.get("SIAGA_REASON", "")


async def ask(
    port: int, number: str = "081211111111", script: str = "screen", uid: str = "1795463311.0"
) -> Answer:
    """Ask about a caller; return the answer when the connection has ended."""
    variables: dict[str, str] = {}
    began = time.perf_counter()
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            try:
                writer.write(request(number, script, uid))
                while line := (await reader.readline()).decode():
                    _, _, name, value = line.strip().split(" ", 3)
                    variables[name] = value.strip('"')
                    writer.write(OK)
            finally:
                writer.close()
    except ConnectionError:
        pass
    return Answer(variables, time.perf_counter() - began)


@dataclass(slots=True)
class Probe:
    """How long callers waited, in milliseconds. Filled when the block ends."""

    waits: list[float] = field(default_factory=list)

    @property
    def p99(self) -> float:
        """The 99th percentile of the waits."""
        return percentile(self.waits, 99)

    @property
    def worst(self) -> float:
        """The longest wait."""
        return max(self.waits)


def percentile(values: Sequence[float], percent: int) -> float:
    """Return a percentile."""
    return statistics.quantiles(values, n=100, method="inclusive")[percent - 1]


def no_processor(*pids: int) -> float:
    """Return the seconds that these processes were ready but had no processor (schedstat, proc(5)).

    A caller's wait less this time is what our code takes; a busy machine is not our fault.
    """
    waited = 0
    for pid in pids:
        with contextlib.suppress(FileNotFoundError):
            waited += int(Path(f"/proc/{pid}/schedstat").read_text("ascii").split()[1])
    return waited / 1e9


@asynccontextmanager
async def probing(port: int, *pids: int, number: str = "081299999999") -> AsyncIterator[Probe]:
    """Let another process ask about one caller after another, so that our own work delays none of them.

    `pids`: the processes that answer. Time during which they had no processor does not count.
    """
    probe = Probe()
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.lab.agi_client", str(port), number, *map(str, pids)),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdin
    assert process.stdout
    try:
        async with within(PATIENCE_SECONDS, "the first answer to the probing caller"):
            await process.stdout.readline()
        yield probe
    finally:
        process.stdin.close()
        out, _ = await output(process, "the probing caller")
    probe.waits = json.loads(out)


def _wait(port: int, number: str, pids: Sequence[int]) -> float:
    noise, began = no_processor(*pids), time.perf_counter()
    with socket.create_connection(("127.0.0.1", port), PATIENCE_SECONDS) as line:
        line.sendall(request(number))
        while b"SIAGA_VERDICT" not in (said := line.recv(4_096)):  # ends: the socket has a timeout
            if not said:
                raise ConnectionError("closed without a verdict")
            line.sendall(OK)
        took = time.perf_counter() - began - (no_processor(*pids) - noise)
        line.sendall(OK)
        return max(0.0, took * 1_000)


def main(port: int, number: str, *pids: int) -> None:
    """Ask until the input ends, then print the waits."""
    all_pids = (os.getpid(), *pids)
    _wait(port, number, all_pids)
    print(flush=True)
    waits = []
    while not select.select([sys.stdin], [], [], PAUSE_SECONDS)[0]:
        waits.append(_wait(port, number, all_pids))
    print(json.dumps(waits))


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2], *map(int, sys.argv[3:]))
