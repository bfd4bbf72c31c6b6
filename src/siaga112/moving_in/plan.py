"""What would come of a list: each number once, and each line that is left out with why.

It is kept in a temporary database of SQLite, in a file without a name that its user alone can read: a list of
a million numbers takes no more memory than one of ten.
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
"""Of what stands where a number should be so much is kept."""

NO_TERM: Final = (
    "line {line}: the file does not say how long, so say it: --for DURATION or --permanent "
    "(for those of which it does not)"
)


class LeftOut(NamedTuple):
    """A line that is left out. `first`: in which line the number stands, of a duplicate; else 0."""

    line: int
    number: str
    why: Refusal
    first: int


class Plan:
    """The lines of one list."""

    def __init__(self, services: Collection[Caller] = ()) -> None:
        """Plan; none of `services`, the numbers in a service number's range, is to be blocked."""
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
        """Take a line.

        Raises:
            UsageError: if neither the line nor the person says how long.

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
        """Leave out the numbers that are to be left out by what is held on their callers."""
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
        """Give the numbers that are to be brought in, each time in the same order."""
        after = ""
        while page := self._page(after):
            yield from page
            after = page[-1].caller

    def count(self) -> int:
        """Say how many those are."""
        return int(self._database.execute("SELECT count(*) FROM wanted").fetchone()[0])

    def terms(self) -> Counter[str]:
        """Count them by how long: `permanent`, `temporary`."""
        asked = "SELECT until IS NULL, count(*) FROM wanted GROUP BY 1"
        found = self._database.execute(asked).fetchall()
        return Counter({"permanent" if lasting else "temporary": count for lasting, count in found})

    def lines_left_out(self) -> Iterator[LeftOut]:
        """Give the lines that are left out, in their order."""
        asked = "SELECT line, number, why, first FROM left_out ORDER BY line, rowid"
        for line, number, why, first in self._database.execute(asked):
            yield LeftOut(line, number, Refusal(why), first)
