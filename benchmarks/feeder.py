"""A manager interface that sends what it is given, as fast as the client reads.

A client whose actions are not answered in time hangs up (siaga112 after 3 s for a ping, 5 s for the first
questions), and what was sent is lost. So an answer waits at most for the piece that is being sent.
"""

import re
import socket
import struct
import threading
import time
from collections.abc import Iterable
from contextlib import suppress
from typing import Final, Self

_CHUNK: Final = 1 << 16
_PATIENCE: Final = 30.0
_ACTION: Final = re.compile(rb"^Action: *(\w+)", re.IGNORECASE | re.MULTILINE)
_ID: Final = re.compile(rb"^ActionID: *(\S+)", re.IGNORECASE | re.MULTILINE)


class GoneError(ConnectionError):
    """The client has hung up; the message says how much it had taken."""


class Feeder:
    """Serves one client after another; a thread of its own answers their actions."""

    def __init__(self, last: bytes = b"QueueStatus") -> None:
        """Listen. `last`: the action after which a client has all it needs to begin."""
        self._last = last
        self._door = socket.create_server(("127.0.0.1", 0))
        self.port: Final = int(self._door.getsockname()[1])
        self._client: socket.socket | None = None
        self._sending = threading.Lock()
        self._turn = threading.Lock()
        """Python may give a released lock to the same thread again; this one lets the other thread in
        between.
        """
        self.ready: Final = threading.Event()
        """The client has logged in, has asked for the current state, and has its answers."""
        self.clients = 0
        """How many clients have come: more than one if the first hung up and came back."""
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def __enter__(self) -> Self:
        """Start to serve."""
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Close the client and stop serving."""
        self._door.shutdown(socket.SHUT_RDWR)
        self._door.close()
        if self._client:
            with suppress(OSError):
                self._client.shutdown(socket.SHUT_RDWR)
            self._client.close()
        self._thread.join(_PATIENCE)

    def await_client(self) -> None:
        """Return when the client may be fed; exit with an error if none is ready in time."""
        if not self.ready.wait(_PATIENCE):
            raise SystemExit(f"no client has asked for {self._last.decode()} within {_PATIENCE:g} s")

    def send(self, stream: bytes) -> None:
        """Send whole messages; return when the kernel has taken them. Raises GoneError."""
        client, view, at = self._client, memoryview(stream), 0
        assert client is not None
        while at < len(view):
            # Cut between two messages, so that an answer may come between.
            end = stream.rfind(b"\r\n\r\n", at, at + _CHUNK) + 4
            try:
                self._say(client, view[at:end])
            except OSError as error:
                raise GoneError(
                    f"the client hung up after {at:,} of {len(view):,} bytes ({error})"
                ) from error
            at = end

    def _say(self, client: socket.socket, piece: bytes | memoryview) -> None:
        with self._turn:
            self._sending.acquire()  # ends: SO_SNDTIMEO
        try:
            client.sendall(piece)
        finally:
            self._sending.release()

    def pace(self, pieces: Iterable[bytes], every: float) -> None:
        """Send a piece every so many seconds, late ones at once; each ends with the time (see `stamp`)."""
        due = time.monotonic()
        for piece in pieces:
            due += every
            time.sleep(max(0.0, due - time.monotonic()))
            self.send(piece + stamp(time.monotonic_ns()))

    def _serve(self) -> None:
        while True:
            try:
                client, _ = self._door.accept()
            except OSError:
                return
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            client.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("ll", int(_PATIENCE), 0))
            self._client = client
            self.clients += 1
            with suppress(OSError):
                client.sendall(b"Asterisk Call Manager/11.0.0\r\n")
                self._answer(client)
            self.ready.clear()

    def _answer(self, client: socket.socket) -> None:
        asked = b""
        while data := client.recv(_CHUNK):  # ends: at `__exit__`, if the client stays
            *blocks, asked = (asked + data).split(b"\r\n\r\n")
            for block in blocks:
                action, name = _ACTION.search(block), _ID.search(block)
                answer = _reply(action[1] if action else b"", name[1] if name else b"")
                self._say(client, answer)
                if action and action[1] == self._last:
                    self.ready.set()


def _reply(action: bytes, name: bytes) -> bytes:
    own = b"ActionID: " + name + b"\r\n"
    if action in {b"CoreShowChannels", b"QueueStatus"}:
        head = b"Response: Success\r\n" + own + b"EventList: start\r\nMessage: they follow\r\n\r\n"
        return head + b"Event: " + action + b"Complete\r\n" + own + b"EventList: Complete\r\n\r\n"
    if action == b"Challenge":
        return b"Response: Success\r\n" + own + b"Challenge: 112112112\r\n\r\n"
    return b"Response: Success\r\n" + own + b"Message: Authentication accepted\r\n\r\n"


STAMP: Final = "BENCH"


def stamp(nanoseconds: int) -> bytes:
    """Return an event that carries the time at which it is sent."""
    return (
        b"Event: Newexten\r\nPrivilege: dialplan,all\r\nChannel: bench\r\nCallerIDNum: 0\r\n"
        b"CallerIDName: 0\r\nContext: %s\r\nExten: s\r\nPriority: 1\r\nUniqueid: 0.0\r\nLinkedid: 0.0\r\n"
        b"Extension: s\r\nApplication: %d\r\nAppData: \r\n\r\n" % (STAMP.encode(), nanoseconds)
    )
