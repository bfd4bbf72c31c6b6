"""Reads the site's own ledger as past calls, to try another policy on what was recorded."""

from typing import Final

from siaga112.backtest.history import History, Past, Source, Unproven, slim
from siaga112.backtest.reading import FileReport
from siaga112.core.model import Entry, Millis, Outcome, Spared
from siaga112.service.ports import Ledger

NAME: Final = "the ledger"

_NOTE: Final = (
    "a surge is known of calls that the policy of their time counted; whom operators called back, "
    "the ledger does not tell"
)


async def read(ledger: Ledger, since: Millis, until: Millis, history: History) -> FileReport:
    """Read the calls that started from `since` to before `until` into `history`."""
    report = FileReport(NAME, Source.LEDGER, notes=[_NOTE])
    async for entry in ledger.entries(since, until):
        report.rows += 1
        report.calls += 1
        history.add(of_ledger(entry))
    return report


def of_ledger(entry: Entry) -> Past:
    """Return the past call of an entry of the ledger."""
    finding = entry.finding
    unproven = Unproven.LIVE if finding.outcome is Outcome.UNKNOWN else None
    spared = entry.spared in {Spared.SURGE, Spared.CLOCK}
    return Past(slim(finding), Source.LEDGER, unproven, spared, (), NAME)
