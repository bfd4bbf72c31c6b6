"""The lab's own AMI client: it sees everything, forgets nothing, and shares no code with siaga112."""

import asyncio
import itertools
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import IO, Final, Self

from tests.lab.connections import ports_towards
from tests.waiting import until, within

MESSAGE_END: Final = b"\r\n\r\n"
# Long enough for a busy test machine, short enough for a broken PBX, which says nothing.
PATIENCE_SECONDS: Final = 15.0


class Event(dict[str, str]):
    """One AMI message: its headers (the first value wins; a missing one reads '') and its bytes."""

    def __init__(self, raw: bytes) -> None:
        """Parse the headers, and keep the bytes for captures."""
        super().__init__()
        self.raw = raw
        for line in raw.decode("utf-8", "replace").split("\r\n"):
            key, colon, value = line.partition(":")
            if colon:
                self.setdefault(key, value.strip())

    def __missing__(self, key: str) -> str:
        """Return '', so that no predicate needs `.get`."""
        return ""

    @property
    def name(self) -> str:
        """The event's type, '' for a response."""
        return self["Event"]


class ActionError(RuntimeError):
    """The PBX answered an action with an error."""


def _port(address: str) -> int:
    """Return the port of an address as Asterisk writes it: IPV4/TCP/127.0.0.1/40222."""
    port = address.rpartition("/")[2]
    return int(port) if port.isdigit() else 0


class Observer:
    """A connected AMI user. Use `connect`, or `Asterisk.observe`, and `async with`."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Take over an open connection; use `connect`."""
        self.events: list[Event] = []
        self._reader = reader
        self._writer = writer
        self._arrived = asyncio.Event()
        self._replies: dict[str, asyncio.Queue[Event]] = {}
        self._ids = itertools.count(1)
        self._tape: IO[bytes] | None = None
        self._listening = asyncio.create_task(self._listen(), name="lab AMI observer")

    @classmethod
    async def connect(cls, port: int, username: str, secret: str) -> Self:
        """Log in; raise ActionError if the PBX refuses."""
        async with within(PATIENCE_SECONDS, f"the banner of the manager interface at port {port}"):
            reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=2**22)
            await reader.readline()
        observer = cls(reader, writer)
        try:
            await observer.action({"Action": "Login", "Username": username, "Secret": secret})
        except BaseException:
            await observer.close()
            raise
        return observer

    async def __aenter__(self) -> Self:
        """Return the observer, which is connected already."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the connection."""
        await self.close()

    async def close(self) -> None:
        """Close the connection; the events stay readable."""
        self._listening.cancel()
        await asyncio.gather(self._listening, return_exceptions=True)
        self.stop_recording()
        self._writer.close()

    @property
    def lost(self) -> bool:
        """Whether the PBX has closed the connection."""
        return self._listening.done()

    def mark(self) -> int:
        """Return the present place in the stream, for the `since` of a later question."""
        return len(self.events)

    async def wait_for(
        self, wanted: Callable[[Event], bool], *, since: int = 0, timeout: float = PATIENCE_SECONDS
    ) -> Event:
        """Return the first such event since that mark, whether already seen or still to come."""
        place = since
        try:
            async with asyncio.timeout(timeout):
                while True:
                    arrived = self._arrived
                    for event in itertools.islice(self.events, place, None):
                        if wanted(event):
                            return event
                    place = len(self.events)
                    if self.lost:
                        msg = "the PBX closed the AMI connection before the awaited event"
                        raise ConnectionError(msg)
                    await arrived.wait()
        except TimeoutError:
            seen = ", ".join(event.name for event in self.events[since:][-40:])
            msg = f"not seen within {timeout:g} s; last since the mark: {seen or 'nothing'}"
            raise TimeoutError(msg) from None

    async def caller_channel(
        self,
        number: str,
        channel: str = "PJSIP/trunk-",
        *,
        since: int = 0,
        timeout: float = PATIENCE_SECONDS,
    ) -> Event:
        """Return the Newchannel event of a call that came in from this number over the trunk.

        `channel`: the beginning of the channel's name.
        """
        return await self.wait_for(
            lambda e: (
                e.name == "Newchannel" and e["CallerIDNum"] == number and e["Channel"].startswith(channel)
            ),
            since=since,
            timeout=timeout,
        )

    async def login_of(self, pid: int, *, timeout: float = PATIENCE_SECONDS) -> Event:
        """Return the login event of that process, even if others log in as the same user."""
        _, port = self._writer.get_extra_info("peername")
        await until(lambda: bool(ports_towards(port, pid)), timeout, f"a connection of process {pid}")
        return await self.wait_for(
            lambda e: e.name == "SuccessfulAuth" and _port(e["RemoteAddress"]) in ports_towards(port, pid),
            timeout=timeout,
        )

    async def action(self, headers: Mapping[str, str], *, timeout: float = PATIENCE_SECONDS) -> list[Event]:
        """Send an action; return its response, followed by the events of a list if it answers with one."""
        action_id = f"lab-{next(self._ids)}"
        replies = self._replies[action_id] = asyncio.Queue()
        lines = [f"{key}: {value}" for key, value in {**headers, "ActionID": action_id}.items()]
        try:
            self._writer.write("\r\n".join([*lines, "", ""]).encode())
            async with within(timeout, f"the answer to {headers['Action']}"):
                answer = [await replies.get()]
                if answer[0]["Response"] == "Error":
                    raise ActionError(answer[0]["Message"])
                while answer[0]["EventList"] == "start" and answer[-1]["EventList"] != "Complete":
                    answer.append(await replies.get())
        finally:
            del self._replies[action_id]
        return answer

    async def set_global(self, name: str, value: str) -> None:
        """Set a dialplan global; tests use it to choose what the operators do next."""
        await self.action({"Action": "Setvar", "Variable": name, "Value": value})

    def record(self, path: Path) -> None:
        """Record all bytes from the next message on in this file, as received."""
        self.stop_recording()
        path.parent.mkdir(parents=True, exist_ok=True)
        self._tape = path.open("wb")

    def stop_recording(self) -> None:
        """Close the recording, if there is one."""
        if self._tape is not None:
            self._tape.close()
            self._tape = None

    async def _listen(self) -> None:
        try:
            while True:  # ends: at `close`
                raw = await self._reader.readuntil(MESSAGE_END)  # ends: at `close`
                if self._tape is not None:
                    self._tape.write(raw)
                event = Event(raw)
                replies = self._replies.get(event["ActionID"])
                if replies is not None:
                    replies.put_nowait(event)
                elif event.name:
                    self.events.append(event)
                    self._wake()
        except (asyncio.IncompleteReadError, ConnectionError):
            return
        finally:
            for waiting in self._replies.values():
                waiting.put_nowait(Event(b"Response: Error\r\nMessage: the PBX closed the AMI connection"))
            asyncio.get_running_loop().call_soon(self._wake)  # once this task counts as done: see `lost`

    def _wake(self) -> None:
        # A pulse: wakes those who wait now; those who come later get a fresh event.
        self._arrived.set()
        self._arrived = asyncio.Event()
