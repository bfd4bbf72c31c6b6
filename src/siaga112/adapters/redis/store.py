"""The store in Redis. What is where: `adapters.redis.layout`."""

import re
from collections.abc import AsyncIterator, Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import count
from typing import Any, Final, TypeVar

from redis.asyncio import Redis, RedisCluster

from siaga112.adapters.redis.connect import together
from siaga112.adapters.redis.layout import (
    STANDINGS,
    SWITCH,
    WRITTEN,
    Keys,
    erase_script,
    mapped,
    nonce,
    write_script,
)
from siaga112.core.caller_id import kept
from siaga112.core.changes import Change, Stored, of_nobody, without_caller
from siaga112.core.clocks import made
from siaga112.core.codec import (
    dump_snapshot,
    dump_switch,
    load_audit_entry,
    load_blocks,
    load_entry,
    load_record,
    load_row,
    load_snapshot,
    load_standing,
    load_switch,
)
from siaga112.core.figures import LedgerRow
from siaga112.core.mode import Switch
from siaga112.core.model import DAY, END_OF_TIME, SECOND, AuditEntry, Caller, CallId, Entry, Level, Millis
from siaga112.core.record import Block, CallerRecord
from siaga112.core.snapshot import LIFE, Snapshot
from siaga112.core.standing import NOBODY, Standing
from siaga112.service.ports import FeedChanges, FeedPosition, StoreBrokenError, UnrecordableError, Written

_T = TypeVar("_T")

_TOGETHER: Final = 500
"""How many records are asked for in one trip."""

PAGE: Final = 1_000
"""How many callers a look through the lists takes at once."""

_SCANNED: Final = 200
"""How many entries of a list are read at once while verdicts are given: some half a millisecond's work."""


class RedisStore:
    """`service.ports.Store` on one Redis, for one site."""

    def __init__(
        self,
        client: "Redis | RedisCluster",
        site: str,
        keep_calls: Millis,
        keep_audit: Millis = 400 * DAY,
    ) -> None:
        self._redis: Any = client
        self._keys = Keys(site)
        self._keep_calls = keep_calls
        self._keep_audit = keep_audit
        self.unreadable: Final[dict[str, str]] = {}
        """What a listing had to leave out, and why: it must not fail for one record."""

    def __repr__(self) -> str:
        return f"<RedisStore {self._keys.site}>"

    async def ping(self) -> None:
        """Return if Redis answers and takes commands."""
        with mapped():
            await self._redis.ping()

    async def close(self) -> None:
        """Close the connections."""
        await self._redis.aclose()

    # ── callers ──────────────────────────────────────────────────────────────────────────────────

    async def standing(self, caller: Caller) -> Standing:
        """Give a caller's standing: the one round trip of a verdict."""
        with mapped():
            text = await self._redis.hget(self._keys.caller(caller), "standing")
            return load_standing(text) if text else NOBODY

    async def load(self, caller: Caller) -> tuple[CallerRecord, int]:
        """Give a caller's record and its version."""
        (found,) = await self.held([(caller, None)])
        if isinstance(found, StoreBrokenError):
            raise found
        return found.record or CallerRecord(caller), found.version

    async def held(
        self, wanted: Sequence[tuple[Caller | None, CallId | None]]
    ) -> Sequence[Stored | StoreBrokenError]:
        """Give what is held on callers and of calls, in one trip."""
        asked = [_alone(lambda one=one: self._questions(*one)) for one in wanted]  # type: ignore[misc]
        sound = [questions for questions in asked if not isinstance(questions, StoreBrokenError)]
        with mapped():
            answers = iter(await together(self._redis, [one for questions in sound for one in questions]))
        found: list[Stored | StoreBrokenError] = []
        for (caller, call), questions in zip(wanted, asked, strict=True):
            if isinstance(questions, StoreBrokenError):
                found.append(questions)
                continue
            mine = [next(answers) for _ in questions]
            try:
                if call and (misdated := mine.pop()) and not isinstance(misdated, Exception):
                    mine.append(await self._row(call, misdated))
                found.append(_held(caller, mine))
            except StoreBrokenError as error:
                found.append(error)
        return found

    def _questions(self, caller: Caller | None, call: CallId | None) -> list[tuple[object, ...]]:
        asked: list[tuple[object, ...]] = []
        if caller:
            asked.append(("HMGET", self._keys.caller(caller), "v", "doc"))
            asked.append(("HMGET", self._keys.forgotten(caller), "at", "v"))
        asked += [("HGET", day, call) for day in self._days_of(call) if call]
        return [*asked, ("HGET", self._keys.site_wide("misdated"), call)] if call else asked

    def _days_of(self, call: CallId | None) -> list[str]:
        """Give where a call's row can be: its uniqueid carries the second in which the channel was made.

        A call that was followed from later on is under the day of that. Of one that the PBX made while its
        clock was off `misdated` has the time by our own.
        """
        at = made(call or "")
        if at is None:
            return []
        return list(dict.fromkeys(self._keys.day(at + late) for late in (0, DAY // 2, -DAY // 24)))

    async def _row(self, call: CallId, started: bytes) -> object:
        with mapped():
            return await self._redis.hget(self._keys.day(int(started)), call)

    async def _note_misdated(self, changes: Sequence[Change]) -> None:
        """Note under which day a call's row will be, where its uniqueid does not tell."""
        calls = [change.entry.finding.call for change in changes if change.entry]
        misdated = {
            call.id: call.started
            for call in calls
            if not call.timed and self._keys.day(call.started) not in self._days_of(call.id)
        }
        if misdated:
            with mapped():
                key = self._keys.site_wide("misdated")
                await self._redis.hset(key, mapping=misdated)
                await self._redis.pexpireat(key, max(misdated.values()) + self._keep_calls + DAY)

    async def write(self, changes: Sequence[Change]) -> Sequence[Written | StoreBrokenError]:
        """Write changes in one trip, each by one script."""
        await self._note_misdated(changes)
        scripts = [
            _alone(lambda one=one: write_script(self._keys, one, self._keep_calls, self._keep_audit))  # type: ignore[misc]
            for one in changes
        ]
        sound = [script for script in scripts if not isinstance(script, StoreBrokenError)]
        with mapped():
            answers = iter(await together(self._redis, sound))
        written: list[Written | StoreBrokenError] = []
        for script in scripts:
            if isinstance(script, StoreBrokenError):
                written.append(script)
                continue
            answer = next(answers)
            try:
                with mapped():
                    if isinstance(answer, Exception):
                        raise answer
                    written.append(WRITTEN[answer])
            except StoreBrokenError as error:
                written.append(error)
        return written

    async def blocked(self, now: Millis) -> Sequence[CallerRecord]:
        """Give the records of all callers with a block in force."""
        with mapped():
            callers = await self._redis.zrange(
                self._keys.site_wide("blocks"), f"({now}", "+inf", byscore=True
            )
        return [record for record in await self._records(callers) if record.block_at(now)]

    async def block_counts(self, now: Millis) -> Mapping[Level, int]:
        """Count the blocks in force from the list alone: two counts, however many blocks."""
        with mapped():
            key = self._keys.site_wide("blocks")
            temporary = await self._redis.zcount(key, f"({now}", "(+inf")
            permanent = await self._redis.zcount(key, "+inf", "+inf")
            return {Level.TEMPORARY: temporary, Level.PERMANENT: permanent}

    async def allowed(self) -> Sequence[CallerRecord]:
        """Give the records of all callers on the allow list."""
        with mapped():
            callers = await self._redis.smembers(self._keys.site_wide("allowed"))
        return [record for record in await self._records(sorted(callers)) if record.allow]

    async def proposed(self) -> Sequence[CallerRecord]:
        """Give the records of all callers whose block waits for a supervisor."""
        with mapped():
            callers = await self._redis.smembers(self._keys.site_wide("proposed"))
        return [record for record in await self._records(sorted(callers)) if record.proposed]

    async def proposed_count(self) -> int:
        """Count them, without reading them."""
        with mapped():
            return int(await self._redis.scard(self._keys.site_wide("proposed")))

    async def missed(self) -> Sequence[CallerRecord]:
        """Give the records of all callers who wait for a call-back, longest first."""
        with mapped():
            callers = await self._redis.zrange(self._keys.site_wide("missed"), 0, -1)
        return [record for record in await self._records(callers) if record.missed]

    async def missed_count(self) -> tuple[int, Millis | None]:
        """Count them, and say since when the oldest waits, without reading them."""
        with mapped():
            count = await self._redis.zcard(self._keys.site_wide("missed"))
            oldest = await self._redis.zrange(self._keys.site_wide("missed"), 0, 0, withscores=True)
            return int(count), int(oldest[0][1]) if oldest else None

    async def listed(self) -> AsyncIterator[Caller]:
        """Give who is on any list; of the long ones a page at a time. Whose place moves may be left out."""
        for name in ("allowed", "proposed"):
            with mapped():
                callers = await self._redis.smembers(self._keys.site_wide(name))
            for caller in filter(None, map(kept, callers)):
                yield caller
        for name in ("blocks", "missed"):
            for first in count(0, PAGE):
                with mapped():
                    page = await self._redis.zrange(self._keys.site_wide(name), first, first + PAGE - 1)
                if not page:
                    break
                for caller in filter(None, map(kept, page)):
                    yield caller

    async def _records(self, callers: Sequence[bytes]) -> list[CallerRecord]:
        return await self._read(callers, load_record)

    async def _read(self, callers: Sequence[bytes], load: Callable[[bytes], _T]) -> list[_T]:
        """Read the records of these callers, of those that have one."""
        read = []
        for n in range(0, len(callers), _TOGETHER):
            with mapped():
                trip = self._redis.pipeline(transaction=False)
                for caller in callers[n : n + _TOGETHER]:
                    trip.hget(self._keys.caller(Caller(caller.decode("utf-8", "replace"))), "doc")
                docs = await trip.execute(raise_on_error=False)
            for caller, doc in zip(callers[n : n + _TOGETHER], docs, strict=True):
                if doc:
                    read += self._readable(caller, doc, load)
        return read

    def _all_readable(self, name: bytes, texts: Sequence[bytes], load: Callable[[bytes], _T]) -> list[_T]:
        """Read all, one by one only where one of them cannot be: the ledger is long."""
        try:
            return [load(text) for text in texts]
        except ValueError:
            return [one for text in texts for one in self._readable(name, text, load)]

    def _readable(self, name: bytes, found: Any, load: Callable[[bytes], _T]) -> list[_T]:
        """Read one of many, or note that it cannot be."""
        try:
            with mapped():
                if isinstance(found, Exception):
                    raise found
                return [load(found)]
        except StoreBrokenError as error:
            self.unreadable[name.decode("utf-8", "replace")] = str(error)
            return []

    async def blocks_of_changed(self, since: Millis) -> Sequence[Sequence[Block]]:
        """Give all blocks of each caller one of whose blocks began or was lifted since then."""
        with mapped():
            callers = await self._redis.zrange(self._keys.site_wide("changed"), since, "+inf", byscore=True)
        return await self._read(callers, load_blocks)

    async def turned_away(self, caller: Caller, within: Millis) -> bool:
        """Note that a caller is being turned away; say whether that happened within this time already."""
        with mapped():
            key = f"{self._keys.caller(caller)}:away"
            return await self._redis.set(key, "1", px=within, nx=True) is None

    async def erase(self, caller: Caller, at: Millis) -> None:
        """Delete a caller's record, the lines about the caller, and the number from the ledger's rows."""
        rows = 0
        while not await self._erase(caller, at, rows):
            calls = await self.calls_of(caller)
            for call in calls:
                if entry := await self.entry(call):
                    await self.write([Change(entry=without_caller(entry))])
            rows = len(calls)  # also those whose row is gone
        with mapped():
            lines = await self._redis.zrange(self._keys.site_wide("audit"), 0, -1)
            if gone := [line for line in lines if _subject(line) == caller]:
                await self._redis.zrem(self._keys.site_wide("audit"), *gone)

    async def _erase(self, caller: Caller, at: Millis, rows: int) -> bool:
        with mapped():
            return bool(await self._redis.eval(*erase_script(self._keys, caller, at, rows)[1:]))

    async def tidy(self, now: Millis) -> None:
        """Drop what has ended from the lists, and from the feed what is a day old."""
        with mapped():
            for name in ("blocks", "warned"):
                await self._redis.zremrangebyscore(self._keys.site_wide(name), "-inf", now)
            await self._redis.xtrim(self._keys.site_wide("changes"), minid=now - DAY, approximate=False)

    # ── ledger ───────────────────────────────────────────────────────────────────────────────────

    async def calls_of(self, caller: Caller) -> Sequence[CallId]:
        """Give a caller's calls that the ledger holds, oldest first."""
        with mapped():
            calls = await self._redis.zrange(f"{self._keys.caller(caller)}:calls", 0, -1)
            return [CallId(call.decode()) for call in calls]

    async def entry(self, call: CallId) -> Entry | None:
        """Find a row by its call."""
        (found,) = await self.held([(None, call)])
        if isinstance(found, StoreBrokenError):
            raise found
        return found.entry

    async def entries_of(self, caller: Caller) -> Sequence[Entry]:
        """Give the rows of a caller's calls, oldest first."""
        return [entry for call in await self.calls_of(caller) if (entry := await self.entry(call))]

    async def entries(self, since: Millis, until: Millis) -> AsyncIterator[Entry]:
        """Give the rows of calls that started in [since, until), oldest first, a day at a time."""
        async for entries in self._days(since, until, load_entry):
            for entry in sorted(entries, key=lambda e: (e.finding.call.started, e.finding.call.id)):
                if since <= entry.finding.call.started < until:
                    yield entry

    async def rows(self, since: Millis, until: Millis) -> AsyncIterator[Sequence[LedgerRow]]:
        """Give what figures need of the same rows, a day at a time, in any order."""
        async for rows in self._days(since, until, load_row):
            yield [row for row in rows if since <= row.started < until]

    async def nobodys(self, spelled: re.Pattern[str], until: Millis) -> Sequence[Entry]:
        """Give the rows of no known caller whose number, as it came, is spelled so."""

        def load(text: bytes) -> Entry | None:
            return load_entry(text) if spelled.search(text.decode("utf-8", "replace")) else None

        days = self._days(max(0, until - self._keep_calls - DAY), until + DAY, load)
        found = [entry for entries in [day async for day in days] for entry in entries if entry]
        return [entry for entry in found if of_nobody(entry, spelled)]

    async def ledger_calls(self, since: Millis, until: Millis) -> Collection[CallId]:
        """Give the calls of the days that have a part in that time."""
        with mapped():
            days = [await self._redis.hkeys(day) for day in self._day_keys(since, until)]
            return [CallId(call.decode()) for calls in days for call in calls]

    async def _days(
        self, since: Millis, until: Millis, load: Callable[[bytes], _T]
    ) -> AsyncIterator[Sequence[_T]]:
        for day in self._day_keys(since, until):
            with mapped():
                found = await self._redis.hvals(day)
            yield self._all_readable(day.encode(), found, load)

    def _day_keys(self, since: Millis, until: Millis) -> Iterator[str]:
        return (self._keys.day(day) for day in range(since // DAY * DAY, until, DAY))

    # ── the site ─────────────────────────────────────────────────────────────────────────────────

    async def audit_entries(self, since: Millis, until: Millis) -> Sequence[AuditEntry]:
        """Give the lines of that time, oldest first."""
        with mapped():
            lines = await self._redis.zrange(self._keys.site_wide("audit"), since, f"({until}", byscore=True)
        return self._all_readable(b"a line of the audit trail", lines, load_audit_entry)

    async def audit_of(self, caller: Caller) -> Sequence[AuditEntry]:
        """Give the lines about a caller and about the caller's calls, oldest first."""
        about = {caller, *await self.calls_of(caller)}
        return [line for line in await self.audit_entries(0, END_OF_TIME) if line.subject in about]

    async def last_of(self, action: str) -> AuditEntry | None:
        """Give the last line of an action."""
        lines = [line for line in await self.audit_entries(0, END_OF_TIME) if line.action == action]
        return lines[-1] if lines else None

    async def tallies(self) -> Mapping[str, int]:
        """Give these counts."""
        with mapped():
            counts = await self._redis.hgetall(self._keys.site_wide("tallies"))
            return {name.decode(): int(count) for name, count in counts.items()}

    async def switched(self) -> Switch | None:
        """Give the site's mode, if anybody has switched it."""
        with mapped():
            text = await self._redis.get(self._keys.site_wide("mode"))
            return load_switch(text) if text else None

    async def switch(self, switch: Switch) -> bool:
        """Switch the site's mode, unless it was switched later already."""
        with mapped():
            key = self._keys.site_wide("mode")
            return bool(await self._redis.eval(SWITCH, 1, key, dump_switch(switch), switch.at))

    async def put_snapshot(self, snapshot: Snapshot) -> None:
        """Show what goes on now, in place of what was."""
        with mapped():
            await self._redis.set(self._keys.site_wide("now"), dump_snapshot(snapshot), px=LIFE)

    async def snapshot(self) -> Snapshot | None:
        """Give what goes on now."""
        with mapped():
            text = await self._redis.get(self._keys.site_wide("now"))
            return load_snapshot(text) if text else None

    # ── the feed of standings ────────────────────────────────────────────────────────────────────

    async def last_change(self) -> FeedPosition:
        """Give the place of the last change; a feed that has none yet begins with an empty one."""
        with mapped():
            last = await self._redis.xrevrange(self._keys.site_wide("changes"), count=1)
            if not last:
                await self._redis.xadd(self._keys.site_wide("changes"), {"n": nonce()})
                last = await self._redis.xrevrange(self._keys.site_wide("changes"), count=1)
            return _place(*last[0])

    async def standings(self) -> AsyncIterator[Sequence[tuple[Caller, Standing]]]:
        """Give who is listed, a page at a time, as the records have it: they are the truth.

        SCAN gives all that is there throughout, whatever else moves.
        """
        for name in ("blocks", "warned", "allowed"):
            cursor, key = 0, self._keys.site_wide(name)
            while True:
                with mapped():
                    scan = self._redis.sscan if name == "allowed" else self._redis.zscan
                    cursor, page = await scan(key, cursor, count=_SCANNED)
                members = page if name == "allowed" else [member for member, _ in page]
                yield await self._standings([caller for member in members if (caller := kept(member))])
                if not cursor:
                    break

    async def _standings(self, callers: Sequence[Caller]) -> Sequence[tuple[Caller, Standing]]:
        if not callers:
            return []
        with mapped():
            keys = [self._keys.caller(caller) for caller in callers]
            texts = await self._redis.eval(STANDINGS, len(keys), *keys)
        return [(caller, _readable(text)) for caller, text in zip(callers, texts, strict=True)]

    async def wait(self, place: FeedPosition, seconds: float) -> None:
        """Let Redis answer when there is something after that place."""
        with mapped():
            await self._redis.xread(
                {self._keys.site_wide("changes"): place.id}, count=1, block=int(seconds * SECOND)
            )

    async def changes(self, place: FeedPosition) -> FeedChanges | None:
        """Give what came after our own last one, which must still be there: else some may be missed."""
        with mapped():
            key = self._keys.site_wide("changes")
            found = await self._redis.xrange(key, min=place.id, count=PAGE)
        if not found or _place(*found[0]) != place:
            return None
        try:
            changes = [
                (caller, load_standing(fields[b"s"]))
                for _, fields in found[1:]
                if b"c" in fields and (caller := kept(fields[b"c"]))
            ]
        except (KeyError, ValueError):  # not an entry of ours: what it stands for may be missed
            return None
        return FeedChanges(_place(*found[-1]), changes)


def _alone(spell: Callable[[], _T]) -> _T | UnrecordableError:
    """Spell one of many: what cannot be must not keep the others back."""
    try:
        return spell()
    except Exception as error:  # noqa: BLE001 - whatever is wrong with it, it is this one alone
        return UnrecordableError(f"not to be written: {error}")


def _subject(line: bytes) -> str | None:
    """Give whom a line of the audit trail is about; None where it cannot be read."""
    try:
        return load_audit_entry(line).subject
    except ValueError:
        return None


def _place(id_: bytes, fields: Mapping[bytes, bytes]) -> FeedPosition:
    return FeedPosition(id_.decode(), fields.get(b"n", b"").decode("ascii", "replace"))


def _readable(text: bytes) -> Standing:
    """Read a standing; of one that cannot be read nobody is turned away."""
    try:
        return load_standing(text) if text else NOBODY
    except ValueError:
        return NOBODY


def _held(caller: Caller | None, answers: list[Any]) -> Stored:
    with mapped():
        for answer in answers:
            if isinstance(answer, Exception):
                raise answer
        record, version = None, 0
        if caller:
            v, doc = answers.pop(0)
            gone, floor = answers.pop(0)
            record, version = (load_record(doc), int(v)) if doc else (CallerRecord(caller), int(floor or 0))
            record = replace(record, forgotten=int(gone)) if gone else record
        row = next((text for text in answers if text), None)
        return Stored(record, version, load_entry(row) if row else None)
