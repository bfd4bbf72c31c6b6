"""The FastAGI server: sockets around `core.agi.Conversation`.

It is a `Protocol`, not streams: each call has its own connection, and its verdict must not wait for anything
else. We send all commands at once and then close our side of the stream. Asterisk reads them through a
buffered FILE but polls only the socket; the end of the stream keeps the socket readable, so Asterisk sees the
next command without a round trip (res_agi.c, `run_agi`). Every connection is closed within `PATIENCE`: dying
is better than stalling, since a closed socket lets the dialplan go on.
"""

import asyncio
import socket
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Final, cast

from siaga112.core.agi import AgiError, Conversation, HungUp, Reply, Request, commands
from siaga112.core.screening import Screening, ScreenReason
from siaga112.errors import SiagaError
from siaga112.service.screening import fail_open
from siaga112.sparing import Sparing

PATIENCE: Final = 0.95
"""The longest life of a connection in seconds: it must be closed within one second."""

BACKLOG: Final = 1_024

_refused = Sparing("agi_refused")

Screen = Callable[[Request], Screening | Awaitable[Screening]]


class _Connection(asyncio.Protocol):
    """One call's request. Answers as soon as the request is complete, then closes."""

    def __init__(self, server: "FastAgiServer") -> None:
        self._server = server
        self._conversation = Conversation()
        self._transport: asyncio.Transport | None = None
        self._task: asyncio.Task[None] | None = None
        self._told = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is one only by its methods
        self._server.opened(self)

    def data_received(self, data: bytes) -> None:
        try:
            for message in self._conversation.receive(data):
                match message:
                    case Request():
                        self._ask(message)
                    case Reply(200):
                        pass
                    case Reply() | HungUp():
                        self._close()
        except AgiError as error:
            _refused(detail=str(error))
            self._server.refused()
            self._close()

    def eof_received(self) -> None:
        self._close()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        self._server.closed(self)

    def _ask(self, request: Request) -> None:
        if self._server.stopping:
            self.reply(fail_open(ScreenReason.STOPPING))
            return
        answer = self._server.screen(request)
        if isinstance(answer, Screening):
            self.reply(answer)
        else:
            self._task = asyncio.get_running_loop().create_task(self._reply_later(answer))

    async def _reply_later(self, answer: Awaitable[Screening]) -> None:
        self.reply(await answer)

    def reply(self, screening: Screening) -> None:
        """Send the whole verdict, and end our side of the stream."""
        if self._transport and not self._told and not self._transport.is_closing():
            self._told = True
            self._transport.write(b"".join(commands(screening)))
            self._transport.write_eof()

    def drain(self) -> None:
        """Let a waiting call through, since we are stopping."""
        if self._task and not self._task.done():
            self._task.cancel()
            self.reply(fail_open(ScreenReason.STOPPING))

    def give_up(self) -> None:
        """Abort the connection; the dialplan goes on with ALLOW."""
        if self._transport:
            self._transport.abort()

    def _close(self) -> None:
        if self._transport:
            self._transport.close()


class FastAgiServer:
    """Serve the dialplan's requests. `screen` answers one; `refused` counts malformed ones."""

    def __init__(self, screen: Screen, refused: Callable[[], None]) -> None:
        self.screen: Final = screen
        self.refused: Final = refused
        self.stopping = False
        self.connections: Final[dict[_Connection, float]] = {}
        self._empty: Final = asyncio.Event()
        self._timer: asyncio.TimerHandle | None = None
        self._server: asyncio.Server | None = None

    async def start(self, host: str, port: int, handed: socket.socket | None = None) -> int:
        """Listen, and return the port (the actual one if `port` is 0).

        `handed` is a socket from the service manager, which keeps it open after we end.

        Raises:
            SiagaError: names the address, if it is taken or not on this machine.

        """
        loop = asyncio.get_running_loop()
        if handed is not None:
            self._server = await loop.create_server(lambda: _Connection(self), sock=handed, backlog=BACKLOG)
            return int(self._server.sockets[0].getsockname()[1])
        try:
            self._server = await loop.create_server(lambda: _Connection(self), host, port, backlog=BACKLOG)
        except OSError as error:
            raise SiagaError(
                f"FastAGI cannot listen on {host}:{port} ({error.strerror or error}); "
                "is another siaga112 running? Otherwise change [agi] host or port"
            ) from error
        return int(self._server.sockets[0].getsockname()[1])

    def opened(self, connection: _Connection) -> None:
        """Track a connection; one timer serves all, set for the oldest."""
        loop = asyncio.get_running_loop()
        self.connections[connection] = loop.time()
        if self._timer is None:
            self._timer = loop.call_later(PATIENCE, self._give_up_the_old)

    def closed(self, connection: _Connection) -> None:
        """Stop tracking a connection."""
        self.connections.pop(connection, None)
        if self.stopping and not self.connections:
            self._empty.set()

    def _give_up_the_old(self) -> None:
        loop = asyncio.get_running_loop()
        self._timer = None
        for connection, began in list(self.connections.items()):
            left = began + PATIENCE - loop.time()
            if left > 0:
                self._timer = loop.call_later(left, self._give_up_the_old)
                break
            connection.give_up()

    async def stop(self, seconds: float = PATIENCE) -> None:
        """Stop listening, let waiting calls through, and close all connections within `seconds`."""
        self.stopping = True
        if self._server:
            self._server.close()
        for connection in list(self.connections):
            connection.drain()
        if self.connections:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._empty.wait(), seconds)
        for connection in list(self.connections):
            connection.give_up()
