"""SIP callers who are rejected: INVITE, the final answer, ACK, and how long the answer took."""

import asyncio
import itertools
import re
import time
from typing import Final, Self

from tests.lab import ports

_CALL_ID: Final = re.compile(rb"^Call-ID: *(\S+)", re.MULTILINE)
_TO: Final = re.compile(rb"^To: *(.+?)\r?$", re.MULTILINE)
_FINAL: Final = 200

_SDP: Final = (
    "v=0\r\no=bench 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 9 RTP/AVP 0\r\n"
)
_HEAD: Final = """\
{method} sip:{dialled}@127.0.0.1:{port} SIP/2.0\r
Via: SIP/2.0/UDP 127.0.0.1:{own};branch=z9hG4bK-{id}\r
From: <sip:{number}@127.0.0.1:{own}>;tag={id}\r
To: {to}\r
Call-ID: {id}\r
CSeq: 1 {method}\r
Contact: <sip:bench@127.0.0.1:{own}>\r
Max-Forwards: 70\r
"""


class Callers(asyncio.DatagramProtocol):
    """One socket for all callers: `await Callers.at(port)`."""

    def __init__(self, port: int, own: int) -> None:
        self._port, self._own = port, own
        self._ids = itertools.count(1)
        self._run = f"{time.time():.0f}"
        self._waiting: dict[bytes, tuple[dict[str, object], asyncio.Future[int]]] = {}
        self._transport: asyncio.DatagramTransport | None = None

    @classmethod
    async def at(cls, port: int) -> Self:
        """Return callers for the PBX at this port."""
        callers = cls(port, ports.free())
        loop = asyncio.get_running_loop()
        callers._transport, _ = await loop.create_datagram_endpoint(
            lambda: callers, local_addr=("127.0.0.1", callers._own), remote_addr=("127.0.0.1", port)
        )
        return callers

    def close(self) -> None:
        """Close the socket."""
        if self._transport:
            self._transport.close()

    async def knock(self, number: str, dialled: str) -> tuple[int, float]:
        """Call and get rejected; return the status, and the seconds from the INVITE to it."""
        name = f"bench-{self._run}-{next(self._ids)}"
        to = f"<sip:{dialled}@127.0.0.1>"
        call: dict[str, object] = {
            "dialled": dialled, "port": self._port, "own": self._own, "number": number, "id": name, "to": to
        }  # fmt: skip
        answer: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._waiting[name.encode()] = call, answer
        body = f"Content-Type: application/sdp\r\nContent-Length: {len(_SDP)}\r\n\r\n{_SDP}"
        began = time.perf_counter()
        self._send(_HEAD.format(method="INVITE", **call) + body)
        async with asyncio.timeout(20):
            status = await answer
        return status, time.perf_counter() - began

    def datagram_received(self, data: bytes, addr: object) -> None:  # noqa: ARG002 - asyncio's signature
        """Take an answer; acknowledge a final one each time that it comes."""
        found = _CALL_ID.search(data)
        status = int(data[8:11])
        if found is None or status < _FINAL or found[1] not in self._waiting:
            return
        call, answer = self._waiting[found[1]]
        to = _TO.search(data)
        told = {**call, "to": to[1].decode() if to else call["to"]}
        self._send(_HEAD.format(method="ACK", **told) + "Content-Length: 0\r\n\r\n")
        if not answer.done():
            answer.set_result(status)

    def _send(self, text: str) -> None:
        if self._transport:
            self._transport.sendto(text.encode())
