"""Announcements for other programs, and how far each webhook has received them."""

import json
from collections.abc import Iterable, Sequence
from functools import partial
from typing import Any, Final

from sqlalchemy import Connection, Row, and_, delete, func, or_, select, update

from siaga112.adapters.database import caller_rows
from siaga112.adapters.database.rows import Values, dump, read
from siaga112.adapters.database.schema import BLOCK, EVENT, PARKED, PLACE, TALLY, WEBHOOK
from siaga112.adapters.database.transactions import PAGE, Transactions
from siaga112.core.announcements import KEPT, Announcement, EventType, of_block_run_out
from siaga112.core.codec import instant
from siaga112.core.model import TOLERANCE, Caller, CallId, Millis
from siaga112.core.record import Block
from siaga112.service.ports import Announced, Parked, WebhookProgress, WebhookResult

_ENDS_TOLD: Final = f"{PLACE}{EventType.BLOCK_ENDED}"
"""A row of `tally`: the time up to which the ends of temporary blocks have been announced."""


class Announcements(Transactions):
    """The rows of `event`, and which of them each webhook has received."""

    def announced(self, connection: Connection, told: Iterable[Announcement]) -> None:
        """Write announcements within the given transaction."""
        self.add(connection, EVENT, [_values(one) for one in told])

    async def announce(self, told: Sequence[Announcement]) -> None:
        """Write announcements that follow from no other row, such as live events."""
        await self.act(lambda connection: self.announced(connection, told))

    async def last_announced(self) -> int:
        """Return the id of the last announcement; 0 if there is none."""
        ((last,),) = await self.select(EVENT, select(func.max(EVENT.c.id)))
        return int(last or 0)

    async def announcements(self, after: int, limit: int = PAGE) -> Sequence[Announced]:
        """Return the announcements after that id, in order."""
        asked = select(EVENT).where(EVENT.c.id > after).order_by(EVENT.c.id).limit(limit)
        return [
            one
            for row in await self.select(EVENT, asked)
            for one in self.readable(f"event {row.id}", _announced, row)
        ]

    async def drop_announced(self, before: Millis) -> None:
        """Delete announcements older than `before`, a page at a time; the oldest have the lowest ids.

        Only those of a clock that ran ahead lie among them with a later time: they do not end the search.
        """
        last, more = 0, True
        while more:
            asked = select(EVENT.c.id, EVENT.c.at).where(EVENT.c.id > last).order_by(EVENT.c.id).limit(PAGE)
            found = await self.select(EVENT, asked)
            if old := [row.id for row in found if row.at < before]:
                gone = delete(EVENT).where(EVENT.c.site == self.site, EVENT.c.id.in_(old))
                await self.act(partial(Connection.execute, statement=gone))
            younger = bool(found) and before <= min(row.at for row in found) <= before + KEPT
            more = len(found) == PAGE and not younger
            last = found[-1].id if found else last

    async def announce_ends(self, now: Millis) -> None:
        """Announce the temporary blocks that expired since the last run.

        No end is announced twice, unless a clock that ran far ahead had announced it too early.
        """

        def act(connection: Connection) -> None:
            told = self._looked_to(connection)
            if told is None or told > now + TOLERANCE:  # a clock ran ahead: those ends have not come yet
                self._look_from(connection, now)
            elif told < now:
                self._look_from(connection, now)
                self.announced(connection, self._run_out(connection, told, now))

        await self.act(act)

    def ends_told(self, connection: Connection, imposed: Sequence[Block], now: Millis) -> Millis:
        """Return the time up to which ends have been announced, for blocks that are being written.

        No end of these blocks may be missed: if a later time was recorded, move it back to `now`.
        """
        ends = [block.until for block in imposed if block.until is not None]
        if not ends:
            return 0
        told = self._looked_to(connection)
        if told is None or any(now < end <= told for end in ends):
            self._look_from(connection, now)
            return now
        return min(told, now)

    def _looked_to(self, connection: Connection) -> Millis | None:
        mine = TALLY.c.site == self.site, TALLY.c.name == _ENDS_TOLD
        told: Millis | None = connection.execute(select(TALLY.c.count).where(*mine)).scalar()
        return told

    def _look_from(self, connection: Connection, at: Millis) -> None:
        self.upsert(connection, TALLY, [{"name": _ENDS_TOLD, "count": at}])

    def _run_out(self, connection: Connection, after: Millis, now: Millis) -> Sequence[Announcement]:
        """Return the announcements of blocks that expired after that time, up to now."""
        over = and_(BLOCK.c.until > after, BLOCK.c.until <= now)
        unlifted = or_(BLOCK.c.lifted_at.is_(None), BLOCK.c.lifted_at > BLOCK.c.until)
        found = connection.execute(select(BLOCK).where(BLOCK.c.site == self.site, over, unlifted))
        return [
            of_block_run_out(Caller(row.caller), block)
            for row in found.all()
            for block in self.readable(row.caller, caller_rows.block_of, row)
        ]

    # ── webhooks ─────────────────────────────────────────────────────────────────────────────────

    async def webhook(self, name: str) -> WebhookProgress:
        """Return how far a subscription has been served; a new one starts with the next announcement."""

        def act(connection: Connection) -> WebhookProgress:
            found = connection.execute(
                select(WEBHOOK).where(WEBHOOK.c.site == self.site, WEBHOOK.c.name == name)
            ).one_or_none()
            if found is not None:
                return read(found, _progress)
            last = connection.execute(select(func.max(EVENT.c.id)).where(EVENT.c.site == self.site)).scalar()
            new = WebhookProgress(name, last or 0)
            self.upsert(connection, WEBHOOK, [new._asdict()])
            return new

        return await self.act(act)

    async def webhooks(self) -> Sequence[WebhookProgress]:
        """Return the progress of each subscription."""
        found = await self.select(WEBHOOK, select(WEBHOOK).order_by(WEBHOOK.c.name))
        return [one for row in found for one in self.readable(row.name, lambda it: read(it, _progress), row)]

    async def keep_webhook(
        self, progress: WebhookProgress, result: WebhookResult | None = None, parked: Parked | None = None
    ) -> None:
        """Store a subscription's progress, the last attempt's result, and an announcement it rejected."""

        def act(connection: Connection) -> None:
            self.upsert(connection, WEBHOOK, [progress._asdict()])
            if parked:
                self.upsert(connection, PARKED, [parked._asdict()])
            if result:
                self.count(connection, {f"webhooks:{result}": 1})

        await self.act(act)

    async def parked(self, name: str = "") -> Sequence[Parked]:
        """Return the parked announcements of one subscription, or of all."""
        asked = select(PARKED).order_by(PARKED.c.name, PARKED.c.event)
        found = await self.select(PARKED, asked.where(PARKED.c.name == name) if name else asked)
        return [one for row in found for one in self.readable(row.name, lambda it: read(it, _parked), row)]

    async def park(self, parked: Parked) -> None:
        """Park an announcement that a subscription rejected."""
        await self.act(lambda connection: self.upsert(connection, PARKED, [parked._asdict()]))

    async def unpark(self, parked: Parked) -> None:
        """Delete a parked announcement after it was delivered."""

        def act(connection: Connection) -> None:
            mine = PARKED.c.site == self.site, PARKED.c.name == parked.name
            connection.execute(delete(PARKED).where(*mine, PARKED.c.event == parked.event))

        await self.act(act)

    async def unpark_all(self, name: str) -> int:
        """Schedule all parked announcements of a subscription for redelivery; return how many.

        The console sends them from their own rows, before newer ones, when it next looks.
        """

        def act(connection: Connection) -> int:
            mine = PARKED.c.site == self.site, PARKED.c.name == name
            return connection.execute(update(PARKED).where(*mine).values(error="")).rowcount

        count = await self.act(act)
        await self.wake_webhook(name)
        return count

    async def wake_webhook(self, name: str) -> bool:
        """Schedule an immediate retry for a subscription; return whether it exists."""

        def act(connection: Connection) -> bool:
            mine = WEBHOOK.c.site == self.site, WEBHOOK.c.name == name
            return connection.execute(update(WEBHOOK).where(*mine).values(next_at=None)).rowcount == 1

        return await self.act(act)


def _values(told: Announcement) -> Values:
    return {
        "at": told.at,
        "type": told.type.value,
        "call": told.call,
        "caller": told.caller,
        "data": dump(dict(told.data)) if told.data else "{}",
    }


def _announced(row: Row[Any]) -> Announced:
    def build(one: Any) -> Announced:
        data = json.loads(one.data)
        if not isinstance(data, dict):
            raise TypeError("not an object")
        caller = Caller(one.caller) if one.caller else None
        call = CallId(one.call) if one.call else None
        return Announced(one.id, Announcement(EventType(one.type), instant(one.at), call, caller, data))

    return read(row, build)


def _progress(row: Any) -> WebhookProgress:
    return WebhookProgress(
        row.name, row.position, row.sent_at, row.tries, row.failing_since, row.next_at, row.error
    )


def _parked(row: Any) -> Parked:
    return Parked(row.name, row.event, row.at, row.error, row.body)
