"""All records of one site (protocols in `service.ports`), and the one transaction in which they change.

A call and everything that follows from it is one transaction; so is a person's decision. The transaction
also lists the callers with a new standing (`unpublished`), for whoever publishes it to the block list.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

from sqlalchemy import Connection, Table, delete, insert, select

from siaga112.adapters.database import call_rows, caller_rows, rows
from siaga112.adapters.database.counting import Counting
from siaga112.adapters.database.ledger import Ledger
from siaga112.adapters.database.pages import Pages
from siaga112.adapters.database.people import People
from siaga112.adapters.database.publication import Publication
from siaga112.adapters.database.schema import AUDIT, CALL, CALLER, HANDOVER, IMPOSITION, UNPUBLISHED
from siaga112.adapters.database.transactions import IN
from siaga112.core.announcements import Announcement, new_blocks, of_change
from siaga112.core.changes import Change, Imposition, Replacement, Stored
from siaga112.core.fold import HourlyCaps, Subject, Work
from siaga112.core.model import AuditEntry, Caller, CallId, Entry, Millis
from siaga112.core.standing import NOBODY, Standing
from siaga112.service.ports import StoreBrokenError

_T = TypeVar("_T")

_ALL, _PERMANENT = "all", "permanent"
"""The cap that a row of `imposition` counts against."""


class DatabaseRecords(Pages, Ledger, People, Publication, Counting):
    """Callers, the ledger, the site with its people, and the publication, on one engine."""

    changed: Callable[[], None] = staticmethod(lambda: None)
    """Called after a transaction that changed a standing."""

    def __repr__(self) -> str:
        return f"<DatabaseRecords {self.site_name}>"

    async def transaction(self, subjects: Sequence[Subject], act: Callable[[Work], _T]) -> _T:
        """Run `act`, which reads and writes within one transaction; if it raises, nothing is written.

        `act` runs in the database's thread, and nobody else writes to the site meanwhile.
        """

        def do(connection: Connection) -> tuple[_T, bool]:
            work = _Work(self, connection)
            work.look(subjects)
            done = act(work)
            work.finish()
            return done, work.changed

        done, changed = await self.act(do)
        if changed:
            self.changed()
        return done

    async def write(self, changes: Sequence[Change]) -> None:
        """Write changes that do not depend on existing records; all of them or none."""

        def act(work: Work) -> None:
            for change in changes:
                work.write(change)

        await self.transaction([], act)


class _Work:
    """The records as seen within the transaction, and the writes pending until its end."""

    def __init__(self, records: DatabaseRecords, connection: Connection) -> None:
        self._records = records
        self._connection = connection
        self._known: dict[str, Stored | StoreBrokenError] = {}
        """By caller: the record and its version."""
        self._entries: dict[str, Stored | StoreBrokenError] = {}
        """By call: its entry."""
        self._standings: dict[str, Standing | None] = {}
        self._handed_over: set[CallId] = set()
        """Calls to be rewritten that had hand-overs before."""
        self._new: dict[Table, dict[object, rows.Values]] = defaultdict(dict)
        self._told: list[Announcement] = []
        self._lines: dict[AuditEntry, Mapping[str, int]] = {}
        """Lines of the audit trail, each with the tallies to add if the line is new."""
        self._tallies: Counter[str] = Counter()
        self._caps: HourlyCaps | None = None
        self._reserved: dict[tuple[str, str], Millis] = {}
        """The automatic blocks of the hour in the database, once `reserve` has read them."""

    def look(self, subjects: Sequence[Subject]) -> None:
        """Read the records of these callers and the entries of these calls, in a few queries."""
        callers = {caller for caller, _ in subjects if caller}
        calls = {call for _, call in subjects if call}
        for caller, found in self._records.records_of(self._connection, callers).items():
            self._known[caller] = found.stored
            self._standings[caller] = found.standing
        self._entries |= self._records.entries_by_call(self._connection, calls)

    def held(self, caller: Caller | None, call: CallId | None = None) -> Stored:
        """Return a caller's record and a call's entry. Raises StoreBrokenError if one cannot be read."""
        unknown = caller if caller not in self._known else None, call if call not in self._entries else None
        if any(unknown):  # read only these: pending writes are not in the database yet
            self.look([unknown])
        record = _sound(self._known[caller]) if caller else Stored(None, 0, None)
        row = _sound(self._entries[call]) if call else Stored(None, 0, None)
        return record._replace(entry=row.entry)

    def reserve(self, asked: Imposition) -> bool:
        """Reserve a place for one more automatic block under the hourly caps; return whether there was one.

        A call that already has its place keeps it.
        """
        if self._caps is None:
            self._caps, self._reserved = HourlyCaps(), self._impositions()
            for (cap, call), at in self._reserved.items():
                (self._caps.permanent if cap == _PERMANENT else self._caps.imposed)[CallId(call)] = at
        return self._caps.reserve(asked)

    def _impositions(self) -> dict[tuple[str, str], Millis]:
        asked = select(IMPOSITION).where(IMPOSITION.c.site == self._records.site)
        return {(row.cap, row.call): row.at for row in self._connection.execute(asked)}

    def _keep_caps(self) -> None:
        """Write the changes to the hour's automatic blocks."""
        if self._caps is None:
            return
        held = {(_ALL, call): at for call, at in self._caps.imposed.items()}
        held |= {(_PERMANENT, call): at for call, at in self._caps.permanent.items()}
        for cap, call in self._reserved.keys() - held.keys():
            mine = IMPOSITION.c.site == self._records.site, IMPOSITION.c.cap == cap
            self._connection.execute(delete(IMPOSITION).where(*mine, IMPOSITION.c.call == call))
        new = [
            {"cap": cap, "call": call, "at": held[cap, call]} for cap, call in held.keys() - self._reserved
        ]
        self._records.upsert(self._connection, IMPOSITION, new)

    def write(self, change: Change) -> None:
        """Add a change to the pending writes; a later change of a call or caller replaces an earlier one."""
        if change.replacement:
            self._replace(change.replacement)
        before = None
        if change.entry:
            call = change.entry.finding.call.id
            before = self._row_before(call)
            if before and before.finding.handovers:
                self._handed_over.add(call)
            for key in [key for key in self._new[HANDOVER] if isinstance(key, tuple) and key[0] == call]:
                del self._new[HANDOVER][key]
            self._new[CALL][call] = call_rows.call_values(change.entry)
            for one in call_rows.handover_values(change.entry):
                self._new[HANDOVER][call, one["nth"]] = one
            self._entries[call] = Stored(None, 0, change.entry)
        if not change.past:
            self._told += of_change(change, before, self._ends_told(change))
        if change.audit_entry is None:
            self._tallies.update(change.tallies)
        else:
            self._lines.setdefault(change.audit_entry, change.tallies)

    def _ends_told(self, change: Change) -> Millis:
        new = change.replacement
        return self._records.ends_told(self._connection, new_blocks(change), new.at) if new else 0

    def _row_before(self, call: CallId) -> Entry | None:
        """Return the call's entry before this change; None if it cannot be read, and is overwritten."""
        if call not in self._entries:
            self.look([(None, call)])
        held = self._entries[call]
        if isinstance(held, Stored):
            return held.entry
        self._handed_over.add(call)  # it may have had some
        return None

    @property
    def changed(self) -> bool:
        """Whether a standing has changed."""
        return UNPUBLISHED in self._new

    def finish(self) -> None:
        """Write everything that is pending."""
        anew = list(self._handed_over)
        for first in range(0, len(anew), IN):
            calls = HANDOVER.c.call.in_(anew[first : first + IN])
            mine = HANDOVER.c.site == self._records.site, calls
            self._connection.execute(delete(HANDOVER).where(*mine))
        for table, values in self._new.items():
            self._records.upsert(self._connection, table, list(values.values()))
        self._records.announced(self._connection, self._told)
        self._keep_caps()
        self._note()
        self._count()

    def _replace(self, new: Replacement) -> None:
        caller, version = new.record.caller, new.version + 1
        for part in caller_rows.PARTS:
            gone, fresh = part.changes(new.before, new.record)
            waiting = self._new[part.table]
            for key in gone:
                waiting.pop((caller, key), None)
            if gone:
                mine = part.table.c.site == self._records.site, part.table.c.caller == caller
                self._connection.execute(delete(part.table).where(*mine, part.table.c[part.key].in_(gone)))
            waiting.update({(caller, row[part.key]): row for row in fresh})
        held = new.held
        if self._standings.get(caller, NOBODY) != held:
            self._new[UNPUBLISHED][caller] = {"caller": caller, "version": version}
        self._standings[caller] = held
        self._known[caller] = Stored(new.record, version, None)
        self._new[CALLER][caller] = caller_rows.caller_values(new.record, version, held, new.expires)

    def _note(self) -> None:
        """Write the new lines of the audit trail, and count the tallies that belong to them."""
        lines = {rows.digest(line): line for line in self._lines}
        for row in self._records.among(self._connection, AUDIT, "digest", lines):
            del lines[row.digest]
        if lines:
            new = [{"site": self._records.site, **rows.audit_values(line)} for line in lines.values()]
            self._connection.execute(insert(AUDIT), new)
        for line in lines.values():
            self._tallies.update(self._lines[line])

    def _count(self) -> None:
        if self._tallies:
            self._records.count(self._connection, self._tallies)


def _sound(found: Stored | StoreBrokenError) -> Stored:
    if isinstance(found, StoreBrokenError):
        raise found
    return found
