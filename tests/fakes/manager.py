"""A manager interface on a real socket, whose answers a test controls."""

import asyncio
import ssl
from collections import Counter
from collections.abc import Sequence

BANNER = b"Asterisk Call Manager/11.0.0\r\n"
SOON = 5.0


def event(name: str, **headers: str) -> bytes:
    """Return an event as Asterisk writes it, with its blank line."""
    lines = [f"Event: {name}", "Privilege: call,all", *(f"{key}: {value}" for key, value in headers.items())]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def channel(uid: str, **changed: str) -> dict[str, str]:
    """Return the headers that every event of a channel has."""
    return {
        "Channel": f"PJSIP/trunk-{uid}",
        "ChannelState": "4",
        "CallerIDNum": "081211111111",
        "CallerIDName": "<unknown>",
        "Context": "siaga112-incoming",
        "Exten": "112",
        "Priority": "1",
        "Uniqueid": uid,
        "Linkedid": uid,
        **changed,
    }


def new(uid: str, **changed: str) -> bytes:
    """Return the event of a new channel."""
    return event("Newchannel", **channel(uid, **changed))


def gone(uid: str) -> bytes:
    """Return the event of a channel that ends."""
    return event("Hangup", **channel(uid), Cause="16")


class Session:
    """One client's connection."""

    def __init__(
        self, manager: "Manager", reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self._manager = manager
        self._reader = reader
        self._writer = writer
        self.over = asyncio.Event()
        """Set when the client has gone."""

    def send(self, *messages: bytes) -> None:
        """Send messages."""
        self._writer.write(b"".join(messages))

    def drop(self) -> None:
        """Close the connection, after what was sent."""
        self._writer.close()

    async def serve(self) -> None:
        """Answer actions until the client goes."""
        self.send(self._manager.banner)
        try:
            while True:  # ends: when the client goes
                block = (await self._reader.readuntil(b"\r\n\r\n")).decode()  # ends: as above
                self._manager.heard.append(block)
                headers = dict(line.split(": ", 1) for line in block.split("\r\n") if line)
                self._answer(headers["Action"], headers.get("ActionID", ""))
        except (asyncio.IncompleteReadError, ConnectionError):
            self.drop()
            self.over.set()

    def _answer(self, action: str, action_id: str) -> None:
        manager = self._manager
        manager.asked[action] += 1
        if action in manager.mute:
            return
        if action in manager.refused:
            self._respond("Error", action_id, f"Message: {manager.refused[action]}")
            return
        match action:
            case "Challenge":
                self._respond("Success", action_id, *manager.challenge)
            case "Login":
                self._respond("Success", action_id, "Message: Authentication accepted")
                self.send(event("FullyBooted", Uptime="60", LastReload="60", Status="Fully Booted"))
                manager.sessions.put_nowait(self)
            case "CoreShowChannels":
                self._respond("Success", action_id, "EventList: start", "Message: Channels will follow")
                for row in manager.channels:
                    self.send(b"Event: CoreShowChannel\r\nActionID: " + action_id.encode() + b"\r\n" + row)
                self.send(
                    b"Event: CoreShowChannelsComplete\r\nActionID: " + action_id.encode() + b"\r\n"
                    b"EventList: Complete\r\n\r\n"
                )
            case "QueueStatus" if manager.queues is None:
                self._respond("Error", action_id, "Message: Invalid/unknown command: QueueStatus.")
            case "QueueStatus":
                self._respond("Success", action_id, "EventList: start", "Message: Queue status will follow")
                for row in manager.queues or ():
                    name, _, rest = row.partition(b"\r\n")
                    self.send(name + b"\r\nActionID: " + action_id.encode() + b"\r\n" + rest)
                self.send(
                    b"Event: QueueStatusComplete\r\nActionID: " + action_id.encode() + b"\r\n"
                    b"EventList: Complete\r\n\r\n"
                )
            case "Ping":
                self._respond("Success", action_id, "Ping: Pong")

    def _respond(self, response: str, action_id: str, *lines: str) -> None:
        text = "\r\n".join((f"Response: {response}", f"ActionID: {action_id}", *lines))
        self.send(f"{text}\r\n\r\n".encode())


class Manager:
    """The server. `refused` and `mute` name the actions that it rejects or does not answer."""

    def __init__(self) -> None:
        self.banner = BANNER
        self.refused: dict[str, str] = {}
        self.mute: set[str] = set()
        self.channels: Sequence[bytes] = ()
        self.queues: Sequence[bytes] | None = None
        """Rows of QueueStatus; None: a PBX without app_queue, which does not know that action."""
        self.challenge: Sequence[str] = ("Challenge: 112112112",)
        self.heard: list[str] = []
        """Everything that clients have sent, one action each."""
        self.asked: Counter[str] = Counter()
        self.sessions: asyncio.Queue[Session] = asyncio.Queue()
        self.port = 0
        self.tls: ssl.SSLContext | None = None
        self._open: set[asyncio.StreamWriter] = set()
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        """Listen on a free port, the same one again after a stop."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port, ssl=self.tls)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Stop listening, and drop every connection."""
        if self._server:
            self._server.close()
        for writer in self._open:
            writer.close()

    async def session(self) -> Session:
        """Return the next client that has logged in."""
        async with asyncio.timeout(SOON):
            return await self.sessions.get()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open.add(writer)
        try:
            await Session(self, reader, writer).serve()
        finally:
            self._open.discard(writer)
