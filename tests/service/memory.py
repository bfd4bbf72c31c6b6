"""A store in memory: the second implementation of the port, held to the same contract as Redis."""

from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence

from siaga112.core.model import Caller, CallerRecord, CallId, Entry, Level, Millis, Mode
from siaga112.core.policy import NOBODY, Standing
from siaga112.service.ports import StoreDownError


class MemoryStore:
    """`service.ports.Store` in dictionaries; while `down`, nothing answers."""

    def __init__(self) -> None:
        self.down = False
        self.writes = 0
        self._records: dict[Caller, tuple[CallerRecord, int, Standing]] = {}
        self._blocked: set[Caller] = set()
        self._allowed: set[Caller] = set()
        self._ledger: dict[CallId, Entry] = {}
        self._mode: Mode | None = None

    async def ping(self) -> None:
        """Answer, unless down."""
        if self.down:
            raise StoreDownError("memory: switched off by the test")

    async def standing(self, caller: Caller) -> Standing:
        """Give a caller's standing."""
        await self.ping()
        return self._records[caller][2] if caller in self._records else NOBODY

    async def load(self, caller: Caller) -> tuple[CallerRecord, int]:
        """Give a caller's record and its version."""
        await self.ping()
        record, version, _ = self._records.get(caller, (CallerRecord(caller), 0, NOBODY))
        return record, version

    async def save(self, record: CallerRecord, held: Standing, version: int, expires: Millis | None) -> bool:
        """Replace the record if it still has that version; nothing ever expires here."""
        del expires
        _, current = await self.load(record.caller)
        if current == version:
            self._records[record.caller] = (record, version + 1, held)
        return current == version

    async def index(self, record: CallerRecord, held: Standing) -> None:
        """Bring the lists into line with the record."""
        await self.ping()
        for listed, present in ((self._blocked, held.level), (self._allowed, record.allow)):
            (listed.add if present else listed.discard)(record.caller)

    async def blocked(self, now: Millis) -> Sequence[CallerRecord]:
        """Give the records of all callers with a block in force."""
        records = [(await self.load(caller))[0] for caller in self._blocked]
        return [record for record in records if record.block_at(now)]

    async def block_counts(self, now: Millis) -> Mapping[Level, int]:
        """Count the blocks in force."""
        held = [record.block_at(now) for record in await self.blocked(now)]
        return Counter(block.level for block in held if block)

    async def allowed(self) -> Sequence[CallerRecord]:
        """Give the records of all callers on the allow list."""
        return [(await self.load(caller))[0] for caller in sorted(self._allowed)]

    async def put_entry(self, entry: Entry) -> None:
        """Write a row of the ledger."""
        await self.ping()
        self.writes += 1
        self._ledger[entry.finding.call.id] = entry

    async def entry(self, call: CallId) -> Entry | None:
        """Find a row of the ledger."""
        await self.ping()
        return self._ledger.get(call)

    async def entries(self, since: Millis, until: Millis) -> AsyncIterator[Entry]:
        """Give the rows of that time, oldest first."""
        await self.ping()
        for entry in sorted(self._ledger.values(), key=lambda e: (e.finding.call.started, e.finding.call.id)):
            if since <= entry.finding.call.started < until:
                yield entry

    async def mode(self) -> Mode | None:
        """Give the site's mode."""
        await self.ping()
        return self._mode

    async def set_mode(self, mode: Mode) -> None:
        """Set the site's mode."""
        await self.ping()
        self._mode = mode
