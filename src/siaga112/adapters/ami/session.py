"""One AMI connection: panoramisk's, with our own reading side.

panoramisk makes the connection, logs in and sends actions. On its own it would decode every TCP chunk
separately, dispatch through patterns and await no coroutine. So `protocol_factory` gets a protocol that
splits the stream as bytes, one slice per turn of the event loop, drops unneeded messages before decoding,
and puts the rest into an inbox with one consumer. When that consumer falls far behind, we stop reading.
"""

import asyncio
import hashlib
import ssl
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from panoramisk import Manager
from panoramisk.ami_protocol import AMIProtocol
from panoramisk.message import Message

from siaga112.adapters.ami.inbox import SLICE, Inbox
from siaga112.core.ami.parser import is_sound

MAX_CHALLENGE: Final = 64
"""The longest challenge accepted, in characters; Asterisk's is a number of at most ten digits."""


class _Protocol(AMIProtocol):  # type: ignore[misc]  # panoramisk is untyped
    """panoramisk's protocol with our own reading side."""

    def __init__(self, inbox: Inbox) -> None:
        self._inbox = inbox
        self._framing = False  # more messages are buffered than one turn processes
        self._ended = False
        self._later: Callable[[Callable[[], None]], object]

    def connection_made(self, transport: asyncio.Transport) -> None:
        super().connection_made(transport)
        self._inbox.transport = transport
        self._later = asyncio.get_running_loop().call_soon

    def data_received(self, data: bytes) -> None:
        self._inbox.reads += 1
        if self._framing:
            self._inbox.framer.feed(data, 0)  # queue it behind the buffered messages
        else:
            self._frame(data)
        self._inbox.level()

    def connection_lost(self, exc: object) -> None:
        self._ended = True
        if not self._framing:
            super().connection_lost(exc)

    def _frame(self, data: bytes = b"") -> None:
        """Process one slice of messages; leave the rest to the next turn, so that verdicts come between."""
        messages = self._inbox.framer.feed(data, SLICE)
        self._framing = len(messages) >= SLICE
        if self.responses:
            messages = [m for m in messages if b"\r\nActionID: " not in m or not self._is_answer(m)]
        self._inbox.put(messages)
        if self._framing:
            self._later(self._frame)
        elif self._ended:  # and every message before the end is processed
            super().connection_lost(None)

    def _is_answer(self, message: bytes) -> bool:
        """Pass the answers to our own actions to panoramisk, and nothing that a caller may have forged."""
        if not is_sound(message):
            self._inbox.put([message])  # the reader counts it as malformed
            return True
        parsed = Message.from_line(message.decode("utf-8", "replace"))
        if parsed is None or parsed.action_id not in self.responses:
            return False
        self.handle_message(parsed)
        return True


class AmiRefusedError(Exception):
    """The login was rejected."""


@dataclass(frozen=True, slots=True)
class AmiAddress:
    """Where the manager interface listens and which user logs in; `tls` if the connection is encrypted."""

    host: str
    port: int
    username: str
    secret: str = field(repr=False)
    tls: ssl.SSLContext | None = None
    tls_name: str = ""
    """The name in the PBX's certificate, if it differs from `host`."""


class Session(Manager):  # type: ignore[misc]  # panoramisk is untyped
    """One connection. Reports its loss once; never reconnects by itself."""

    def __init__(self, inbox: Inbox, address: AmiAddress) -> None:
        # No username here: with one, panoramisk would send the secret in clear text.
        super().__init__(
            protocol_factory=lambda: _Protocol(inbox), ping_delay=86_400, host=address.host, port=address.port
        )
        self.loop = asyncio.get_running_loop()
        self.inbox = inbox
        self.lost = False
        self._address = address

    async def open(self) -> None:
        """Connect, and log in by challenge and response, which never sends the secret itself.

        We never log in to a peer that offers no challenge: it could be any process that took over the port.

        Raises:
            AmiRefusedError: with the PBX's reason.
            OSError: if the peer does not answer or its certificate does not match.

        """
        await self.connect()
        answer = await self.send_action({"Action": "Challenge", "AuthType": "MD5"})
        challenge = answer.challenge
        if not answer.success or not isinstance(challenge, str) or not 0 < len(challenge) <= MAX_CHALLENGE:
            raise AmiRefusedError(f"no login by MD5 challenge: {answer.message or 'none was given'}")
        answered = await self.send_action(
            {
                "Action": "Login",
                "AuthType": "MD5",
                "Username": self._address.username,
                "Key": challenge_key(challenge, self._address.secret),
                "Events": "on",
            }
        )
        if not answered.success:
            raise AmiRefusedError(answered.message)

    async def rows(self, action: str) -> list[Message]:
        """Return the rows that an action lists.

        Raises:
            AmiRefusedError: with the PBX's reason, if it answers with one message instead of a list.

        """
        answered = await self.send_action({"Action": action})
        if isinstance(answered, Message):
            raise AmiRefusedError(f"{action}: {answered.message}")
        return list(answered)

    def connect(self) -> "asyncio.Task[Any]":
        """Start connecting."""
        address = self._address
        task = self.loop.create_task(
            self.loop.create_connection(
                self.config["protocol_factory"],
                address.host,
                address.port,
                ssl=address.tls,
                server_hostname=(address.tls_name or address.host) if address.tls else None,
            )
        )
        task.add_done_callback(self.connection_made)
        return task

    def connection_made(self, f: "asyncio.Future[Any]") -> None:
        """Take over the connection if it succeeded."""
        if not f.cancelled() and f.exception() is None:
            super().connection_made(f)

    def connection_lost(self, exc: object) -> None:  # noqa: ARG002 - panoramisk's signature
        """Record the loss and wake the consumer."""
        self.lost = True
        self.inbox.wake()

    def close(self) -> None:
        """Close the connection."""
        super().close()
        self.lost = True


def challenge_key(challenge: str, secret: str) -> str:
    """Return the response that manager.c expects: the hex MD5 of challenge and secret, in this order."""
    return hashlib.md5(f"{challenge}{secret}".encode(), usedforsecurity=False).hexdigest()
