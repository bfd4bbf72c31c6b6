"""CEL of single calls, as tables: what the rows prove, and what they do not."""

from collections.abc import Iterable
from typing import Final

import pytest

from siaga112.backtest import cel
from siaga112.backtest.cel import CelReader, CelRow, OutOfOrderError
from siaga112.backtest.history import Past, Unproven
from siaga112.core.model import SECOND
from siaga112.core.outcome import ClassifierRules
from siaga112.core.rules import Dialplan

DIALPLAN: Final = Dialplan(frozenset({"trunk"}), frozenset({"ivr"}), queues=frozenset({"112"}))
RULES: Final = ClassifierRules()
CALL: Final = "100.1"

BEGIN: Final = """\
0     CHAN_START 100.1 112@trunk
1     ANSWER     100.1 s@ivr Answer
1     APP_START  100.1 s@ivr BackGround
"""
LEFT_MENU: Final = f"""{BEGIN}
9     APP_END    100.1 s@ivr BackGround
9     HANGUP     100.1 s@ivr by=PJSIP/100.1
9     CHAN_END   100.1 s@ivr
"""
QUEUED: Final = f"""{BEGIN}
5     APP_END    100.1 s@ivr BackGround
5     APP_START  100.1 112@queues Queue
6     CHAN_START 100.2 s@phones linkedid=100.1
"""
ANSWERED: Final = f"""{QUEUED}
8     BRIDGE_ENTER 100.2 s@phones bridge=b linkedid=100.1
8     BRIDGE_ENTER 100.1 112@queues Queue bridge=b peer=PJSIP/100.2
30    BRIDGE_EXIT  100.1 112@queues Queue bridge=b peer=PJSIP/100.2
30    HANGUP       100.2 s@phones linkedid=100.1 by=PJSIP/100.1
30    APP_END      100.1 112@queues Queue
30    HANGUP       100.1 112@queues by=PJSIP/100.1 dial=ANSWER
"""
BACK_IN_MENU: Final = f"""{QUEUED}
15    HANGUP     100.2 s@phones linkedid=100.1
15    APP_END    100.1 112@queues Queue
15    APP_START  100.1 s@ivr BackGround
20    APP_END    100.1 s@ivr BackGround
20    HANGUP     100.1 s@ivr by=PJSIP/100.1 dial=NOANSWER
"""

TABLES: Final = {
    "left the menu": (LEFT_MENU, "ivr_prank left_menu", None),
    "left the menu; the extension h ran": (
        LEFT_MENU.replace("HANGUP     100.1 s@ivr", "HANGUP     100.1 h@ivr"), "ivr_prank left_menu", None,
    ),
    "left the menu at once": (
        LEFT_MENU.replace("\n9 ", "\n2 "), "abandoned dropped_early", None,
    ),
    "the PBX ended it": (
        LEFT_MENU.replace("by=PJSIP/100.1", "by=dialplan/builtin"), "unknown no_evidence", Unproven.PBX_ENDED,
    ),
    "nobody knows who ended it": (
        LEFT_MENU.replace("by=PJSIP/100.1", ""), "unknown no_evidence", Unproven.PBX_ENDED,
    ),
    "the menu's last row is of long before": (
        LEFT_MENU.replace("9     APP_END ", "7     APP_END "), "unknown no_evidence", Unproven.MENU_NOT_SHOWN,
    ),
    "the menu's last row is of another extension": (
        LEFT_MENU.replace("HANGUP     100.1 s@ivr", "HANGUP     100.1 1@ivr"),
        "unknown no_evidence", Unproven.MENU_NOT_SHOWN,
    ),
    "the menu is not recorded": (
        LEFT_MENU.replace("BackGround", ""), "unknown no_evidence", Unproven.MENU_NOT_SHOWN,
    ),
    "a phone had been rung": (
        LEFT_MENU.replace("by=PJSIP/100.1", "by=PJSIP/100.1 dial=CANCEL"),
        "unknown no_evidence", Unproven.WAITED,
    ),
    "connected with an older call": (
        LEFT_MENU.replace("s@ivr by=", "s@ivr linkedid=99.1 by="), "unknown no_evidence", Unproven.ELSEWHERE,
    ),
    "no beginning": (
        LEFT_MENU.replace("0     CHAN_START 100.1 112@trunk\n", ""),
        "unknown seen_in_part", Unproven.NO_BEGINNING,
    ),
    "no end": (LEFT_MENU[: LEFT_MENU.index("9     HANGUP")], "unknown events_lost", Unproven.NO_END),
    "answered": (ANSWERED, "answered operator", None),
    "answered; that the caller was connected is lost": (
        "\n".join(line for line in ANSWERED.splitlines() if "BRIDGE_ENTER 100.1" not in line),
        "unknown no_evidence", Unproven.WAITED,
    ),
    "answered in the moment in which the caller left": (
        ANSWERED.replace("\n8 ", "\n30 "), "unknown events_lost", Unproven.AS_IT_LEFT,
    ),
    "left the queue": (
        (f"{QUEUED}\n15 HANGUP 100.2 s@phones linkedid=100.1\n15 APP_END 100.1 112@queues Queue\n"
        "15 HANGUP 100.1 112@queues by=PJSIP/100.1 dial=CANCEL\n"), "abandoned left_queue", None,
    ),
    "from the queue back into the menu": (BACK_IN_MENU, "unknown no_evidence", Unproven.WAITED),
    "the same, and every row of the queue lost": (
        "\n".join(row for row in BACK_IN_MENU.splitlines() if "100.2" not in row and "Queue" not in row),
        "unknown no_evidence", Unproven.WAITED,
    ),
    "rang while arriving": (
        "0 CHAN_START 100.1 112@trunk\n8 HANGUP 100.1 112@trunk by=PJSIP/100.1\n",
        "abandoned before_menu", None,
    ),
    "nobody answered Dial()": (
        (f"{BEGIN}\n5 APP_START 100.1 s@serve Dial\n9 APP_END 100.1 s@serve Dial\n"
        "9.5 HANGUP 100.1 s@serve by=dialplan/builtin dial=NOANSWER\n"), "unserved no_answer", None,
    ),
    "in the hands of siaga112": (
        "0 CHAN_START 100.1 112@trunk\n8 HANGUP 100.1 s@siaga112-blocked by=PJSIP/100.1\n",
        "unknown no_evidence", Unproven.SCREENED,
    ),
}  # fmt: skip


def rows(table: str) -> list[CelRow]:
    """Parse a table: seconds, event, uniqueid, extension@context, optionally an application and more."""
    found = []
    for line in filter(str.strip, table.splitlines()):
        at, event, uid, place, *rest = line.split()
        more = dict(part.split("=") for part in rest if "=" in part)
        app = next((part for part in rest if "=" not in part), "")
        exten, _, context = place.partition("@")
        extra = ""
        if "bridge" in more:
            extra = f'{{"bridge_id":"{more["bridge"]}","bridge_technology":"simple_bridge"}}'
        elif event == "HANGUP":
            source, status = more.get("by", ""), more.get("dial", "")
            extra = f'{{"hangupcause":16,"hangupsource":"{source}","dialstatus":"{status}"}}'
        found.append(
            CelRow(
                100_000 + round(float(at) * 1000) + 7, event, uid, more.get("linkedid", uid), f"PJSIP/{uid}",
                context, exten, app, "112" if app == "Queue" else "", "081234567890", more.get("peer", ""),
                extra,
            )
        )  # fmt: skip
    return found


def read(table: Iterable[CelRow], dialplan: Dialplan = DIALPLAN) -> tuple[list[Past], CelReader]:
    """Run rows through a reader."""
    reader = CelReader(dialplan, RULES)
    settled = [one for row in table for one in reader.feed(row)]
    return [past for one in (*settled, *reader.close()) for past in reader.judge(one)], reader


@pytest.mark.parametrize(("table", "outcome", "unproven"), TABLES.values(), ids=list(TABLES))
def test_one_call(table: str, outcome: str, unproven: Unproven | None) -> None:
    """The call has the outcome in the table, and the reason if it is unknown."""
    (past,), _ = read(rows(table))
    assert f"{past.finding.outcome} {past.finding.reason}" == outcome
    assert past.unproven == unproven


def test_talk_is_the_time_in_the_bridge() -> None:
    """Talk time runs from the operator's entry into the bridge to the first exit."""
    (past,), _ = read(rows(ANSWERED))
    assert past.finding.stages.talk == 22 * SECOND


@pytest.mark.parametrize(
    ("end", "unproven"),
    [(2, None), (3, Unproven.TOO_CLOSE), (4, None)],
)
def test_whole_seconds_leave_a_second_open(end: int, unproven: Unproven | None) -> None:
    """With times in whole seconds, a drop within a second of `early_drop` is unknown."""
    table = [
        row._replace(at=row.at // SECOND * SECOND) for row in rows(LEFT_MENU.replace("\n9 ", f"\n{end} "))
    ]
    (past,), _ = read(table)
    assert past.unproven == unproven


@pytest.mark.parametrize("data", ["AppDial", "AppDial2", "AppQueue"])
def test_what_the_pbx_calls_itself_is_no_incoming_call(data: str) -> None:
    """A channel that the PBX itself created on the trunk is not an incoming call."""
    made = [row._replace(app=data, data="(Outgoing Line)") for row in rows(LEFT_MENU)]
    found, reader = read(made)
    assert not found
    assert reader.others == 1


def test_calls_to_other_numbers_are_passed_over() -> None:
    """With `numbers` configured, a call to another number on the same trunk is not ours."""
    other = Dialplan(DIALPLAN.trunk_contexts, DIALPLAN.ivr_contexts, frozenset({"119"}))
    found, reader = read(rows(LEFT_MENU), other)
    assert not found
    assert reader.others == 1


def test_a_call_is_released_soon_after_its_end() -> None:
    """Of 3,000 consecutive calls, only a few are in memory at a time."""
    reader = CelReader(DIALPLAN, RULES)
    found = most = 0
    for n in range(3_000):
        for row in rows(LEFT_MENU):
            call = f"{n}.1"
            later = row._replace(
                at=row.at + n * 10 * SECOND, uid=call, linkedid=call, channel=f"PJSIP/{call}"
            )
            found += len(list(reader.feed(later)))
            most = max(most, len(reader._open))
    assert found >= 2_990
    assert most <= 5


def test_the_number_of_open_calls_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Calls without an end are given up, as unknown, when there are too many."""
    monkeypatch.setattr(cel, "MAX_OPEN", 50)
    reader = CelReader(DIALPLAN, RULES)
    beginning = rows(BEGIN)[0]
    found: list[Past] = []
    for n in range(500):
        for settled in reader.feed(beginning._replace(uid=f"{n}.1", linkedid=f"{n}.1")):
            found += reader.judge(settled)
        assert len(reader._open) <= 51
    assert {past.unproven for past in found} == {Unproven.NO_END}


def test_a_row_that_comes_too_late_puts_its_call_in_doubt() -> None:
    """A row older than the tolerance is ignored, and its call is unknown."""
    later = rows(LEFT_MENU)[0]._replace(at=10**9, uid="9.9", linkedid="9.9")
    _, reader = read([*rows(LEFT_MENU), later, rows(ANSWERED)[7]])
    assert CALL in reader.doubted


def test_a_file_in_no_order_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """A file in which the rows of too many calls come too late is rejected as unsorted."""
    monkeypatch.setattr(cel, "MAX_DOUBTED", 10)
    reader = CelReader(DIALPLAN, RULES)
    backwards = [rows(BEGIN)[0]._replace(at=10**9 - n * 60_000, uid=f"{n}.1") for n in range(20)]
    with pytest.raises(OutOfOrderError):
        [one for row in backwards for one in reader.feed(row)]


def test_a_call_with_too_many_rows_is_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    """A call with more rows than are kept is unknown."""
    monkeypatch.setattr(cel, "MAX_ROWS", 6)
    stream = rows(LEFT_MENU)
    (past,), _ = read([*stream, stream[-1]])
    assert past.unproven is Unproven.TOO_MANY_ROWS
