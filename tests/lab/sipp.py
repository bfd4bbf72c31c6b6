"""Real SIP callers: one SIPp process for each call, hung up on command."""

import asyncio
import contextlib
import itertools
import re
import shutil
import socket
import struct
import tempfile
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, Protocol

from tests.lab import ports
from tests.waiting import killed, within

PATIENCE_SECONDS: Final = 15.0
# How many real calls this run has placed, by the version of the PBX.
PLACED: Final[Counter[str]] = Counter()
POLL_SECONDS: Final = 0.02
PRESS_EVERY_SECONDS: Final = 1.5
KEY_SECONDS: Final = 0.12
PRESSES: Final = 40
REFUSALS: Final = (400, 401, 403, 404, 408, 410, 480, 484, 486, 487, 488, 500, 502, 503, 603)
# In SIPp's trace: "UDP message sent …" or "… received …", an empty line, the message.
TRACED: Final = re.compile(
    r"message (sent|received)[^\n]*\n\n(\S[^\r\n]*)\r?\n.*?^CSeq:\s*\d+\s+(\w+)", re.DOTALL | re.MULTILINE
)
DTMF_CODES: Final = {**{str(digit): digit for digit in range(10)}, "*": 10, "#": 11}

# Sent to SIPp as a SIP message within the call, so that the scenario hangs up, and not a signal.
HANG_UP: Final = """\
MESSAGE sip:caller@127.0.0.1 SIP/2.0
Via: SIP/2.0/UDP 127.0.0.1:9;branch=z9hG4bK-hang-up-{attempt}
From: <sip:lab@127.0.0.1>;tag=lab
To: <sip:caller@127.0.0.1>
Call-ID: {call_id}
CSeq: {attempt} MESSAGE
Content-Length: 0

"""
SCENARIO: Final = """\
<?xml version="1.0" encoding="UTF-8"?>
<scenario name="caller">
<send retrans="500"><![CDATA[
INVITE sip:{dialled}@[remote_ip]:[remote_port] SIP/2.0
Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=z9hG4bK-[pid]-invite
{from_and_call_id}
To: <sip:{dialled}@[remote_ip]:[remote_port]>
CSeq: 1 INVITE
Contact: <sip:caller@[local_ip]:[local_port]>
Max-Forwards: 70
{extra}Content-Type: application/sdp
Content-Length: [len]

v=0
o=caller 1 1 IN IP[local_ip_type] [local_ip]
s=-
c=IN IP[media_ip_type] [media_ip]
t=0 0
m=audio [auto_media_port] RTP/AVP 0 101
a=rtpmap:0 PCMU/8000
a=rtpmap:101 telephone-event/8000
a=fmtp:101 0-15
]]></send>
{provisional}
<recv request="MESSAGE" optional="true" next="cancel"/>
{refusals}
<recv response="200" rrs="true"/>
<send><![CDATA[
{ack}]]>{keys}</send>
<recv request="MESSAGE" optional="true" next="bye"/>
<recv request="BYE"/>
<send next="over"><![CDATA[
{bye_ok}]]></send>

<label id="bye"/>
<send retrans="500"><![CDATA[
BYE [next_url] SIP/2.0
Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]
{from_and_call_id}
To: <sip:{dialled}@[remote_ip]:[remote_port]>[peer_tag_param]
CSeq: 2 BYE
Max-Forwards: 70
Content-Length: 0

]]></send>
<recv request="BYE" optional="true" next="both"/>
<recv response="481" optional="true" next="over"/>
<recv response="200" next="over"/>

<label id="both"/>
<send next="over"><![CDATA[
{bye_ok}]]></send>

<label id="cancel"/>
<send retrans="500"><![CDATA[
CANCEL sip:{dialled}@[remote_ip]:[remote_port] SIP/2.0
Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=z9hG4bK-[pid]-invite
{from_and_call_id}
To: <sip:{dialled}@[remote_ip]:[remote_port]>
CSeq: 1 CANCEL
Max-Forwards: 70
Content-Length: 0

]]></send>
{provisional}
<recv response="487" optional="true" next="refused"/>
<recv response="200" rrs="true" next="late" test="answered">
<action><ereg regexp="INVITE" search_in="hdr" header="CSeq:" assign_to="answered"/></action>
</recv>
{provisional}
<recv response="200" optional="true" rrs="true" next="late"/>
<recv response="487"/>

<label id="refused"/>
<send><![CDATA[
ACK sip:{dialled}@[remote_ip]:[remote_port] SIP/2.0
Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=z9hG4bK-[pid]-invite
{from_and_call_id}
[last_To:]
CSeq: 1 ACK
Max-Forwards: 70
Content-Length: 0

]]></send>
<nop next="over"/>

<label id="late"/>
<send next="bye"><![CDATA[
{ack}]]></send>
<label id="over"/>
<nop/>
</scenario>
"""
FROM_AND_CALL_ID: Final = """\
From: {display}<sip:{user}[local_ip]:[local_port]>;tag=caller-[pid]
Call-ID: [call_id]"""
ACK: Final = """\
ACK [next_url] SIP/2.0
Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]
{from_and_call_id}
[last_To:]
CSeq: 1 ACK
Max-Forwards: 70
Content-Length: 0

"""
BYE_OK: Final = """\
SIP/2.0 200 OK
[last_Via:]
[last_From:]
[last_To:]
[last_Call-ID:]
[last_CSeq:]
Content-Length: 0

"""


@dataclass(frozen=True, slots=True)
class Ending:
    """How a call ended, as its caller saw it.

    `status` is the final answer to the INVITE (200 answered, 403 rejected, 487 cancelled, 0 none);
    `ended_by` says who ended an answered or cancelled call.
    """

    status: int
    ended_by: Literal["caller", "pbx"] | None


class CallError(RuntimeError):
    """SIPp failed; the message has the end of its output."""


class Call:
    """One call in progress. Made by `place_call`."""

    def __init__(
        self,
        number: str,
        process: asyncio.subprocess.Process,
        folder: Path,
        address: tuple[str, int],
        call_id: str,
    ) -> None:
        """Take over a started SIPp."""
        self.number = number
        self._process = process
        self._folder = folder
        self._address = address
        self._call_id = call_id

    async def hang_up(self) -> Ending:
        """Hang up: BYE if the call was answered, CANCEL if not."""
        async with within(PATIENCE_SECONDS, f"the caller {self.number or 'nobody'} to hang up"):
            for attempt in itertools.count(1):
                # SIPp ignores what reaches it between two steps of its scenario: repeat until it has acted.
                if self._process.returncode is not None or self._has_hung_up():
                    break
                # Before the PBX's first answer there is nothing to cancel.
                if "\nSIP/2.0 " in self.messages():
                    self._tell(attempt)
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._process.wait(), POLL_SECONDS)
        return await self.ended()

    async def answered(self) -> None:
        """Wait until the PBX has answered, or the call is over."""
        async with within(PATIENCE_SECONDS, f"an answer to {self.number or 'nobody'}"):
            while "\nSIP/2.0 200" not in self.messages() and self._process.returncode is None:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._process.wait(), POLL_SECONDS)

    def _has_hung_up(self) -> bool:
        return re.search(r"message sent[^\n]*\n\n(BYE|CANCEL) ", self.messages()) is not None

    def _tell(self, attempt: int) -> None:
        order = HANG_UP.format(call_id=self._call_id, attempt=attempt).replace("\n", "\r\n")
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as phone:
            phone.sendto(order.encode(), self._address)

    async def ended(self, *, timeout: float = PATIENCE_SECONDS) -> Ending:
        """Wait until the call is over, whoever ends it."""
        try:
            async with within(timeout, f"the end of the call from {self.number or 'nobody'}"):
                await self._process.wait()
        except TimeoutError as error:
            error.add_note(self.last_words())
            raise
        return _ending(self.messages())

    def messages(self) -> str:
        """Return the SIP messages exchanged so far, as SIPp traced them."""
        trace = self._folder / "messages.log"
        return trace.read_text("utf-8", "replace") if trace.is_file() else ""

    def last_words(self) -> str:
        """Return SIPp's own output, for the message of a failed test."""
        logs = (self._folder / name for name in ("errors.log", "output.log"))
        said = "\n".join(log.read_text("utf-8", "replace") for log in logs if log.is_file())
        return f"SIPp ended with {self._process.returncode}: {said[-600:]}\n{self.messages()[-600:]}"

    async def abort(self) -> None:
        """Kill the caller's process without telling the PBX, like a phone that is lost."""
        if self._process.returncode is None:
            await killed(self._process)


class Exchange(Protocol):
    """The part of a PBX that a caller needs to know."""

    @property
    def sip_port(self) -> int:
        """The port at which it takes calls."""

    @property
    def folder(self) -> Path:
        """The folder for the caller's own files."""

    @property
    def version(self) -> str:
        """The version of the PBX that the call counts for."""

    def before_stop(self, end: Callable[[], Awaitable[None]]) -> None:
        """Await `end` before the PBX stops."""


async def place_call(
    pbx: Exchange,
    *,
    number: str,
    presses: str = "",
    dialled: str = "112",
    display: str = "",
    asserted: str | None = None,
    private: bool = False,
    headers: str = "",
    key_seconds: float = KEY_SECONDS,
    turns: int = PRESSES,
    source: str = "127.0.0.1",
    port: int | None = None,
) -> Call:
    """Call the PBX from this number and return as soon as the caller is on the line.

    `presses`: the keys that the caller presses in this order, each for `key_seconds`. They are repeated
    (`turns` times) every 1.5 s until the call ends, so that no test depends on the right moment; ''
    presses none.
    `number` is the From user as sent ('' for none), `display` the name before it; a hidden caller is
    `number="anonymous", private=True`, with the true number in `asserted` if the exchange passes it on.
    `headers` are further lines of the INVITE. `source` is the caller's address, by which the PBX tells its
    trunks apart; `port` is that of a driver other than chan_pjsip.
    """
    PLACED[pbx.version] += 1
    folder = Path(tempfile.mkdtemp(prefix="call-", dir=pbx.folder))
    if presses:
        (folder / "keys.pcap").write_bytes(keys_pcap(presses, key_seconds, turns))
    scenario = _scenario(number, presses, dialled, display, asserted, headers, private=private)
    (folder / "scenario.xml").write_text(scenario, "utf-8")
    tool = shutil.which("sipp")
    if tool is None:
        msg = "sipp is not installed (apt-get install sip-tester)"
        raise CallError(msg)
    own_port = ports.free()
    call_id = f"{folder.name}@lab"
    output = (folder / "output.log").open("wb")
    with output:
        process = await asyncio.create_subprocess_exec(
            tool,
            *("-sf", "scenario.xml", "-m", "1", "-nostdin", "-cid_str", call_id, "-cp", str(ports.free())),
            # A message that crosses ours on the wire is no failure.
            *("-default_behaviors", "all,-abortunexp"),
            *("-trace_msg", "-message_file", "messages.log", "-trace_err", "-error_file", "errors.log"),
            *("-i", source, "-p", str(own_port), "-mi", source, "-mp", str(ports.free(4))),
            f"127.0.0.1:{port or pbx.sip_port}",
            cwd=folder,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    call = Call(number, process, folder, (source, own_port), call_id)
    pbx.before_stop(call.abort)
    return call


def _scenario(  # noqa: PLR0917 - as many parts of a message
    number: str,
    presses: str,
    dialled: str,
    display: str,
    asserted: str | None,
    headers: str,
    *,
    private: bool,
) -> str:
    extra = ("Privacy: id\n" if private else "") + headers
    if asserted is not None:
        extra += f"P-Asserted-Identity: <sip:{asserted}@127.0.0.1>\n"
    from_and_call_id = FROM_AND_CALL_ID.format(
        display=f'"{display}" ' if display else "", user=f"{number}@" if number else ""
    )
    return SCENARIO.format(
        dialled=dialled,
        extra=extra,
        from_and_call_id=from_and_call_id,
        provisional="\n".join(f'<recv response="{code}" optional="true"/>' for code in (100, 180, 183)),
        refusals="\n".join(f'<recv response="{code}" optional="true" next="refused"/>' for code in REFUSALS),
        ack=ACK.format(from_and_call_id=from_and_call_id),
        keys='<action><exec play_pcap_audio="keys.pcap"/></action>' if presses else "",
        bye_ok=BYE_OK,
    )


def keys_pcap(keys: str, key_seconds: float = KEY_SECONDS, turns: int = PRESSES) -> bytes:
    """Return the telephone events (RFC 4733) of these keys, repeated, as a capture to play.

    SIPp's own captures cannot be played twice in a call: the repeated timestamps read as one key.
    """
    packets = bytearray(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1))
    sequence = 1
    growing = round(key_seconds / 0.02) - 1
    for seconds, key in _press_times(keys, turns):
        code = DTMF_CODES[key]
        for part in range(growing + 3):  # growing packets, then the end three times over, 20 ms apart
            is_end = part >= growing
            duration = 160 * (min(part, growing) + 1)
            marker = 0x80 if part == 0 else 0
            rtp = struct.pack("!BBHII", 0x80, 101 | marker, sequence, int(seconds * 8000), 0x5149)
            event = struct.pack("!BBH", code, 0x8A if is_end else 0x0A, duration)
            packets += _packet(seconds + 0.02 * part, rtp + event)
            sequence += 1
    return bytes(packets)


def _press_times(keys: str, turns: int) -> list[tuple[float, str]]:
    gap = 0.3
    turn = max(PRESS_EVERY_SECONDS, gap * (len(keys) + 2))
    return [(turn * again + gap * place, key) for again in range(turns) for place, key in enumerate(keys)]


def _packet(seconds: float, payload: bytes) -> bytes:
    udp = struct.pack("!HHHH", 10000, 10000, 8 + len(payload), 0) + payload
    loopback = b"\x7f\x00\x00\x01"
    ip = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(udp), 0, 0, 64, 17, 0, loopback, loopback) + udp
    frame = bytes(12) + b"\x08\x00" + ip
    return struct.pack("<IIII", int(seconds), int(seconds % 1 * 1_000_000), len(frame), len(frame)) + frame


def _ending(trace: str) -> Ending:
    status = 0
    ended_by: Literal["caller", "pbx"] | None = None
    for direction, first_line, method in TRACED.findall(trace):
        words = first_line.split(" ")
        if direction == "received" and words[0] == "SIP/2.0":
            if method == "INVITE" and int(words[1]) >= 200:
                status = int(words[1])
        elif words[0] in ("BYE", "CANCEL") and ended_by is None:
            ended_by = "caller" if direction == "sent" else "pbx"
    return Ending(status, ended_by)
