"""Webhooks: signed, in order, retried until they are taken, never sent to a forbidden address."""

import asyncio
import base64
import contextlib
import json
import secrets
import socket
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final

import pytest
from aiohttp import web
from standardwebhooks.webhooks import Webhook as Receiver

from siaga112.console import hooks
from siaga112.console.hooks import GIVE_UP, PAUSES, Hooks, NotTakenError, send
from siaga112.core.announcements import Announcement, EventType
from siaga112.core.caller_id import masked
from siaga112.core.model import DAY, Caller, CallId, Millis
from siaga112.errors import SiagaError
from siaga112.settings.schema import Settings, Webhook
from tests.console.calls import BLOCKED
from tests.console.centre import Centre
from tests.lab import ports

pytestmark = pytest.mark.redis
SECRET: Final = "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode()
NAME: Final = "dispatch"

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass
class Dispatch:
    """A receiver of webhooks: what it took, and how it answers."""

    port: int
    got: list[dict[str, Any]] = field(default_factory=list)
    status: int = 204
    seen: list[str] = field(default_factory=list)
    """The ids of all events that arrived, taken or not."""

    @property
    def url(self) -> str:
        """The address that it listens on."""
        return f"http://127.0.0.1:{self.port}/hooks"

    async def take(self, request: web.Request) -> web.StreamResponse:
        """Check an event's signature; take the event if `status` is below 300."""
        body = await request.text()
        event = Receiver(SECRET).verify(body, dict(request.headers))
        self.seen.append(request.headers["webhook-id"])
        if self.status < 300:
            self.got.append(event)
        headers = {"Location": f"{self.url}/elsewhere"} if 300 <= self.status < 400 else {}
        return web.Response(status=self.status, headers=headers)


@asynccontextmanager
async def served(answer: Answer, port: int) -> AsyncIterator[None]:
    """Serve `/hooks` until the block ends."""
    app = web.Application()
    app.router.add_post("/hooks", answer)
    runner = web.AppRunner(app, handle_signals=False)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    try:
        yield
    finally:
        await runner.cleanup()


@pytest.fixture
async def dispatch() -> AsyncIterator[Dispatch]:
    """Run a program that receives webhooks."""
    made = Dispatch(ports.free())
    async with served(made.take, made.port):
        yield made


@dataclass
class Desk:
    """The webhooks of a centre, with a clock that tests move."""

    centre: Centre
    settings: Settings
    now: Millis = 1_795_000_000_000

    @property
    def hooks(self) -> Hooks:
        """New webhooks, as after a restart: they remember nothing."""
        return Hooks(self.centre.site.slow.records, lambda: self.settings, self.clock)

    def clock(self) -> Millis:
        """Return the time.

        A moved clock would make events too old for the receiver, so `desk` turns off its check of their age.
        """
        return self.now

    async def happen(self, *kinds: EventType) -> None:
        """Announce an event of each kind."""
        told = [
            Announcement(kind, self.now, CallId("1.1"), BLOCKED, {"n": nth}) for nth, kind in enumerate(kinds)
        ]
        await self.centre.site.store.records.announce(told)


@pytest.fixture
def desk(centre: Centre, dispatch: Dispatch, monkeypatch: pytest.MonkeyPatch) -> Desk:
    """Return a centre that sends its events to that program."""
    hook = {"url": dispatch.url, "secret": SECRET, "private": True}
    settings = Settings.model_validate({"site": "lab", "events": {"webhooks": {NAME: hook}}})
    made = Desk(centre, settings, round(time.time() * 1_000))
    monkeypatch.setattr(
        "standardwebhooks.webhooks.timedelta", lambda **_: __import__("datetime").timedelta(days=9)
    )
    return made


def with_hook(desk: Desk, **more: object) -> None:
    """Change the subscription."""
    (hook,) = desk.settings.events.webhooks.values()
    changed = hook.model_copy(update=more)
    events = desk.settings.events.model_copy(update={"webhooks": {NAME: changed}})
    desk.settings = desk.settings.model_copy(update={"events": events})


async def test_what_happens_is_told_signed_and_in_order(desk: Desk, dispatch: Dispatch) -> None:
    """Events arrive in order, once, with masked numbers and a signature that Standard Webhooks accepts."""
    await desk.hooks.go_on(NAME)
    await desk.happen(EventType.CALL_STARTED, EventType.CALL_ANSWERED, EventType.MODE_CHANGED)
    await desk.hooks.go_on(NAME)
    assert [one["data"]["n"] for one in dispatch.got] == [0, 1, 2]
    assert dispatch.got[0]["type"] == "id.siaga112.call.started"
    assert dispatch.got[0]["data"]["caller"] == "+62812*****111"
    await desk.hooks.go_on(NAME)
    assert len(dispatch.got) == 3, "none twice, after a restart too"


async def test_a_new_subscription_begins_with_what_comes(desk: Desk, dispatch: Dispatch) -> None:
    """A new subscription gets no event from before it began."""
    await desk.happen(EventType.CALL_STARTED)
    await desk.hooks.go_on(NAME)
    assert dispatch.got == []


async def test_a_subscription_gets_what_it_names_and_numbers_if_it_may(
    desk: Desk, dispatch: Dispatch
) -> None:
    """A subscription gets only the types that it names, and numbers in full if it may have them."""
    with_hook(desk, types=[EventType.BLOCK_IMPOSED], numbers=True)
    await desk.hooks.go_on(NAME)
    await desk.happen(EventType.CALL_STARTED, EventType.BLOCK_IMPOSED, EventType.CALL_ANSWERED)
    await desk.hooks.go_on(NAME)
    assert [(one["type"], one["data"]["caller"]) for one in dispatch.got] == [
        ("id.siaga112.block.imposed", BLOCKED)
    ]


@pytest.mark.parametrize("status", [500, 404, 302, 429])
async def test_what_is_not_taken_is_tried_again_before_anything_later(
    desk: Desk, dispatch: Dispatch, status: int
) -> None:
    """An event that is not taken is retried after each pause, across restarts, before any later event.

    A redirect is not followed.
    """
    await desk.hooks.go_on(NAME)
    await desk.happen(EventType.CALL_STARTED, EventType.CALL_ANSWERED)
    dispatch.status = status
    for nth, pause in enumerate(PAUSES):
        await desk.hooks.go_on(NAME)
        await desk.hooks.go_on(NAME)
        assert len(dispatch.seen) == nth + 1, "not before its pause is over"
        desk.now += pause
    assert len(set(dispatch.seen)) == 1
    progress = await desk.centre.site.store.records.webhook(NAME)
    assert (progress.tries, progress.error) == (len(PAUSES), f"answered {status}")
    dispatch.status = 204
    await desk.hooks.go_on(NAME)
    assert [one["data"]["n"] for one in dispatch.got] == [0, 1]
    tallies = await desk.centre.site.store.tallies()
    assert (tallies["webhooks:sent"], tallies["webhooks:failed"]) == (2, len(PAUSES))


async def test_what_is_not_taken_for_a_day_is_parked_and_sent_again_when_somebody_says_so(
    desk: Desk, dispatch: Dispatch
) -> None:
    """An event not taken for a day is parked, delays no other, and is sent again on request."""
    await desk.hooks.go_on(NAME)
    await desk.happen(EventType.CALL_STARTED, EventType.CALL_ANSWERED)
    dispatch.status = 503
    await desk.hooks.go_on(NAME)
    desk.now += GIVE_UP
    await desk.hooks.go_on(NAME)
    records = desk.centre.site.store.records
    assert [one.error for one in await records.parked(NAME)] == ["answered 503"] * 2
    assert (await records.tallies())["webhooks:parked"] == 2
    with pytest.raises(SiagaError, match="0 sent again, then not taken: answered 503"):
        await desk.hooks.again(NAME)
    dispatch.status = 200
    await desk.happen(EventType.MODE_CHANGED)
    await desk.hooks.go_on(NAME)
    assert await desk.hooks.again(NAME) == 2
    assert [one["data"]["n"] for one in dispatch.got] == [0, 0, 1]
    assert await records.parked() == []


async def park(desk: Desk, dispatch: Dispatch) -> None:
    """Announce a call that the receiver refuses until it is parked."""
    await desk.hooks.go_on(NAME)
    await desk.happen(EventType.CALL_STARTED)
    dispatch.status = 503
    await desk.hooks.go_on(NAME)
    desk.now += GIVE_UP
    await desk.hooks.go_on(NAME)


@pytest.mark.parametrize("command", [True, False])
async def test_what_is_parked_is_sent_again_as_the_subscription_is_now(
    desk: Desk, dispatch: Dispatch, *, command: bool
) -> None:
    """A program that may see no numbers any more gets none, not even of what it did not take before."""
    with_hook(desk, numbers=True)
    await park(desk, dispatch)
    dispatch.status = 200
    with_hook(desk, numbers=False)
    if command:
        await desk.centre.site.store.records.unpark_all(NAME)
        await desk.hooks.go_on(NAME)
    else:
        await desk.hooks.again(NAME)
    assert [one["data"]["caller"] for one in dispatch.got] == [masked(BLOCKED)]


async def test_a_clock_that_was_far_ahead_puts_no_subscription_off(desk: Desk, dispatch: Dispatch) -> None:
    """After a clock that was days ahead is set right, an event is retried at once and has a full day."""
    await desk.hooks.go_on(NAME)
    await desk.happen(EventType.CALL_STARTED)
    dispatch.status = 503
    right, desk.now = desk.now, desk.now + 8 * DAY
    await desk.hooks.go_on(NAME)
    desk.now = right
    await desk.hooks.go_on(NAME)
    assert len(dispatch.seen) == 2
    progress = await desk.centre.site.store.records.webhook(NAME)
    assert progress.failing_since == right
    dispatch.status = 204
    desk.now += PAUSES[1]
    await desk.hooks.go_on(NAME)
    assert len(dispatch.got) == 1


async def test_a_command_has_what_is_parked_sent_again(desk: Desk, dispatch: Dispatch) -> None:
    """The console sends what `siaga112 webhooks --again` unparks, and parks it again if it is not taken."""
    await park(desk, dispatch)
    records = desk.centre.site.store.records
    assert await records.unpark_all(NAME) == 1
    await desk.hooks.go_on(NAME)
    assert [one.error for one in await records.parked(NAME)] == ["answered 503"]
    dispatch.status = 204
    await records.unpark_all(NAME)
    await desk.hooks.go_on(NAME)
    assert (len(dispatch.got), await records.parked(NAME)) == (1, [])


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:1/", "http://localhost:1/", "http://[::1]:1/", "http://[::ffff:127.0.0.1]:1/",
        "http://0.0.0.0:1/", "http://10.0.0.1/", "http://169.254.169.254/latest/meta-data", "http://2130706433:1/",
    ],
)  # fmt: skip
async def test_no_private_address_is_sent_to_unless_that_is_allowed(url: str) -> None:
    """Nothing is sent to a private address, however it is spelled, unless the webhook allows it."""
    hook = Webhook.model_validate({"url": url, "secret": SECRET})
    with pytest.raises(NotTakenError, match="private"):
        await send(hook, "1", 1_795_000_000_000, b"{}")


def drip(connection: socket.socket, over: threading.Event) -> None:
    """Send a header that never ends, a byte at a time."""
    connection.sendall(b"HTTP/1.1 200 OK\r\nX-Slow: ")
    with contextlib.suppress(OSError):
        while not over.wait(0.05):
            connection.sendall(b"y")


def flood(connection: socket.socket, over: threading.Event) -> None:
    """Send a header that never ends, as fast as possible."""
    with contextlib.suppress(OSError):
        while not over.is_set():
            connection.sendall(b"HTTP/1.1 200 OK\r\nX: " + b"y" * 1_000_000)


@pytest.mark.parametrize(("answer", "why"), [(drip, "no answer within"), (flood, "too long")])
async def test_a_receiver_that_drips_or_never_ends_costs_a_bounded_time(
    monkeypatch: pytest.MonkeyPatch, answer: Callable[[socket.socket, threading.Event], None], why: str
) -> None:
    """A receiver whose answer never ends is given up after a bounded time or size."""
    monkeypatch.setattr(hooks, "PATIENCE", 0.5)
    over = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            with server.accept()[0] as connection:
                connection.settimeout(5)
                answer(connection, over)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        url = f"http://127.0.0.1:{server.getsockname()[1]}/"
        hook = Webhook.model_validate({"url": url, "secret": SECRET, "private": True})
        try:
            async with asyncio.timeout(20):
                with pytest.raises(NotTakenError, match=why):
                    await send(hook, "1", 1_795_000_000_000, b"{}")
        finally:
            over.set()
            thread.join(10)


async def test_nobody_there_is_told_in_a_few_words() -> None:
    """A port on which nobody listens is reported as "connection refused"."""
    hook = Webhook.model_validate(
        {"url": f"http://127.0.0.1:{ports.free()}/", "secret": SECRET, "private": True}
    )
    with pytest.raises(NotTakenError, match="connection refused"):
        await send(hook, "1", 1_795_000_000_000, json.dumps({}).encode())


async def test_a_forgotten_callers_number_is_in_nothing_that_is_still_to_be_sent(desk: Desk) -> None:
    """After a caller is erased, neither a parked webhook nor an announcement has the number."""
    with_hook(desk, numbers=True, url=f"http://127.0.0.1:{ports.free()}/")
    await desk.hooks.go_on(NAME)
    await desk.happen(EventType.CALL_STARTED)
    await desk.hooks.go_on(NAME)
    desk.now += GIVE_UP
    await desk.hooks.go_on(NAME)
    records = desk.centre.site.store.records
    assert BLOCKED in (await records.parked(NAME))[0].body
    await records.erase(Caller(BLOCKED), desk.now)
    assert await records.parked(NAME) == []
    assert all(one.told.caller != BLOCKED for one in await records.announcements(0))
