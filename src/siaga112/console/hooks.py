"""Webhooks: events sent to configured programs, signed, in order, retried until accepted.

Each subscription reads the announcements at its own pace. A rejected event is retried after growing
pauses, for a day, before later ones are sent; then it is parked, with a metric and an alert.
"""

import asyncio
import base64
import hashlib
import hmac
import ipaddress
import json
import socket
import ssl
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlsplit

import h11
import structlog

from siaga112.console.events import cloud_event
from siaga112.core.caller_id import masked_in
from siaga112.core.model import DAY, SECOND, Millis
from siaga112.errors import SaidError, SiagaError
from siaga112.reasons import plainly
from siaga112.service.ports import (
    Announced,
    Parked,
    StoreBrokenError,
    StoreDownError,
    WebhookProgress,
    WebhookResult,
)
from siaga112.service.ports import Webhooks as Records
from siaga112.settings.schema import Settings, Webhook
from siaga112.settings.values import SIGNING
from siaga112.words import say

LOOK_SECONDS: Final = 0.5
PATIENCE: Final = 10.0
"""Seconds for one delivery, from the address look-up to the response's head."""

PAUSES: Final[tuple[Millis, ...]] = tuple(
    seconds * SECOND for seconds in (5, 30, 120, 600, 1_800, 3_600, 7_200)
)
"""Pauses between retries; the last repeats."""

GIVE_UP: Final[Millis] = DAY
LARGEST_ANSWER: Final = 16_384
"""Bytes of a response's head that are read; its body is not."""

TOGETHER: Final = 100

_log = structlog.get_logger()


class NotTakenError(SaidError):
    """A delivery failed; says why in a few words."""


@dataclass(slots=True)
class Hooks:
    """Delivers events to the subscriptions."""

    records: Records
    settings: Callable[[], Settings]
    clock: Callable[[], Millis]
    _tasks: dict[str, asyncio.Task[None]] = field(default_factory=dict)

    async def run(self) -> None:
        """Deliver for ever; each subscription at its own pace."""
        try:
            while True:
                wanted = self.settings().events.webhooks
                for name in self._tasks.keys() - wanted.keys():
                    self._tasks.pop(name).cancel()
                for name in wanted.keys() - self._tasks.keys():
                    self._tasks[name] = asyncio.create_task(self._follow(name))
                await asyncio.sleep(1.0)
        finally:
            for task in self._tasks.values():
                task.cancel()
            await asyncio.gather(*self._tasks.values(), return_exceptions=True)

    async def _follow(self, name: str) -> None:
        while True:
            try:
                more = await self.go_on(name)
            except (StoreDownError, StoreBrokenError):
                more = False
            except Exception:  # noqa: BLE001 - one subscription must not end the others
                _log.exception("webhook_failed", webhook=name)
                more = False
            if not more:
                await asyncio.sleep(LOOK_SECONDS)

    async def go_on(self, name: str) -> bool:
        """Deliver the next event to a subscription; return whether more may be ready."""
        hook = self.settings().events.webhooks.get(name)
        if hook is None:
            return False
        if wanted := [one for one in await self.records.parked(name) if not one.error]:
            await self._sent_again(hook, wanted)
        progress = await self.records.webhook(name)
        if progress.next_at is not None and 0 < progress.next_at - self.clock() <= PAUSES[-1]:
            return False  # a later time came from a clock that was ahead
        found = await self.records.announcements(progress.position, TOGETHER)
        for one in found:
            if hook.types and one.told.type not in hook.types:
                progress = progress._replace(position=one.id)
                continue
            progress = await self._tell(name, hook, progress, one)
            if progress.next_at is not None:
                return False
        if found:
            await self.records.keep_webhook(progress)
        return len(found) == TOGETHER

    async def _tell(
        self, name: str, hook: Webhook, progress: WebhookProgress, one: Announced
    ) -> WebhookProgress:
        config = self.settings()
        event = cloud_event(one, config.site, config.zone, numbers=hook.numbers)
        body = json.dumps(event, ensure_ascii=False).encode()
        now = self.clock()
        try:
            await send(hook, f"{one.id}", now, body)
        except NotTakenError as error:
            return await self._not_taken(progress, one, body, str(error))
        progress = WebhookProgress(name, one.id, now)
        await self.records.keep_webhook(progress, WebhookResult.SENT)
        return progress

    async def _not_taken(
        self, progress: WebhookProgress, one: Announced, body: bytes, why: str
    ) -> WebhookProgress:
        now, name = self.clock(), progress.name
        since = min(progress.failing_since or now, now)
        if now - since >= GIVE_UP:
            _log.error("webhook_parked", webhook=name, event_id=one.id, detail=why)
            parked = Parked(name, one.id, now, why, body.decode())
            # Later events get no day of their own: else nothing would ever be delivered.
            new = WebhookProgress(name, one.id, progress.sent_at, 0, since, None, why)
            await self.records.keep_webhook(new, WebhookResult.PARKED, parked)
            return new
        pause = PAUSES[min(progress.tries, len(PAUSES) - 1)]
        again = pause / SECOND
        _log.warning("webhook_not_taken", webhook=name, event_id=one.id, detail=why, again_seconds=again)
        new = progress._replace(tries=progress.tries + 1, failing_since=since, next_at=now + pause, error=why)
        await self.records.keep_webhook(new, WebhookResult.FAILED)
        return new

    async def _sent_again(self, hook: Webhook, wanted: Sequence[Parked]) -> None:
        """Resend parked events on a person's command; what fails stays parked."""
        for parked in wanted:
            try:
                await self._send_again(hook, parked)
            except NotTakenError as error:
                await self.records.park(parked._replace(error=str(error)))
            else:
                await self.records.unpark(parked)

    async def _send_again(self, hook: Webhook, parked: Parked) -> None:
        """Send a parked event, with its number only if the subscription may still have it."""
        body = parked.body if hook.numbers else masked_in(parked.body)
        await send(hook, f"{parked.event}", self.clock(), body.encode())

    async def again(self, name: str) -> int:
        """Resend parked events and retry waiting ones at once; return how many were accepted.

        Raises:
            SiagaError: if there is no such subscription, or a delivery fails.

        """
        hook = self.settings().events.webhooks.get(name)
        if hook is None:
            raise SiagaError(say('there is no webhook "{name}" in [events.webhooks]'), name=name)
        count = 0
        for parked in await self.records.parked(name):
            try:
                await self._send_again(hook, parked)
            except NotTakenError as error:
                said = say("{name}: {count} sent again, then not taken: {why}")
                raise SiagaError(said, name=name, count=count, why=error.said) from None
            await self.records.unpark(parked)
            count += 1
        await self.records.wake_webhook(name)
        return count


def signature(secret: str, id_: str, seconds: int, body: bytes) -> str:
    """Return the Standard Webhooks signature: `v1,` and HMAC-SHA256 over id, time and body."""
    key = base64.b64decode(secret.removeprefix(SIGNING))
    text = f"{id_}.{seconds}.".encode() + body
    return "v1," + base64.b64encode(hmac.digest(key, text, hashlib.sha256)).decode()


async def send(hook: Webhook, id_: str, now: Millis, body: bytes) -> None:
    """Send one event.

    Raises:
        NotTakenError: if it was not taken: any answer but 2xx, a redirect too, none in time, or no address
            that may be sent to.

    """
    seconds = now // SECOND
    headers = {
        "Content-Type": "application/cloudevents+json; charset=utf-8",
        "User-Agent": "siaga112",
        "webhook-id": id_,
        "webhook-timestamp": f"{seconds}",
        "webhook-signature": signature(hook.secret.get_secret_value(), id_, seconds, body),
    }
    try:
        async with asyncio.timeout(PATIENCE):
            status = await _posted(hook, headers, body)
    except TimeoutError:
        raise NotTakenError(say("no answer within {seconds} s"), seconds=format(PATIENCE, "g")) from None
    except (OSError, h11.ProtocolError) as error:
        raise NotTakenError(plainly(error) or str(error) or type(error).__name__) from error
    if not 200 <= status < 300:  # noqa: PLR2004 - what HTTP calls a success
        raise NotTakenError(say("answered {status}"), status=status)


async def _posted(hook: Webhook, headers: Mapping[str, str], body: bytes) -> int:
    at = urlsplit(hook.url)
    host, secure = at.hostname or "", at.scheme == "https"
    port = at.port or (443 if secure else 80)
    address = await _address(host, port, private=hook.private)
    tls = ssl.create_default_context() if secure else None
    name = host if tls else None
    reader, writer = await asyncio.open_connection(address, port, ssl=tls, server_hostname=name)
    try:
        wire = h11.Connection(h11.CLIENT, max_incomplete_event_size=LARGEST_ANSWER)
        target = (at.path or "/") + (f"?{at.query}" if at.query else "")
        own = {"Host": at.netloc, "Content-Length": f"{len(body)}", "Connection": "close"}
        head = h11.Request(method="POST", target=target, headers=[*own.items(), *headers.items()])
        for event in (head, h11.Data(body), h11.EndOfMessage()):
            writer.write(wire.send(event) or b"")
        await writer.drain()
        return await _status(wire, reader)
    finally:
        writer.close()


async def _status(wire: h11.Connection, reader: asyncio.StreamReader) -> int:
    while True:
        event = wire.next_event()
        if event is h11.NEED_DATA:
            wire.receive_data(await reader.read(4_096))
        elif isinstance(event, h11.Response):
            return event.status_code
        elif not isinstance(event, h11.InformationalResponse):
            raise NotTakenError(say("the other side closed the connection"))


async def _address(host: str, port: int, *, private: bool) -> str:
    """Resolve a host to an allowed address, once, so that no second look-up gives another.

    Raises:
        NotTakenError: if there is none.

    """
    loop = asyncio.get_running_loop()
    found: list[Any] = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    for *_, where in found:
        address = ipaddress.ip_address(str(where[0]).partition("%")[0])
        if private or _public(address):
            return str(where[0])
    raise NotTakenError(say("its address is a private one (allow that with private = true)"))


def _public(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    mapped = getattr(address, "ipv4_mapped", None)
    return (mapped or address).is_global and not address.is_multicast
