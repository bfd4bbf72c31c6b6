"""AMI framing: split the byte stream into messages at blank lines, without reading their content."""

import sys
from collections import deque
from typing import Final

MAX_MESSAGE: Final = 1 << 20
"""Maximum length of a message in bytes."""

WINDOW: Final = 1 << 14
"""Bytes that are split into messages at once."""

GIVEN_UP: Final = b""
"""Stands for a message longer than `MAX_MESSAGE`. It has no header, so it is parsed as malformed."""

_END: Final = b"\r\n\r\n"


class Framer:
    """Turns chunks of bytes into complete messages, in linear time however small the chunks are."""

    __slots__ = ("_buffer", "_chunks", "_given_up", "_greeted", "_searched", "held")

    def __init__(self) -> None:
        self._chunks: deque[bytes] = deque()
        self._buffer = bytearray()
        self._searched = 0
        self._greeted = False
        self._given_up = False
        self.held = 0
        """Number of buffered bytes: not yet searched, or part of an incomplete message."""

    def feed(self, data: bytes = b"", most: int = sys.maxsize) -> list[bytes]:
        """Add a chunk; return up to `most` complete messages without their blank line, oldest first."""
        if data:
            self._chunks.append(data)
            self.held += len(data)
        messages: list[bytes] = []
        while len(messages) < most and (self._frame(messages, most) or self._next_chunk(messages)):
            pass
        return messages

    def _next_chunk(self, messages: list[bytes]) -> bool:
        """Buffer the next chunk; return whether there was one. Drop a message that is too long."""
        buffer = self._buffer
        if self._greeted and len(buffer) >= MAX_MESSAGE + len(_END):
            if not self._given_up:
                messages.append(GIVEN_UP)
            self._given_up = True
            self._cut(len(buffer) + 1 - len(_END))  # keep the tail: the end marker may be half here
        if not self._chunks:
            return False
        buffer += self._chunks.popleft()
        return True

    def _cut(self, size: int) -> None:
        del self._buffer[:size]
        self._searched = max(0, self._searched - size)
        self.held -= size

    def _greet(self) -> bool:
        """Skip the banner; return whether it is complete."""
        end = self._buffer.find(b"\r\n", max(0, self._searched - 1))
        self._greeted = end >= 0
        if self._greeted:
            self._cut(end + 2)
            self._searched = 0
        elif len(self._buffer) > MAX_MESSAGE:
            self._cut(len(self._buffer))
        else:
            self._searched = len(self._buffer)
        return self._greeted

    def _frame(self, messages: list[bytes], most: int) -> bool:
        """Append the complete messages within one window; return whether there was any."""
        if not self._greeted and not self._greet():
            return False
        buffer = self._buffer
        end = buffer.find(_END, max(0, self._searched - 3))
        if end < 0:
            self._searched = len(buffer)
            return False
        self._searched = 0
        if self._given_up or end > MAX_MESSAGE:
            if not self._given_up:
                messages.append(GIVEN_UP)
            self._given_up = False  # the next byte starts a new message
            self._cut(end + len(_END))
            return True
        window = bytes(buffer[: max(end + len(_END), min(WINDOW, MAX_MESSAGE))])
        *whole, rest = window.split(_END, most - len(messages))
        messages += whole
        self._cut(len(window) - len(rest))
        return True
