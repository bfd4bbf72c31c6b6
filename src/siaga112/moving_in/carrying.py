"""Migrates what siaga112 before 0.1.0 kept in Redis: in batches, counted, and safe to repeat.

Migration does not change the data in Redis. Each batch is one transaction and leaves existing records as they
are, so an interrupted run can continue. A line in the audit trail marks the end; later runs take only newer
data, which an older program may have written meanwhile.
"""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol, TypeVar

from siaga112.adapters.redis.connect import connect
from siaga112.adapters.redis.older import SECONDS, Held, OlderRedis
from siaga112.adapters.redis.server import EmbeddedRedis
from siaga112.app import upkeep
from siaga112.app.records import now, redis_url
from siaga112.core import mode
from siaga112.core.changes import Change, replacement, without_caller
from siaga112.core.codec import load_entry
from siaga112.core.fold import Work
from siaga112.core.mode import SITE, Switch
from siaga112.core.model import DAY, HOUR, AuditEntry, Caller, Entry, Millis, Mode
from siaga112.core.record import CallerRecord
from siaga112.core.regulation import PolicyRules
from siaga112.moving_in.older import EVER, joined, load_line, load_record, since
from siaga112.service.ports import Recording
from siaga112.settings.schema import Settings

ACTION: Final = "carry over"
"""The action's name in the audit trail."""

LAG: Final = HOUR
"""Data up to this much older than the last run is read again: it may have been written late."""

DISALLOW: Final = "disallow"

_T = TypeVar("_T")


class Records(Recording, Protocol):
    """The records, as far as the migration needs them."""

    async def audit_entries(self, since: Millis, until: Millis) -> Sequence[AuditEntry]:
        """Return the lines from `since` to before `until`, oldest first."""

    async def last_of(self, action: str) -> AuditEntry | None:
        """Return the last line of an action."""

    async def remember_erased(self, erased: Mapping[str, tuple[Millis, int]]) -> None:
        """Record which callers were erased."""

    async def switched(self) -> Switch | None:
        """Return the last switch of the mode."""

    async def switch(self, switch: Switch, instead_of: Mode) -> bool:
        """Switch the mode."""


@dataclass(slots=True)
class Carried:
    """Counts of what was migrated, and the unreadable data that stays in Redis, each with the reason."""

    calls: int = 0
    callers: int = 0
    blocks: int = 0
    allowed: int = 0
    lines: int = 0
    before: Millis | None = None
    """When the last recorded migration began; None if there was none."""
    unreadable: dict[Held, str] = field(default_factory=dict)

    @property
    def anything(self) -> bool:
        """Return whether there was anything new."""
        return any((self.calls, self.callers, self.lines))


@dataclass(slots=True)
class Carrier:
    """Migrates one site, without calls older than `keep_calls` and audit lines older than `keep_audit`."""

    older: OlderRedis
    records: Records
    rules: PolicyRules
    clock: Callable[[], Millis]
    by: str
    keep_calls: Millis
    keep_audit: Millis

    async def carry(self) -> Carried:
        """Migrate everything; return what was migrated."""
        began = self.clock()
        last = await self.records.last_of(ACTION)
        done = Carried(before=last.at if last else None)
        after = last.at - LAG if last else EVER
        keys = await self.older.keys()
        async for calls in self._readable(done, self.older.calls(keys), _entry):
            done.calls += await self._calls(calls, max(began - self.keep_calls, 0), after)
        disallowed = await self._disallowed()
        async for callers in self._readable(done, self.older.callers(keys), _record):
            await self._callers(done, callers, disallowed, after)
        async for lines in self._readable(done, self.older.lines(), _line):
            done.lines += await self._lines(lines, max(began - self.keep_audit, after + 1))
        await self.records.remember_erased(await self.older.erased(keys))
        await self._mode()
        if await self.older.there(began, self.keep_calls):
            if done.anything or last is None:
                await self._end(done, began)
            await self.older.note_carried(began)
        return done

    async def forget(self, done: Carried) -> None:
        """Delete the migrated data from Redis; unreadable data stays."""
        await self.older.take_away(await self.older.keys(), tuple(done.unreadable))

    async def _readable(
        self, done: Carried, pages: AsyncIterator[Sequence[Held]], load: Callable[[Held], _T]
    ) -> AsyncIterator[Sequence[_T]]:
        async for page in pages:
            read = []
            for held in page:
                try:
                    read.append(load(held))
                except ValueError as error:
                    done.unreadable[held] = str(error)
            yield read

    async def _calls(self, entries: Sequence[Entry], oldest: Millis, after: Millis) -> int:
        """Write missing rows of the ledger; a caller erased since then stays erased."""
        new = {
            one.finding.call.id: one
            for one in entries
            if one.finding.call.started >= oldest and one.finding.call.ended > after
        }

        def act(work: Work) -> int:
            written = 0
            for call, one in new.items():
                held = work.held(one.finding.call.caller, call)
                if held.entry is None:
                    erased = held.record and held.record.forgotten >= one.finding.call.started
                    work.write(Change(entry=without_caller(one) if erased else one, past=True))
                    written += 1
            return written

        subjects = [(one.finding.call.caller, call) for call, one in new.items()]
        return await self.records.transaction(subjects, act) if new else 0

    async def _callers(
        self,
        done: Carried,
        records: Sequence[CallerRecord],
        disallowed: Mapping[str, Millis],
        after: Millis,
    ) -> None:
        now = self.clock()
        new = {one.caller: later for one in records if (later := since(one, after))}

        def act(work: Work) -> list[tuple[CallerRecord, CallerRecord]]:
            changed = []
            for caller, older in new.items():
                held = work.held(caller)
                before = held.record or CallerRecord(caller)
                later = since(older, before.forgotten) if before.forgotten else older
                if later is None:
                    continue
                record = joined(before, later, disallowed.get(caller, EVER))
                if record not in (before, CallerRecord(caller, forgotten=before.forgotten)):
                    new_one = replacement(before, record, held.version, now, self.rules)
                    work.write(Change(replacement=new_one, past=True))
                    changed.append((before, record))
            return changed

        if not new:
            return
        for before, record in await self.records.transaction([(caller, None) for caller in new], act):
            done.callers += 1
            done.blocks += len(record.blocks) - len(before.blocks)
            done.allowed += bool(record.allow) - bool(before.allow)

    async def _lines(self, lines: Sequence[AuditEntry], oldest: Millis) -> int:
        """Write missing lines of the audit trail."""
        wanted = dict.fromkeys(line for line in lines if line.at >= oldest)
        if not wanted:
            return 0
        times = [line.at for line in wanted]
        known = set(await self.records.audit_entries(min(times), max(times) + 1))
        new = [Change(audit_entry=line) for line in wanted if line not in known]
        await self.records.write(new)
        return len(new)

    async def _disallowed(self) -> Mapping[str, Millis]:
        lines = await self.records.audit_entries(0, self.clock() + DAY)
        return {line.subject: line.at for line in lines if line.action == DISALLOW}

    async def _mode(self) -> None:
        """Copy the mode to the database if only Redis has it, because Redis may lose it."""
        switch, known = await self.older.switched(), await self.records.switched()
        if switch is None or (known and known.at >= switch.at):
            return
        lines = await self.records.audit_entries(switch.at, switch.at + 1)
        was = [one for one in Mode if mode.told(switch, one) in lines]
        await self.records.switch(switch, was[0] if was else switch.mode)

    async def _end(self, done: Carried, began: Millis) -> None:
        """Write the audit line that marks the end; the first one also carries the older counters."""
        told = (
            f"{done.calls} calls, {done.callers} callers, {done.blocks} blocks, {done.lines} lines from Redis"
        )
        line = AuditEntry(began, self.by, ACTION, SITE, told)
        tallies = {} if done.before is not None else await self.older.tallies()
        await self.records.write([Change(audit_entry=line, tallies=tallies)])


def _entry(held: Held) -> Entry:
    entry = load_entry(held.text)
    if entry.finding.call.id != held.name:
        raise ValueError("is of another call")
    return entry


def _record(held: Held) -> CallerRecord:
    return load_record(held.text, Caller(held.name))


def _line(held: Held) -> AuditEntry:
    return load_line(held.text)


async def carry_over(settings: Settings, by: str, *, forget: bool = False) -> Carried:
    """Migrate the configured site and rebuild what verdicts read; `forget`: then delete it from Redis.

    An embedded Redis is started for the duration.
    """
    private = EmbeddedRedis(settings.state_dir) if settings.embedded_redis else None
    if private:
        await private.start()
    older = OlderRedis(connect(redis_url(settings), SECONDS), settings.site)
    try:
        async with upkeep.opened_records(settings) as records:
            kept = settings.privacy.keep_calls, settings.privacy.keep_audit
            carrier = Carrier(older, records, settings.policy_rules(), now, by, *kept)
            done = await carrier.carry()
        await upkeep.rebuild(settings)
        if forget:
            await carrier.forget(done)
        return done
    finally:
        await older.close()
        if private:
            await private.stop()
