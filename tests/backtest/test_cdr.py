"""CDR of single calls: what one row proves, and what two files together prove."""

from dataclasses import replace
from typing import Final

import pytest

from siaga112.backtest.cdr import CdrReader, CdrRow
from siaga112.backtest.history import History, Past, Source, Unproven
from siaga112.core.model import Caller, Outcome
from siaga112.core.outcome import ClassifierRules
from siaga112.core.rules import Dialplan
from tests.backtest.test_cel import ANSWERED, LEFT_MENU, rows
from tests.backtest.test_cel import read as read_cel

DIALPLAN: Final = Dialplan(frozenset({"trunk"}), frozenset({"ivr"}), queues=frozenset({"112"}))
UID: Final = "1795552527.1"
MENU: Final = CdrRow(
    start=1_795_552_527_000,
    end=1_795_552_537_000,
    uid=UID,
    channel="PJSIP/trunk-1",
    other="",
    source="081234567890",
    context="ivr",
    app="BackGround",
    data="menu",
    answered=True,
)
QUEUE: Final = MENU._replace(context="queues", app="Queue", data="112,t", other="PJSIP/101-2")

ROWS: Final = {
    "left the menu": ([MENU], "ivr_prank left_menu", None),
    "left the menu at once": (
        [MENU._replace(end=MENU.start + 1_000)],
        "abandoned dropped_early",
        None,
    ),
    "left about when early_drop ends": (
        [MENU._replace(end=MENU.start + 3_000)],
        "unknown no_evidence",
        Unproven.TOO_CLOSE,
    ),
    "the menu ended it": ([MENU._replace(app="Hangup")], "unknown no_evidence", Unproven.CDR_NOT_WHERE),
    "the menu never answered": (
        [MENU._replace(answered=False)],
        "unknown no_evidence",
        Unproven.CDR_NOT_WHERE,
    ),
    "a system name before the uniqueid": (
        [MENU._replace(uid=f"pbx-1-{UID}")],
        "ivr_prank left_menu",
        None,
    ),
    "no uniqueid": ([MENU._replace(uid="")], "unknown no_evidence", Unproven.NO_UNIQUEID),
    "the row begins later than the call": (
        [MENU._replace(uid="1795552500.1")],
        "unknown no_evidence",
        Unproven.CDR_IN_PARTS,
    ),
    "answered": ([QUEUE], "answered operator", None),
    "answered, then back in the menu": ([QUEUE, MENU], "answered operator", None),
    "not answered": ([QUEUE._replace(answered=False)], "unknown no_evidence", Unproven.WAITED),
    "not answered, then back in the menu": (
        [QUEUE._replace(answered=False), MENU._replace(start=MENU.end, end=MENU.end + 9_000)],
        "unknown no_evidence",
        Unproven.WAITED,
    ),
    "two rows of the menu": ([MENU, MENU], "unknown no_evidence", Unproven.CDR_IN_PARTS),
}


def read(table: list[CdrRow]) -> list[Past]:
    """Run rows through a reader."""
    reader = CdrReader(DIALPLAN, ClassifierRules())
    for row in table:
        reader.feed(row)
    return list(reader.close())


@pytest.mark.parametrize(("table", "outcome", "unproven"), ROWS.values(), ids=list(ROWS))
def test_one_call(table: list[CdrRow], outcome: str, unproven: Unproven | None) -> None:
    """The call has the outcome in the table, whatever the order of its rows."""
    for order in (table, table[::-1]):
        (past,) = read(order)
        assert f"{past.finding.outcome} {past.finding.reason}" == outcome
        assert past.unproven == unproven


def test_calls_of_other_channels_are_passed_over() -> None:
    """A call is ours only if its endpoint also leads to our menu or queue."""
    office = MENU._replace(uid="1795552527.9", channel="PJSIP/office-9", context="office")
    inside = MENU._replace(uid="1795552527.8", channel="PJSIP/trunk-8", context="elsewhere", app="Playback")
    assert {str(past.finding.call.id) for past in read([MENU, office, inside])} == {UID, "1795552527.8"}


def one(table: str) -> Past:
    """Return the call of a CEL table."""
    (past,), _ = read_cel(rows(table))
    return past


def cdr(row: CdrRow) -> Past:
    """Return the call of a CDR row, with the id of the CEL tables."""
    (past,) = read([row])
    call = replace(past.finding.call, id=one(LEFT_MENU).finding.call.id)
    return replace(past, finding=replace(past.finding, call=call))


PAIRS: Final = {
    "the answer stands": (one(ANSWERED), cdr(MENU), Outcome.ANSWERED),
    "silence gives way to a prank": (one(LEFT_MENU.replace("BackGround", "")), cdr(MENU), Outcome.IVR_PRANK),
    "what speaks against it does not": (
        one(LEFT_MENU.replace("by=PJSIP/100.1", "by=PJSIP/100.1 dial=CANCEL")),
        cdr(MENU),
        Outcome.UNKNOWN,
    ),
    "both say so": (one(LEFT_MENU), cdr(MENU), Outcome.IVR_PRANK),
    "two that do not know": (
        one(LEFT_MENU.replace("BackGround", "")),
        cdr(MENU._replace(app="Hangup")),
        Outcome.UNKNOWN,
    ),
    "a capture is believed": (
        replace(one(LEFT_MENU), source=Source.CAPTURE),
        cdr(QUEUE),
        Outcome.IVR_PRANK,
    ),
}


@pytest.mark.parametrize(("first", "second", "outcome"), PAIRS.values(), ids=list(PAIRS))
def test_two_files_of_one_call(first: Past, second: Past, outcome: Outcome) -> None:
    """Positive evidence wins, doubt beats a prank, and the order of the files does not matter."""
    for order in ((first, second), (second, first)):
        history = History()
        for past in order:
            history.add(past)
        (held,) = history.calls.values()
        assert held.finding.outcome is outcome
        assert held.finding.call.caller == Caller("+6281234567890")


def test_doubt_takes_back() -> None:
    """A call with rows that came too late is unknown."""
    history = History()
    history.add(one(LEFT_MENU))
    history.doubt([one(LEFT_MENU).finding.call.id])
    (held,) = history.calls.values()
    assert (held.finding.outcome, held.unproven) == (Outcome.UNKNOWN, Unproven.OUT_OF_ORDER)
