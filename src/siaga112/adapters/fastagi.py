"""The FastAGI server: sockets around `core.agi.Conversation`.

It uses plain sockets, neither streams nor a `Protocol`: each call has its own connection, and its verdict
must not wait for anything else. A request that has arrived is answered when its connection is accepted.
We send all commands at once and then close our side of the stream. Asterisk reads them through a buffered
FILE but polls only the socket; the end of the stream keeps the socket readable, so Asterisk sees the next
command without a round trip (res_agi.c, `run_agi`). Nobody waits for what follows, so we only look every
`LOOK_SECONDS` which peers are done. Every connection is closed within `PATIENCE`: dying is better than
stalling, since a closed socket lets the dialplan go on.
"""

import asyncio
import errno
import os
import select
import socket
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Final

from siaga112.core.agi import AgiError, Conversation, HungUp, Reply, Request, commands
from siaga112.core.screening import Screening, ScreenReason
from siaga112.errors import SiagaError
from siaga112.listening import listen
from siaga112.service.screening import fail_open
from siaga112.sparing import Sparing

PATIENCE: Final = 0.95
"""The longest life of a connection in seconds: it must be closed within one second."""

BACKLOG: Final = 1_024

AT_ONCE: Final = 32
"""Connections accepted, or ended, in one turn of the event loop."""

READS: Final = 4
"""How often one connection is read in a turn, whatever it sends."""

LOOK_SECONDS: Final = 0.02
"""How often we check which peers have closed their connections after the verdict."""

CHUNK: Final = 32 * 1_024

ACCEPTED: Final = b"200 result=1\n"
"""Asterisk's answer to a SET VARIABLE."""

_ONCE: Final = select.EPOLLIN | select.EPOLLONESHOT

_EXHAUSTED: Final = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)

_refused = Sparing("agi_refused")
_exhausted = Sparing("agi_exhausted", "error")

Screen = Callable[[Request], Screening | Awaitable[Screening]]


class _Connection:
    """One call's request, on a socket of its own. Answers as soon as the request is complete."""

    __slots__ = ("_conversation", "_expected", "_server", "_socket", "_task", "told")

    def __init__(self, server: "FastAgiServer", accepted: socket.socket) -> None:
        self._server = server
        self._socket = accepted
        self._conversation = Conversation()
        self._task: asyncio.Task[None] | None = None
        self._expected = b""
        self.told = False

    def read(self) -> bool:
        """Read what has arrived; return whether there may be more."""
        try:
            data = self._socket.recv(CHUNK, socket.MSG_DONTWAIT)
        except BlockingIOError:
            return False
        except OSError:  # a reset
            data = b""
        if not data or data == self._expected:
            self.close()
            return False
        try:
            for message in self._conversation.receive(data):
                match message:
                    case Request():
                        self._ask(message)
                    case Reply(200):
                        pass
                    case Reply() | HungUp():
                        self.close()
        except AgiError as error:
            _refused(detail=str(error))
            self._server.refused()
            self.close()
        except Exception as error:  # noqa: BLE001 - the fault of one request must not reach other calls
            self._server.loop.call_exception_handler({"message": "a request failed", "exception": error})
            self.close()
        return True

    def watch(self) -> None:
        """Read the next time that something arrives, unless the answer is sent."""
        if self._socket.fileno() >= 0 and not self.told:
            self._server.watch(self, self._socket.fileno())

    def _ask(self, request: Request) -> None:
        if self._server.stopping:
            self.reply(fail_open(ScreenReason.STOPPING))
            return
        answer = self._server.screen(request)
        if isinstance(answer, Screening):
            self.reply(answer)
        else:
            self._task = self._server.loop.create_task(self._reply_later(answer))

    async def _reply_later(self, answer: Awaitable[Screening]) -> None:
        try:
            self.reply(await answer)
        finally:
            if not self.told:  # it failed
                self.close()

    def reply(self, screening: Screening) -> None:
        """Send the whole verdict, and end our side of the stream."""
        if self.told or self._socket.fileno() < 0:
            return
        self.told = True
        words = commands(screening)
        self._expected = ACCEPTED * len(words)  # after it, Asterisk has nothing left to read
        try:  # it always fits: nothing was sent before; MSG_MORE: one packet has the verdict and the end
            self._socket.sendall(b"".join(words), socket.MSG_DONTWAIT | socket.MSG_MORE)
            self._socket.shutdown(socket.SHUT_WR)
        except OSError:
            self.close()
        else:
            self._server.unwatch(self._socket.fileno())
            self._server.answered(self)

    def drain(self) -> None:
        """Let a waiting call through, since we are stopping."""
        if self._task and not self._task.done():
            self._task.cancel()
            self.reply(fail_open(ScreenReason.STOPPING))

    def close(self) -> None:
        """Close the connection; without a verdict, the dialplan goes on with ALLOW."""
        self._server.unwatch(self._socket.fileno())
        self._socket.close()
        self._server.closed(self)


def _spare() -> int:
    """Open a file descriptor that keeps a number free; -1 if there is none."""
    try:
        return os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return -1


class FastAgiServer:
    """Serve the dialplan's requests. `screen` answers one; `refused` counts malformed ones."""

    def __init__(self, screen: Screen, refused: Callable[[], None]) -> None:
        self.screen: Final = screen
        self.refused: Final = refused
        self.stopping = False
        self.connections: Final[dict[_Connection, float]] = {}
        """When each began, by the loop's clock; the oldest first."""
        self.loop: asyncio.AbstractEventLoop
        self._poll: Final = select.epoll()
        """Uvloop takes six system calls to watch a socket for a moment; our own, watched by it, takes one."""
        self._watched: Final[dict[int, _Connection]] = {}
        self._answered: Final[deque[_Connection]] = deque()
        self._empty: Final = asyncio.Event()
        self._timer: asyncio.TimerHandle | None = None
        self._listeners: list[socket.socket] = []
        self._spare = -1

    async def start(self, host: str, port: int, handed: socket.socket | None = None) -> int:
        """Listen, and return the port (the actual one if `port` is 0).

        `handed` is a socket from the service manager, which keeps it open after we end.

        Raises:
            SiagaError: names the address, if it is taken or not on this machine.

        """
        self.loop = asyncio.get_running_loop()
        try:
            self._listeners = [handed] if handed else await listen(host, port, BACKLOG)
        except OSError as error:
            raise SiagaError(
                f"FastAGI cannot listen on {host}:{port} ({(error.strerror or str(error)).lower()}); "
                "is another siaga112 running? Otherwise change [agi] host or port"
            ) from error
        self._spare = _spare()
        self.loop.add_reader(self._poll.fileno(), self._read_more)
        for listener in self._listeners:
            listener.settimeout(0)
            listener.listen(BACKLOG)
            self.loop.add_reader(listener, self._accept, listener)
        return int(self._listeners[0].getsockname()[1])

    def _accept(self, listener: socket.socket) -> None:
        """Take the connections that wait, and what has arrived on them."""
        for _ in range(AT_ONCE):
            try:
                accepted, _ = listener.accept()
            except BlockingIOError:
                break
            except OSError as error:
                if error.errno in _EXHAUSTED:
                    _exhausted(detail=error.strerror)
                    self._turn_away(listener)
                break
            connection = _Connection(self, accepted)
            self.connections[connection] = self.loop.time()
            if self._timer is None:
                self._timer = self.loop.call_later(LOOK_SECONDS, self._look)
            connection.read()
            connection.watch()
        self._end(len(self._answered) - AT_ONCE)

    def _turn_away(self, listener: socket.socket) -> None:
        """Close a connection for which no file descriptor is left, with the spare one: its call goes on."""
        if self._spare >= 0:
            os.close(self._spare)
            with suppress(OSError):
                listener.accept()[0].close()
        self._spare = _spare()
        if self._spare < 0:  # otherwise the loop would do nothing but try again
            self.loop.remove_reader(listener)
            self.loop.call_later(LOOK_SECONDS, self._listen_again, listener)

    def _listen_again(self, listener: socket.socket) -> None:
        if not self.stopping:
            self.loop.add_reader(listener, self._accept, listener)

    def watch(self, connection: _Connection, descriptor: int) -> None:
        """Call `read` once when something arrives."""
        try:
            self._poll.register(descriptor, _ONCE)
        except FileExistsError:
            self._poll.modify(descriptor, _ONCE)
        self._watched[descriptor] = connection

    def unwatch(self, descriptor: int) -> None:
        """Do not call `read` any more."""
        if self._watched.pop(descriptor, None):
            self._poll.unregister(descriptor)

    def _read_more(self) -> None:
        for descriptor, _ in self._poll.poll(0, AT_ONCE):
            if connection := self._watched.pop(descriptor, None):
                connection.read()
                connection.watch()

    def answered(self, connection: _Connection) -> None:
        """Close the connection after its peer has; nobody waits for that, so it is only looked at later."""
        self._answered.append(connection)

    def closed(self, connection: _Connection) -> None:
        """Stop tracking a connection."""
        self.connections.pop(connection, None)
        if self.stopping and not self.connections:
            self._empty.set()

    def _end(self, most: int) -> None:
        """Read what the peers said to their verdicts, of so many connections, the oldest first."""
        for _ in range(min(most, AT_ONCE)):
            connection = self._answered.popleft()
            for _ in range(READS):
                if not connection.read():
                    break
            if connection in self.connections:
                self._answered.append(connection)

    def _look(self) -> None:
        """Close the connections that have ended, and those that are too old."""
        self._timer = self.loop.call_later(LOOK_SECONDS, self._look) if self.connections else None
        self._end(len(self._answered))
        now = self.loop.time()
        for connection, began in list(self.connections.items()):
            if began + PATIENCE > now:
                break
            connection.close()

    async def stop(self, seconds: float = PATIENCE) -> None:
        """Stop listening, let waiting calls through, and close all connections within `seconds`."""
        self.stopping = True
        for listener in self._listeners:
            self.loop.remove_reader(listener)
            listener.close()
        self._listeners.clear()
        for connection in list(self.connections):
            connection.drain()
        if self.connections:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._empty.wait(), seconds)
        for connection in list(self.connections):
            connection.close()
        if not self._poll.closed:
            self.loop.remove_reader(self._poll.fileno())
            self._poll.close()
        if self._timer:
            self._timer.cancel()
        if self._spare >= 0:
            os.close(self._spare)
            self._spare = -1
