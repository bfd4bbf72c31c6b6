"""The plan of an import: each number once, and each omitted line with the reason.

A temporary SQLite database holds it, in an unnamed file that only its user can read: a list of a million
numbers takes no more memory than one of ten.
"""

import sqlite3
from collections import Counter
from collections.abc import Collection, Iterator
from typing import Final, NamedTuple, Self

from siaga112.core.caller_id import NumberPlan, typed
from siaga112.core.importing import Kind, Refusal, Wanted
from siaga112.core.model import Caller
from siaga112.errors import UsageError
from siaga112.moving_in.listed import Listed, Term
from siaga112.service.importing import LOOK, Importer

CACHE_KIB: Final = 8_192
SHOWN: Final = 50
"""Longer numbers of omitted lines are cut."""

NO_TERM: Final = (
    "line {line}: the file does not say how long, so say it: --for DURATION or --permanent "
    "(for those of which it does not)"
)


class LeftOut(NamedTuple):
    """An omitted line. `first`: for a duplicate, the line that has the number first; else 0."""

    line: int
    number: str
    why: Refusal
    first: int


class Plan:
    """The plan of one list."""

    def __init__(self, services: Collection[Caller] = ()) -> None:
        """Start an empty plan. `services`: numbers in the range of a service number, never blocked."""
        self._services = services
        self._database = sqlite3.connect("", isolation_level=None)
        for pragma in ("journal_mode = OFF", "synchronous = OFF", "temp_store = FILE"):
            self._database.execute(f"PRAGMA {pragma}")
        self._database.execute(f"PRAGMA cache_size = -{CACHE_KIB}")
        self._database.execute("BEGIN")
        self._database.execute(
            "CREATE TABLE wanted (caller TEXT PRIMARY KEY, line INT, until INT, reason TEXT) WITHOUT ROWID"
        )
        self._database.execute("CREATE TABLE left_out (line INT, number TEXT, why TEXT, first INT)")
        self.left_out: Counter[Refusal] = Counter()
        self.lines = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._database.close()

    def take(self, listed: Listed, plan: NumberPlan, kind: Kind, default: Term | None) -> None:
        """Add a line. `default`: the term of a block if the line states none.

        Raises:
            UsageError: if a block has neither.

        """
        self.lines += 1
        if listed.refusal:
            self._leave_out(listed.line, listed.number, listed.refusal)
            return
        caller = typed(listed.number, plan)
        if caller is None:
            self._leave_out(listed.line, listed.number, Refusal.NOT_A_CALLER)
            return
        if kind is Kind.BLOCK and caller in self._services:
            self._leave_out(listed.line, listed.number, Refusal.SERVICE)
            return
        term = listed.term or default
        if kind is Kind.BLOCK and term is None:
            raise UsageError(NO_TERM.format(line=listed.line))
        until = term.until if term and kind is Kind.BLOCK else None
        insert = "INSERT INTO wanted VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING"
        if self._database.execute(insert, (caller, listed.line, until, listed.reason)).rowcount == 0:
            found = self._database.execute("SELECT line FROM wanted WHERE caller = ?", (caller,)).fetchone()
            self._leave_out(listed.line, listed.number, Refusal.DUPLICATE, found[0])

    def _leave_out(self, line: int, number: str, why: Refusal, first: int = 0) -> None:
        self.left_out[why] += 1
        values = (line, number[:SHOWN], why.value, first)
        self._database.execute("INSERT INTO left_out VALUES (?, ?, ?, ?)", values)

    async def judge(self, importer: Importer) -> None:
        """Omit the numbers that the callers' records rule out."""
        after = ""
        while page := self._page(after):
            after = page[-1].caller
            for wanted, why in zip(page, await importer.judge(page), strict=True):
                if why:
                    self._leave_out(wanted.line, wanted.caller, why)
                    self._database.execute("DELETE FROM wanted WHERE caller = ?", (wanted.caller,))

    def _page(self, after: str) -> list[Wanted]:
        asked = "SELECT line, caller, until, reason FROM wanted WHERE caller > ? ORDER BY caller LIMIT ?"
        rows = self._database.execute(asked, (after, LOOK)).fetchall()
        return [Wanted(line, Caller(caller), until, reason) for line, caller, until, reason in rows]

    def numbers(self) -> Iterator[Wanted]:
        """Yield the numbers to import, always in the same order."""
        after = ""
        while page := self._page(after):
            yield from page
            after = page[-1].caller

    def count(self) -> int:
        """Return how many numbers are to be imported."""
        return int(self._database.execute("SELECT count(*) FROM wanted").fetchone()[0])

    def terms(self) -> Counter[str]:
        """Count the numbers by term: `permanent`, `temporary`."""
        asked = "SELECT until IS NULL, count(*) FROM wanted GROUP BY 1"
        found = self._database.execute(asked).fetchall()
        return Counter({"permanent" if lasting else "temporary": count for lasting, count in found})

    def lines_left_out(self) -> Iterator[LeftOut]:
        """Yield the omitted lines in the order of the file."""
        asked = "SELECT line, number, why, first FROM left_out ORDER BY line, rowid"
        for line, number, why, first in self._database.execute(asked):
            yield LeftOut(line, number, Refusal(why), first)
