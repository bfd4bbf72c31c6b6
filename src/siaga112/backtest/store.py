"""Stores what does not fit into memory in temporary SQLite databases.

SQLite creates the file when its cache is full, in SQLITE_TMPDIR, TMPDIR or /var/tmp. Only its user can read
it, and it has no name, so nothing of it remains however the command ends.
"""

import sqlite3
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import groupby
from operator import itemgetter
from sys import intern
from typing import Any, Final

from siaga112.backtest.history import NOWHERE, History, Past, Source, Unproven
from siaga112.backtest.spool import Values
from siaga112.core.model import (
    Call,
    Caller,
    CallId,
    Fact,
    FactKind,
    Finding,
    Mark,
    Outcome,
    Reason,
    Stages,
)

BATCH: Final = 500
CACHE_KIB: Final = 8_192
"""The cache of each database."""

_OUTCOMES: Final = tuple(Outcome)
_REASONS: Final = tuple(Reason)
_MARKS: Final = (None, *Mark)
_SOURCES: Final = tuple(Source)
_UNPROVEN: Final = (None, *Unproven)
_TORN: Final = (None, FactKind.ADOPTED, FactKind.GAP)

Row = tuple[Any, ...]
"""A call as a row of the database: numbers and texts."""

_COLUMNS: Final = (
    "id, started, ended, caller, identified, outcome, reason, wait, talk, mark, surge, source, unproven, "
    "torn, file, lines, trunk, attested"
)


def _database() -> sqlite3.Connection:
    database = sqlite3.connect("", isolation_level=None)
    database.execute("PRAGMA journal_mode = OFF")
    database.execute("PRAGMA synchronous = OFF")
    database.execute("PRAGMA temp_store = FILE")
    database.execute(f"PRAGMA cache_size = -{CACHE_KIB}")
    database.execute("BEGIN")
    return database


class TableSpool:
    """Stores rows in a temporary database, and yields them sorted by key."""

    def __init__(self) -> None:
        self._database = _database()
        self._insert = ""
        self._waiting: list[Values] = []

    def add(self, key: str, values: Values) -> None:
        """Add a row to the group of its key."""
        self._waiting.append((key, *values))
        if len(self._waiting) >= BATCH:
            self._write()

    def _write(self) -> None:
        if not self._waiting:
            return
        if not self._insert:
            columns = ", ".join(f"c{n}" for n in range(len(self._waiting[0])))
            self._database.execute(f"CREATE TABLE held ({columns})")
            marks = ", ".join("?" * len(self._waiting[0]))
            self._insert = f"INSERT INTO held VALUES ({marks})"  # noqa: S608 - only marks
        self._database.executemany(self._insert, self._waiting)
        self._waiting.clear()

    def groups(self) -> Iterator[tuple[str, list[Values]]]:
        """Yield each group once, with its rows in the order in which they were added."""
        self._write()
        if not self._insert:
            return
        rows = self._database.execute("SELECT * FROM held ORDER BY c0, rowid")
        for key, group in groupby(rows, itemgetter(0)):
            yield key, [row[1:] for row in group]
        self._database.close()


class PastStore(History):
    """The past calls in a temporary database; `calls` has only those not written yet."""

    def __init__(self) -> None:
        super().__init__()
        self._files: list[str] = []
        self._database = _database()
        self._database.execute(f"CREATE TABLE calls ({_COLUMNS.replace('id,', 'id TEXT PRIMARY KEY,', 1)})")

    def add(self, past: Past) -> None:
        """Add a call, or merge another file's evidence on it."""
        if past.finding.call.id in self.calls:
            self._write()
        self.calls[past.finding.call.id] = past
        if len(self.calls) >= BATCH:
            self._write()

    def _write(self) -> None:
        for held in self._find(list(self.calls)):
            call = held.finding.call.id
            self._put(_merged(held, self.calls.pop(call)))
        self._put(*self.calls.values())
        self.calls.clear()

    def _find(self, calls: list[CallId]) -> list[Past]:
        marks = ", ".join("?" * len(calls))
        found = self._database.execute(
            f"SELECT {_COLUMNS} FROM calls WHERE id IN ({marks})",  # noqa: S608 - marks alone
            calls,
        )
        return [self.past(row) for row in found.fetchall()]

    def _put(self, *calls: Past) -> None:
        marks = ", ".join("?" * (_COLUMNS.count(",") + 1))
        self._database.executemany(
            f"INSERT OR REPLACE INTO calls ({_COLUMNS}) VALUES ({marks})",  # noqa: S608 - marks alone
            map(self._row, calls),
        )

    def _take(self, calls: Iterable[CallId]) -> Iterable[Past]:
        """Remove these calls; return those that were present."""
        self._write()
        taken = [held for call in calls for held in self._find([call])]
        self._database.executemany(
            "DELETE FROM calls WHERE id = ?", [(held.finding.call.id,) for held in taken]
        )
        return taken

    def doubt(self, calls: Iterable[CallId]) -> None:
        """Set calls to unknown because rows of them came too late."""
        self._write()
        for call in calls:
            for held in self._find([call]):
                told = History({call: held})
                told.doubt([call])
                self._put(told.calls[call])

    def in_order(self) -> Iterator[Past]:
        """Yield the calls in the order of their begin."""
        self._write()
        for row in self._database.execute(f"SELECT {_COLUMNS} FROM calls ORDER BY started, id"):  # noqa: S608 - our own names
            yield self.past(row)

    def rows(self) -> Iterator[list[Row]]:
        """Yield the calls as batches of rows, in the order of their begin, without the deciding lines.

        `past` turns a row into a call, also in a process that does not have the database.
        """
        self._write()
        columns = _COLUMNS.replace(" lines,", " '',")
        found = self._database.execute(f"SELECT {columns} FROM calls ORDER BY started, id")  # noqa: S608 - our own names
        return iter(lambda: found.fetchmany(BATCH), [])

    def outcomes(self) -> Counter[Outcome]:
        """Count the calls by outcome."""
        return Counter({_OUTCOMES[code]: count for code, count in self._counted("outcome")})

    def unproven(self) -> Counter[Unproven]:
        """Count the calls without a proven outcome, by reason."""
        told = ((_UNPROVEN[code], count) for code, count in self._counted("unproven"))
        return Counter({why: count for why, count in told if why})

    def nobody(self) -> int:
        """Count the calls without a caller who could be blocked."""
        return sum(count for missing, count in self._counted("caller IS NULL") if missing)

    def marked(self) -> bool:
        """Return whether any call has an operator's mark."""
        return any(code for code, _ in self._counted("mark"))

    def __len__(self) -> int:
        return sum(count for _, count in self._counted("source"))

    def _counted(self, what: str) -> list[tuple[int, int]]:
        self._write()
        return self._database.execute(f"SELECT {what}, count(*) FROM calls GROUP BY 1").fetchall()  # noqa: S608 - as above

    def _row(self, past: Past) -> Row:
        finding = past.finding
        call = finding.call
        torn = call.first(FactKind.ADOPTED, FactKind.GAP)
        if not self._files or self._files[-1] != past.file:
            self._files.append(past.file)
        return (
            *(call.id, call.started, call.ended, call.caller, call.identified),
            *(_OUTCOMES.index(finding.outcome), _REASONS.index(finding.reason)),
            *(finding.stages.wait, finding.stages.talk),
            *(_MARKS.index(finding.mark), past.surge, _SOURCES.index(past.source)),
            *(_UNPROVEN.index(past.unproven), _TORN.index(torn.kind if torn else None)),
            *(len(self._files) - 1, ",".join(map(str, past.lines)), call.trunk, call.attested),
        )

    def past(self, row: Row) -> Past:
        """Return the call of a row."""
        call, started, ended, caller, identified, outcome, reason, wait, talk, mark, surge, *rest = row
        source, unproven, torn, file, lines, trunk, attested = rest
        kind = _TORN[torn]
        began, gone = Fact(started, FactKind.ARRIVED), Fact(ended, FactKind.ENDED)
        facts = (began, Fact(started, kind), gone) if kind else (began, gone)
        return Past(
            Finding(
                Call(
                    CallId(call),
                    "",
                    None if caller is None else Caller(intern(caller)),
                    bool(identified),
                    facts,
                    intern(trunk),  # strikes keep the trunk: share one text
                    bool(attested),
                ),
                _OUTCOMES[outcome],
                _REASONS[reason],
                (),
                NOWHERE if wait is talk is None else Stages(wait=wait, talk=talk),
                mark=_MARKS[mark],
            ),
            _SOURCES[source],
            _UNPROVEN[unproven],
            bool(surge),
            tuple(map(int, lines.split(","))) if lines else (),
            self._files[file],
        )


def _merged(held: Past, other: Past) -> Past:
    told = History({held.finding.call.id: held})
    told.add(other)
    return told.calls[held.finding.call.id]
