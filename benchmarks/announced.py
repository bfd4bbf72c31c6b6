"""What the events for programs, and the indexes of the console's lists, add to the cost of recording a call.

The same calls are recorded in turns: as it is; also with the events of a call in progress; without any row of
`event`; and without the indexes of outcome, mark and operator either, which the console's lists use. The
switches are in this module, not in the product.
"""

import asyncio
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import redirect_stderr
from pathlib import Path
from typing import Final

from sqlalchemy import Connection

from benchmarks import growth
from benchmarks.book import Book
from siaga112 import logs
from siaga112.adapters.database.connect import connect
from siaga112.adapters.database.records import DatabaseRecords
from siaga112.adapters.database.schema import CALL
from siaga112.adapters.database.versions import bring
from siaga112.app.metrics import open_metrics
from siaga112.app.records import DATABASE, now
from siaga112.core.announcements import Announcement, EventType
from siaga112.core.model import Caller, Entry
from siaga112.core.rules import InForce
from siaga112.service.recording import BATCH, Recorder
from siaga112.settings.schema import Settings

LISTED: Final = ("outcome", "mark", "operator")
"""Columns whose indexes the console's lists use."""


class _Silent(DatabaseRecords):
    """Records that announce nothing."""

    def announced(self, connection: Connection, told: Iterable[Announcement]) -> None:
        """Write no row."""


class _Bare(_Silent):
    """Records that announce nothing, without the indexes of the console's lists."""

    async def strip(self) -> None:
        """Drop the indexes that the lists use."""

        def act(connection: Connection) -> None:
            for index in CALL.indexes:
                if any(column.name in LISTED for column in index.columns):
                    connection.exec_driver_sql(f"DROP INDEX {index.name}")

        await self.act(act)


KINDS: Final = {"as_is": DatabaseRecords, "live": DatabaseRecords, "silent": _Silent, "bare": _Bare}
GOING_ON: Final = (EventType.CALL_STARTED, EventType.CALL_QUEUED, EventType.CALL_ANSWERED)
"""The events of a call before it ends."""


def measure(book: Book, *, quick: bool, say: Callable[[str], None]) -> None:
    """Record in turns, in another order each round, because other load affects all of them."""
    asyncio.run(_measured(book, 3 if quick else 15, 500 if quick else 2_000, say))


async def _measured(book: Book, rounds: int, calls: int, say: Callable[[str], None]) -> None:
    settings = Settings()
    rules = InForce(settings.rules())
    with (
        Path("/dev/null").open("w") as nowhere,  # noqa: ASYNC230 - no disk
        redirect_stderr(nowhere),
        tempfile.TemporaryDirectory() as home,
    ):
        logs.configure()  # log lines are written, as in production, but not read
        recorders, opened = {}, {}
        for kind, made in KINDS.items():
            folder = Path(home) / kind
            folder.mkdir()
            records = opened[kind] = made(connect(f"sqlite:///{folder / DATABASE}"), "bench", bring)
            if isinstance(records, _Bare):
                await records.strip()
            recorders[kind] = Recorder(None, records, rules, open_metrics(settings, rules), now)  # type: ignore[arg-type] # it is handed its calls
        entry = growth.recorded_entry(settings)
        for round_ in range(rounds):
            order = [*KINDS][round_ % len(KINDS) :] + [*KINDS][: round_ % len(KINDS)]
            for kind in order:
                told = opened[kind] if kind == "live" else None
                batches, used = [*_calls(entry, round_, calls)], time.process_time()
                took = await _recorded(recorders[kind], told, batches)
                book.add(f"announced.{kind}.rate", calls / took)
                book.add(f"announced.{kind}.cpu", (time.process_time() - used) / calls * 1e6)
            say(f"round {round_ + 1} of {rounds}")
        for records in opened.values():
            await records.close()


def _calls(entry: Entry, round_: int, calls: int) -> Iterator[list[Entry]]:
    for first in range(0, calls, BATCH):
        yield [
            growth.renamed(entry, now() - 60_000, f"{round_}{n:06}", Caller(f"+62811{round_:02}{n:06}"))
            for n in range(first, min(first + BATCH, calls))
        ]


async def _recorded(recorder: Recorder, told: DatabaseRecords | None, batches: list[list[Entry]]) -> float:
    """Record; with `told`, also write the events of each call in progress. Return the seconds."""
    began = time.perf_counter()
    for batch in batches:
        await recorder.record(batch)
        if told:
            calls = [one.finding.call for one in batch]
            await told.announce(
                [
                    Announcement(kind, call.started, call.id, call.caller)
                    for call in calls
                    for kind in GOING_ON
                ]
            )
    return time.perf_counter() - began
