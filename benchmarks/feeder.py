"""A manager interface that says as much as it is told, as fast as it is read."""

import re
import socket
import threading
import time
from collections.abc import Iterable
from contextlib import suppress
from typing import Final, Self

_CHUNK: Final = 1 << 16
_ACTION: Final = re.compile(rb"^Action: *(\w+)", re.IGNORECASE | re.MULTILINE)
_ID: Final = re.compile(rb"^ActionID: *(\S+)", re.IGNORECASE | re.MULTILINE)


class Feeder:
    """Serves one client after another; answers its actions in a thread of its own."""

    def __init__(self) -> None:
        self._door = socket.create_server(("127.0.0.1", 0))
        self.port: Final = int(self._door.getsockname()[1])
        self._client: socket.socket | None = None
        self._sending = threading.Lock()
        self.ready: Final = threading.Event()
        """The client has logged in and asked what is going on."""
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def __enter__(self) -> Self:
        """Begin to listen."""
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """End it all."""
        self._door.shutdown(socket.SHUT_RDWR)
        self._door.close()
        if self._client:
            with suppress(OSError):
                self._client.shutdown(socket.SHUT_RDWR)
            self._client.close()
        self._thread.join()

    def send(self, stream: bytes) -> None:
        """Send whole messages; returns when the kernel has taken them."""
        assert self._client is not None
        view, at = memoryview(stream), 0
        while at < len(view):
            # Cut between two messages, so that an answer may come between.
            end = stream.rfind(b"\r\n\r\n", at, at + _CHUNK) + 4
            with self._sending:
                self._client.sendall(view[at:end])
            at = end

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
            self._client = client
            client.sendall(b"Asterisk Call Manager/11.0.0\r\n")
            with suppress(OSError):
                self._answer(client)
            self.ready.clear()

    def _answer(self, client: socket.socket) -> None:
        asked = b""
        while data := client.recv(_CHUNK):
            *blocks, asked = (asked + data).split(b"\r\n\r\n")
            for block in blocks:
                action, name = _ACTION.search(block), _ID.search(block)
                answer = _reply(action[1] if action else b"", name[1] if name else b"")
                with self._sending:
                    client.sendall(answer)
                if action and action[1] in {b"QueueStatus", b"Login"}:
                    self.ready.set()


def _reply(action: bytes, name: bytes) -> bytes:
    own = b"ActionID: " + name + b"\r\n"
    if action in {b"CoreShowChannels", b"QueueStatus"}:
        head = b"Response: Success\r\n" + own + b"EventList: start\r\nMessage: they follow\r\n\r\n"
        return head + b"Event: " + action + b"Complete\r\n" + own + b"EventList: Complete\r\n\r\n"
    return b"Response: Success\r\n" + own + b"Message: Authentication accepted\r\n\r\n"


STAMP: Final = "BENCH"


def stamp(nanoseconds: int) -> bytes:
    """Write an event that carries the time at which it is sent."""
    return (
        b"Event: Newexten\r\nPrivilege: dialplan,all\r\nChannel: bench\r\nCallerIDNum: 0\r\n"
        b"CallerIDName: 0\r\nContext: %s\r\nExten: s\r\nPriority: 1\r\nUniqueid: 0.0\r\nLinkedid: 0.0\r\n"
        b"Extension: s\r\nApplication: %d\r\nAppData: \r\n\r\n" % (STAMP.encode(), nanoseconds)
    )
