"""The browsers' and the programs' side of `benchmarks.console`, in a process of its own.

    python -m benchmarks.looking streams PORT COOKIE COUNT     follow the wall COUNT times, until stdin ends
    python -m benchmarks.looking logins PORT RATE              try RATE wrong passwords a second, likewise
    python -m benchmarks.looking reads PORT TOKEN PATH AT_ONCE SECONDS

Each prints "ready" when it has begun, and its result as one line of JSON.
"""

import asyncio
import json
import sys
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Final

import uvloop

from tests.waiting import within

PATIENCE: Final = 60.0
IN_FLIGHT: Final = 400
"""Logins that may wait for an answer. With more than these, further ones are counted but not sent."""


async def _opened(port: int, request: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    async with within(PATIENCE, "a connection to the console"):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(request.encode())
        return reader, writer


async def _status(reader: asyncio.StreamReader) -> int:
    head = await reader.readuntil(b"\r\n\r\n")  # ends: whoever asks has a bound
    return int(head.split(b" ", 2)[1])


async def streams(port: int, cookie: str, count: int, ended: Awaitable[object]) -> dict[str, float]:
    """Follow the wall with this many connections; return the bytes and events that came."""
    told: Counter[str] = Counter()

    async def one(ready: asyncio.Future[None]) -> None:
        reader, writer = await _opened(
            port, f"GET /live HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nCookie: {cookie}\r\n\r\n"
        )
        try:
            if await _status(reader) != 200:
                raise SystemExit("the wall is not to be followed")
            while data := await reader.read(65_536):  # ends: it is cancelled
                told["bytes"] += len(data)
                told["events"] += data.count(b"\nevent:") + data.startswith(b"event:")
                if not ready.done():
                    ready.set_result(None)
            told["cut"] += 1
        finally:
            writer.close()

    first = [asyncio.get_running_loop().create_future() for _ in range(count)]
    tasks = [asyncio.create_task(one(ready)) for ready in first]
    async with within(PATIENCE, "the walls"):
        await asyncio.gather(*first)
    print("ready", flush=True)
    await ended  # ends: stdin does
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    return dict(told)


async def logins(port: int, rate: float, ended: asyncio.Future[object]) -> dict[str, float]:
    """Try to log in with wrong passwords at this rate; return how often each answer came."""
    told: Counter[str] = Counter()

    async def one(nth: int) -> None:
        body = f"name=Ratna&password=wrong+{nth}"
        request = (
            f"POST /login HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n"
            f"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {len(body)}\r\n\r\n{body}"
        )
        try:
            reader, writer = await _opened(port, request)
            try:
                async with within(PATIENCE, "an answer to a login"):
                    told[str(await _status(reader))] += 1
            finally:
                writer.close()
        except (OSError, TimeoutError, asyncio.IncompleteReadError):
            told["unanswered"] += 1

    flying = set[asyncio.Task[None]]()
    began, nth = time.monotonic(), 0
    print("ready", flush=True)
    while not ended.done():
        for _ in range(int((time.monotonic() - began) * rate) - nth):
            nth += 1
            if len(flying) >= IN_FLIGHT:
                told["not sent"] += 1
                continue
            task = asyncio.create_task(one(nth))
            flying.add(task)
            task.add_done_callback(flying.discard)
        await asyncio.sleep(0.005)
    for task in flying:
        task.cancel()
    await asyncio.gather(*flying, return_exceptions=True)
    return {**told, "rate": nth / (time.monotonic() - began)}


async def reads(port: int, token: str, path: str, at_once: int, seconds: float) -> dict[str, float]:
    """Read one path again and again over kept connections; return the answers a second."""
    request = (
        f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAuthorization: Bearer {token}\r\n\r\n"
    ).encode()
    told: Counter[str] = Counter()

    async def one() -> None:
        reader, writer = await _opened(port, "")
        while time.monotonic() < began + seconds:
            writer.write(request)
            head = await reader.readuntil(b"\r\n\r\n")  # ends: the whole has a bound
            length = next(
                int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")
            )
            await reader.readexactly(length)  # ends: as above
            told[head.split(b" ", 2)[1].decode()] += 1
        writer.close()

    print("ready", flush=True)
    began = time.monotonic()
    async with within(seconds + PATIENCE, "the answers"):
        await asyncio.gather(*(one() for _ in range(at_once)))
    return {**told, "rate": told["200"] / (time.monotonic() - began)}


async def _stdin_ended() -> asyncio.Future[object]:
    loop = asyncio.get_running_loop()
    ended: asyncio.Future[object] = loop.create_future()

    def end() -> None:
        loop.remove_reader(0)
        ended.set_result(None)

    loop.add_reader(0, end)
    return ended


async def main(what: str, port: str, *more: str) -> None:
    """Run one of them and print its result."""
    acts: dict[str, Callable[[], Awaitable[dict[str, float]]]] = {
        "reads": lambda: reads(int(port), more[0], more[1], int(more[2]), float(more[3])),
    }
    if what != "reads":
        ended = await _stdin_ended()
        acts["streams"] = lambda: streams(int(port), more[0], int(more[1]), ended)
        acts["logins"] = lambda: logins(int(port), float(more[0]), ended)
    print(json.dumps(await acts[what]()), flush=True)


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main(*sys.argv[1:]))
