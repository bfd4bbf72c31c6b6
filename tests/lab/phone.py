"""A SIP phone that does what the test says: an operator, an agency, or a citizen who is called back.

SIPp plays the callers. A phone answers, holds, transfers and ends a dialogue step by step, and can have two
calls at once. It sends silence and keys, and keeps what it hears (`Leg.sound`). At the trunk's address it is
a caller, and its name is the number.
"""

import asyncio
import itertools
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Self

from tests.lab.sound import Sound
from tests.waiting import within

PATIENCE_SECONDS: Final = 15.0
_ids: Final = itertools.count(1)

BUSY_HERE: Final = "486 Busy Here"
SDP: Final = """\
v=0
o=phone 1 {version} IN IP4 {address}
s=-
c=IN IP4 {address}
t=0 0
m=audio {audio} RTP/AVP 0 101
a=rtpmap:0 PCMU/8000
a=rtpmap:101 telephone-event/8000
a={direction}
"""


ENDPOINT: Final = """
[{name}]
type = endpoint
context = {context}
disallow = all
allow = ulaw
dtmf_mode = rfc4733
direct_media = no
media_address = 127.0.0.1
bind_rtp_to_media_address = yes
trust_id_inbound = yes
{aors}
[{name}]
type = identify
endpoint = {name}
match = {address}
"""
AOR: Final = """
[{name}]
type = aor
contact = sip:{name}@{host}:{port}
"""


def registered(phones: Mapping[str, tuple[str, int]], context: str = "phones") -> str:
    """Return the lines that pjsip.conf needs for these phones, each with its address."""
    return "".join(
        ENDPOINT.format(name=name, context=context, aors=f"aors = {name}", address=host)
        + AOR.format(name=name, host=host, port=port)
        for name, (host, port) in phones.items()
    )


@dataclass(frozen=True, slots=True)
class Message:
    """One SIP message: its first line, headers by lower-case name, and body."""

    first: str
    headers: dict[str, str]
    body: str

    @classmethod
    def read(cls, data: bytes) -> Self:
        """Parse a datagram; repeated Via headers keep their order, since an answer must return them so."""
        head, _, body = data.decode("utf-8", "replace").partition("\r\n\r\n")
        first, *lines = head.split("\r\n")
        headers: dict[str, str] = {}
        for line in lines:
            name, _, value = line.partition(":")
            name, value = name.strip().lower(), value.strip()
            repeated = name == "via" and name in headers
            headers[name] = f"{headers[name]}\r\nVia: {value}" if repeated else value
        return cls(first, headers, body)

    @property
    def method(self) -> str:
        """The method of a request; of an answer, that of its request."""
        return self.headers["cseq"].split()[1]

    @property
    def status(self) -> int | None:
        """The status of an answer; None for a request."""
        return int(self.first.split()[1]) if self.first.startswith("SIP/2.0 ") else None


class Leg:
    """One call of a phone, incoming or outgoing."""

    def __init__(self, phone: "Phone", call_id: str, *, incoming: bool) -> None:
        self.phone = phone
        self.call_id = call_id
        self.incoming = incoming
        self.tag = f"phone-{next(_ids)}"
        self.ours = self.theirs = self.target = ""
        self.answered = asyncio.Event()
        self.over = asyncio.Event()
        self._negotiated = asyncio.Event()
        self._audio: tuple[str, int] | None = None
        self.sound = Sound(phone.address[0])
        self.statuses: list[int] = []
        self._invite: Message | None = None
        self._sequence = itertools.count(1)
        self._versions = itertools.count(1)

    # ── what a test can do ───────────────────────────────────────────────────────────────────────

    def ring(self) -> None:
        """Tell the PBX that it rings."""
        self._answer_invite("180 Ringing")

    async def answer(self) -> None:
        """Answer, and wait until the PBX knows."""
        self._answer_invite("200 OK", body=self.sdp())
        await self.taken()

    async def taken(self) -> None:
        """Wait until the call is answered, at either end."""
        async with within(PATIENCE_SECONDS, f"an answer to {self.call_id}"):
            await self.answered.wait()

    def refuse(self, status: str = BUSY_HERE) -> None:
        """Reject the call."""
        self._answer_invite(status)
        self._end()

    def forward(self, extension: str) -> None:
        """Send the call on, as a phone with call forwarding does (302)."""
        host, port = self.phone.pbx
        self._answer_invite("302 Moved Temporarily", f"Contact: <sip:{extension}@{host}:{port}>")
        self._end()

    async def hang_up(self) -> None:
        """Hang up."""
        if not self.over.is_set():
            self.request("BYE")
            await self.ended()

    async def ended(self) -> None:
        """Wait until the call is over, whoever ended it."""
        async with within(PATIENCE_SECONDS, f"the end of {self.call_id}"):
            await self.over.wait()

    async def hold(self) -> None:
        """Put the other side on hold."""
        await self._negotiate("sendonly")

    async def resume(self) -> None:
        """Take the other side off hold."""
        await self._negotiate("sendrecv")

    async def _negotiate(self, direction: str) -> None:
        self._negotiated.clear()
        self.request("INVITE", body=self.sdp(direction))
        async with within(PATIENCE_SECONDS, f"the answer to a re-INVITE of {self.call_id}"):
            await self._negotiated.wait()

    def transfer(self, extension: str) -> None:
        """Transfer the other side to an extension without asking there first (blind)."""
        host, port = self.phone.pbx
        self.request("REFER", f"Refer-To: <sip:{extension}@{host}:{port}>")

    def join(self, other: "Leg") -> None:
        """Connect the other side of this call with that of another one, and leave (attended transfer)."""
        host, port = self.phone.pbx
        to, own = re.search(r";tag=([^;>\s]+)", other.theirs), other.tag
        assert to is not None, "the other call is not answered"
        replaces = f"{other.call_id.replace('@', '%40')}%3Bto-tag%3D{to[1]}%3Bfrom-tag%3D{own}"
        extension = other.theirs.split("sip:", 1)[1].split("@", 1)[0]
        self.request("REFER", f"Refer-To: <sip:{extension}@{host}:{port}?Replaces={replaces}>")

    # ── sound ────────────────────────────────────────────────────────────────────────────────────

    def _begin(self) -> None:
        self.answered.set()
        if self._audio is not None:
            self.sound.begin(self._audio)

    def _end(self) -> None:
        self.over.set()
        self.sound.close()

    def _hear(self, message: Message) -> None:
        where = re.search(r"^c=IN IP4 (\S+)", message.body, re.MULTILINE)
        port = re.search(r"^m=audio (\d+)", message.body, re.MULTILINE)
        if where and port:
            self._audio = (where[1], int(port[1]))

    # ── SIP ──────────────────────────────────────────────────────────────────────────────────────

    def request(self, method: str, *headers: str, body: str = "") -> None:
        """Send a request within this call."""
        self.phone.send(
            f"{method} {self.target} SIP/2.0",
            f"Via: SIP/2.0/UDP {self.phone.at};branch=z9hG4bK-{next(_ids)}",
            f"From: {self.ours}",
            f"To: {self.theirs}",
            f"Call-ID: {self.call_id}",
            f"CSeq: {next(self._sequence)} {method}",
            f"Contact: <sip:{self.phone.name}@{self.phone.at}>",
            *headers,
            "Max-Forwards: 70",
            body=body,
        )

    def sdp(self, direction: str = "sendrecv") -> str:
        """Return the description of the phone's sound."""
        return SDP.format(
            version=next(self._versions),
            address=self.phone.address[0],
            audio=self.sound.port,
            direction=direction,
        ).replace("\n", "\r\n")

    def _answer_invite(self, status: str, *headers: str, body: str = "") -> None:
        assert self._invite is not None, "nobody is calling"
        self.phone.reply(self._invite, status, self.tag, *headers, body=body)

    def take(self, message: Message) -> None:
        """Handle a message from the PBX about this call."""
        if message.status is None:
            self._take_request(message)
            return
        if message.method == "INVITE":
            self.statuses.append(message.status)
        if message.method == "INVITE" and message.status >= 200:
            self._take_final(message)
        elif message.method == "BYE":
            self._end()

    def _take_request(self, message: Message) -> None:
        match message.method:
            case "ACK":
                self._begin()
            case "INVITE" if self._invite is None and self.incoming:
                self._invite = message
                self._hear(message)
                self.ours = f"{message.headers['to']};tag={self.tag}"
                self.theirs = message.headers["from"]
                self.target = message.headers["contact"].strip("<>").split(">", 1)[0]
                self.ring()
            case "INVITE":
                self.phone.reply(message, "200 OK", self.tag, body=self.sdp())
            case "CANCEL":
                self.phone.reply(message, "200 OK", self.tag)
                self.refuse("487 Request Terminated")
            case "BYE":
                self.phone.reply(message, "200 OK", self.tag)
                self._end()
            case "NOTIFY" if "SIP/2.0 200" in message.body and not self.over.is_set():
                self.phone.reply(message, "200 OK", self.tag)
                self.request("BYE")  # the transfer is done, so the phone leaves
            case _:
                self.phone.reply(message, "200 OK", self.tag)

    def _take_final(self, message: Message) -> None:
        self.theirs = message.headers["to"]
        if "contact" in message.headers:
            self.target = message.headers["contact"].strip("<>").split(">", 1)[0]
        # A refusal is acknowledged within its own transaction (RFC 3261, 17.1.1.3).
        refused = message.status is not None and message.status >= 300
        own = f"SIP/2.0/UDP {self.phone.at};branch=z9hG4bK-{next(_ids)}"
        self.phone.send(
            f"ACK {self.target} SIP/2.0",
            f"Via: {message.headers['via'] if refused else own}",
            f"From: {self.ours}",
            f"To: {self.theirs}",
            f"Call-ID: {self.call_id}",
            f"CSeq: {message.headers['cseq'].split()[0]} ACK",
            "Max-Forwards: 70",
        )
        self._negotiated.set()
        if message.status == 200:
            self._hear(message)
            self._begin()
        elif not self.answered.is_set():
            self._end()


@dataclass(slots=True, eq=False)
class Phone(asyncio.DatagramProtocol):
    """A phone at its own address, by which the PBX knows it. Use `open`."""

    name: str
    address: tuple[str, int]
    pbx: tuple[str, int]
    _legs: dict[str, Leg] = field(default_factory=dict)
    _calls: "asyncio.Queue[Leg]" = field(default_factory=asyncio.Queue)
    _transport: asyncio.DatagramTransport | None = None

    @classmethod
    async def open(cls, name: str, address: tuple[str, int], pbx: tuple[str, int]) -> Self:
        """Switch the phone on."""
        phone = cls(name, address, pbx)
        loop = asyncio.get_running_loop()
        phone._transport, _ = await loop.create_datagram_endpoint(lambda: phone, local_addr=address)
        return phone

    @property
    def at(self) -> str:
        """Its address as SIP writes it."""
        return f"{self.address[0]}:{self.address[1]}"

    def close(self) -> None:
        """Switch it off."""
        self.forget()
        if self._transport is not None:
            self._transport.close()

    async def ringing(self) -> Leg:
        """Wait for the next call to ring here."""
        async with within(PATIENCE_SECONDS, f"a call to ring at {self.name}"):
            return await self._calls.get()

    def call(self, extension: str) -> Leg:
        """Dial; the leg's `answered` or `over` says how it went."""
        host, port = self.pbx
        leg = Leg(self, f"phone-{self.name}-{next(_ids)}@lab", incoming=False)
        self._legs[leg.call_id] = leg
        leg.ours = f"<sip:{self.name}@{self.at}>;tag={leg.tag}"
        leg.theirs = f"<sip:{extension}@{host}:{port}>"
        leg.target = f"sip:{extension}@{host}:{port}"
        leg.request("INVITE", body=leg.sdp())
        return leg

    def forget(self) -> None:
        """Forget all calls, between two scenarios."""
        for leg in self._legs.values():
            leg._end()
        self._legs.clear()
        self._calls = asyncio.Queue()

    # ── the wire ─────────────────────────────────────────────────────────────────────────────────

    def datagram_received(self, data: bytes, addr: tuple[str | Any, int]) -> None:  # noqa: ARG002 - asyncio's signature
        """Pass a message to its call."""
        if not data.strip():
            return  # a keep-alive
        message = Message.read(data)
        call_id = message.headers["call-id"]
        leg = self._legs.get(call_id)
        if leg is None and message.status is None and message.method == "INVITE":
            leg = self._legs[call_id] = Leg(self, call_id, incoming=True)
            leg.take(message)
            self._calls.put_nowait(leg)
        elif leg is not None:
            leg.take(message)
        elif message.status is None and message.method != "ACK":
            self.reply(message, "481 Call/Transaction Does Not Exist", "none")

    def reply(self, request: Message, status: str, tag: str, *headers: str, body: str = "") -> None:
        """Answer a request."""
        to = request.headers["to"]
        contact = (
            ()
            if any(h.startswith("Contact:") for h in headers)
            else (f"Contact: <sip:{self.name}@{self.at}>",)
        )
        self.send(
            f"SIP/2.0 {status}",
            f"Via: {request.headers['via']}",
            f"From: {request.headers['from']}",
            f"To: {to}" if ";tag=" in to else f"To: {to};tag={tag}",
            f"Call-ID: {request.headers['call-id']}",
            f"CSeq: {request.headers['cseq']}",
            *contact,
            *headers,
            body=body,
        )

    def send(self, *lines: str, body: str = "") -> None:
        """Send a message."""
        assert self._transport is not None, "the phone is off"
        kind = ("Content-Type: application/sdp",) if body else ()
        text = "\r\n".join([*lines, *kind, f"Content-Length: {len(body)}", "", body])
        self._transport.sendto(text.encode(), self.pbx)
