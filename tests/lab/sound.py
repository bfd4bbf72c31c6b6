"""One call's sound (RTP, G.711 µ-law): sends silence and keys, and keeps what the PBX plays."""

import asyncio
import itertools
import socket
import struct
from collections import deque
from collections.abc import Callable
from typing import Final, TypeVar

from tests.lab.sipp import DTMF_CODES

PATIENCE_SECONDS: Final = 30.0
PACKET_SECONDS: Final = 0.02
RATE: Final = 8_000
SAMPLES: Final = 160
SPEECH: Final = 0
KEYS: Final = 101
QUIET: Final = (SPEECH, 0, b"\xff" * SAMPLES)
Found = TypeVar("Found")


class Sound:
    """The sound of one call, at its own port. It listens at once and sends from `begin` on."""

    def __init__(self, host: str) -> None:
        self.heard = bytearray()
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind((host, 0))
        self._socket.settimeout(0)
        self.port: int = self._socket.getsockname()[1]
        self._pbx: tuple[str, int] | None = None
        self._due: deque[tuple[int, int, bytes]] = deque()
        self._arrived = asyncio.Event()
        self._closed = False
        self._living = asyncio.create_task(self._live())

    def begin(self, pbx: tuple[str, int]) -> None:
        """Start to send silence: without any sound the PBX processes no keys (channel.c, emulated DTMF)."""
        self._pbx = pbx

    def press(self, keys: str) -> None:
        """Press these keys, one after another (RFC 4733), each for 120 ms."""
        for key in keys:
            for part in range(9):  # six growing packets, then the end three times over
                is_end = part >= 6
                event = struct.pack(
                    "!BBH", DTMF_CODES[key], 0x8A if is_end else 0x0A, SAMPLES * (min(part, 6) + 1)
                )
                self._due.append((KEYS, part, event))
            self._due.extend([QUIET] * 5)

    async def until(self, wanted: Callable[[bytes], Found | None]) -> Found:
        """Wait until `wanted` finds something in what was heard since the start; return it."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while (found := wanted(bytes(self.heard))) is None:
                assert not self._closed, "the call is over, and it was not heard"
                self._arrived.clear()
                await self._arrived.wait()
            return found

    async def for_another(self, seconds: float) -> None:
        """Wait until that many more seconds were heard."""
        enough = len(self.heard) + round(seconds * RATE)
        await self.until(lambda heard: True if len(heard) >= enough else None)

    def close(self) -> None:
        """Hang up; what was heard stays."""
        if not self._closed:
            self._closed = True
            self._listen()
            self._arrived.set()
            self._living.cancel()
            self._socket.close()

    async def _live(self) -> None:
        for packet in itertools.count():
            self._listen()
            if self._pbx is not None:
                kind, part, payload = self._due.popleft() if self._due else QUIET
                begins = kind == KEYS and part == 0
                header = struct.pack(
                    "!BBHII",
                    0x80,
                    kind | (0x80 if begins else 0),
                    packet % 2**16,
                    (packet - part) * SAMPLES % 2**32,  # a key's packets all carry the time of its beginning
                    0x5149,
                )
                self._socket.sendto(header + payload, self._pbx)
            await asyncio.sleep(PACKET_SECONDS)

    def _listen(self) -> None:
        while True:  # ends: the socket does not block
            try:
                packet = self._socket.recv(2048)
            except BlockingIOError:
                return
            if packet[1] & 0x7F == SPEECH:
                self.heard += packet[12:]
                self._arrived.set()
