"""The screen of `siaga112 top`, at every width, without a terminal."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from rich.console import Console

from siaga112.core.model import (
    DAY,
    SECOND,
    Caller,
    CallInProgress,
    Entry,
    Fact,
    FactKind,
    Mark,
    Mode,
    OperatorNow,
    OperatorState,
    Outcome,
    Stage,
)
from siaga112.errors import Said
from siaga112.top.rows import as_row
from siaga112.top.view import view
from siaga112.top.watching import Day, Endpoint, Frame, Verdicts, Vitals
from siaga112.words import Language, tongue
from tests.remains import remains
from tests.samples import CALLER, NOW, SNAPSHOT, answered, call_id, entry, prank

WIDTHS = (30, 40, 63, 64, 80, 109, 110, 140, 200)
URL = "http://127.0.0.1:9112/metrics"
VITALS = Vitals(
    started=NOW - 2 * 3_600 * SECOND,
    redis_up=True,
    ami_connected=True,
    last_event=NOW - 2 * SECOND,
    outbox=0,
    verdicts={},
    fail_open={},
)


def screened(row: Entry, detail: str) -> Entry:
    """Return the row of a call with this verdict."""
    facts = row.finding.call.facts
    call = replace(
        row.finding.call, facts=(facts[0], Fact(facts[0].at, FactKind.SCREENED, detail), *facts[1:])
    )
    return replace(row, finding=replace(row.finding, call=call))


ROWS = [
    screened(entry(prank(2, NOW - 60 * SECOND)), "ALLOW not_blocked"),
    screened(entry(answered(1, NOW - 90 * SECOND)), "ALLOW allow_listed"),
]
FRAME = Frame(
    at=NOW + 400,
    site="lab",
    zone=ZoneInfo("Asia/Jakarta"),
    answer_within=10 * SECOND,
    store_problem="",
    mode=Mode.ENFORCE,
    snapshot=SNAPSHOT,
    day=Day(NOW - DAY // 2, {Outcome.ANSWERED: 12, Outcome.IVR_PRANK: 345}, {Mark.GENUINE: 4, None: 8}),
    ended=ROWS,
    tracking=Endpoint(URL, VITALS),
    screening=None,
    verdicts=Verdicts(0.0018, 34, 60 * SECOND),
    fail_open={},
)
LONG = replace(
    FRAME,
    site="a-site-with-a-name-that-is-long",
    snapshot=replace(
        SNAPSHOT,
        calls=(replace(SNAPSHOT.calls[0], queue="emergency" * 9, screened="ALLOW " + "x" * 90),),
        queues={"emergency" * 9: (1_234, NOW - DAY)},
    ),
    fail_open={"deadline": 12_345, "store_down": 12_345, "internal_error": 12_345},
)
AWAY = replace(
    FRAME,
    store_problem="Redis: Connection refused",
    mode=None,
    snapshot=None,
    day=None,
    ended=(),
    tracking=Endpoint(URL, None, "connection refused"),
)
BUSY = replace(
    FRAME,
    snapshot=replace(
        SNAPSHOT,
        calls=tuple(
            CallInProgress(call_id(n), CALLER, NOW - n * SECOND, Stage.QUEUE, NOW - n * SECOND, "siaga112")
            for n in range(100)
        ),
        stages={Stage.QUEUE: 120},
    ),
    ended=[entry(prank(n, NOW - n * SECOND)) for n in range(50)],
)


MANY = replace(
    BUSY,
    snapshot=replace(
        SNAPSHOT,
        calls=tuple(replace(SNAPSHOT.calls[1], call=call_id(n), operator="Siti " * 20) for n in range(30)),
        stages={Stage.TALKING: 30},
        operators={OperatorState.PAUSED: 120},
        logged_in=tuple(
            OperatorNow(f"Budi {n} " + "x" * 72, OperatorState.PAUSED, "lunch " * 13, NOW - n * DAY)
            for n in range(100)
        ),
    ),
)


def drawn(
    frame: Frame,
    width: int = 80,
    height: int | None = None,
    *,
    reveal: bool = False,
    lang: Language = Language.EN,
) -> list[str]:
    """Return the lines of a frame, without trailing space."""
    console = Console(width=width, height=height or 100, color_system=None, legacy_windows=False)
    with console.capture() as captured:
        console.print(view(frame, width, height, reveal=reveal, t=tongue(lang)))
    return [line.rstrip() for line in captured.get().splitlines()]


def line_of(lines: Sequence[str], word: str) -> str:
    """Return the first line with this word."""
    return next(line for line in lines if word in line)


@pytest.mark.parametrize("lang", Language)
@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize(
    "frame", [FRAME, AWAY, BUSY, LONG, MANY], ids=["well", "away", "busy", "long", "many"]
)
def test_no_line_is_wider_than_the_terminal(frame: Frame, width: int, lang: Language) -> None:
    """No line is wider than the terminal, whatever is shown and however narrow it is."""
    assert max(map(len, drawn(frame, width, lang=lang))) <= width


@pytest.mark.parametrize("width", [40, 80, 120])
@pytest.mark.parametrize("height", [12, 20, 24, 30, 60])
@pytest.mark.parametrize("frame", [FRAME, BUSY, MANY], ids=["all well", "busy", "many"])
def test_the_screen_fits_its_height(frame: Frame, width: int, height: int) -> None:
    """The screen fits its height; entries of a list that do not fit are counted."""
    lines = drawn(frame, width, height)
    assert len(lines) <= height
    assert "last verdicts" in "".join(lines)
    if frame is BUSY:
        assert "calls in progress: 120" in "".join(lines)
        listed = sum(line.startswith("queue ") and "*" in line for line in lines)
        assert f"and {120 - listed} more" in "".join(lines)


@pytest.mark.parametrize("width", [40, 80, 120])
def test_at_every_width_the_essentials_are_there(width: int) -> None:
    """Every width shows who waits, the operators, the day, the verdicts and whether all is well."""
    lines = drawn(FRAME, width)
    text = "\n".join(lines)
    waits = line_of(lines, "+62812*****111")
    assert waits.split()[:2] == ["queue", "0:42"]
    assert "siaga112   1 waiting, longest 0:42" in text
    assert "1 available, 1 busy, 1 paused" in text
    assert "a caller waited 42 s" in text
    assert "IVR-prank" in text
    assert "345" in text
    assert "1.8 ms, 34 in 1:00" in text
    assert "ok, last event 0:02 ago" in text


@pytest.mark.parametrize("width", [40, 80, 120])
def test_operators_are_listed_by_name(width: int) -> None:
    """Each operator is listed with state, duration and reason; one who talks is named at the call too."""
    lines = drawn(FRAME, width)
    assert line_of(lines, "Budi Santoso").split()[2:4] == ["paused", "12:30"]
    assert "sholat" in line_of(lines, "Budi Santoso")
    assert line_of(lines, "Siti Rahma   ").split()[2:4] == ["busy", "2:10"]
    assert line_of(lines, "PJSIP/103").split()[1:3] == ["available", "-"], "since when is not known"
    if width > 40:
        began = f"{datetime.fromtimestamp(NOW // SECOND - 750, FRAME.zone):%H:%M:%S}"
        assert began in line_of(lines, "Budi Santoso")
        assert "Siti Rahma" in line_of(lines, "talking ")


def test_operators_that_do_not_fit_are_a_number() -> None:
    """Operators who do not fit are counted, and none is listed where the calls need the space."""
    for height in (24, 30, 60):
        lines = drawn(MANY, 80, height)
        listed = sum(line.startswith("Budi ") for line in lines)
        assert listed > 0
        assert f"and {120 - listed} more" in lines
    assert sum(line.startswith("Budi ") for line in drawn(MANY, 80)) == 100
    assert "and 20 more" in drawn(MANY, 80)
    assert "Budi" not in "".join(drawn(MANY, 80, 12))


def test_without_names_operators_are_counted_all_the_same() -> None:
    """Without names (an older daemon, or no queue of ours) operators are counted, but not listed."""
    for operators in (SNAPSHOT.operators, {}, None):
        lines = drawn(replace(FRAME, snapshot=replace(SNAPSHOT, operators=operators, logged_in=())))
        assert not [line for line in lines if line.startswith("operators ─")]
        assert [line for line in lines if line.startswith("operators  ")]


def test_the_operators_as_an_object() -> None:
    """`--json` has the operators under stable names, with null for what is not known."""
    row: dict[str, Any] = as_row(FRAME, reveal=False)
    assert row["operators"] == {"available": 1, "busy": 1, "paused": 1}
    budi, siti, third = row["logged_in"]
    assert (budi["operator"], budi["state"], budi["reason"]) == ("Budi Santoso", "paused", "sholat")
    assert budi["state_seconds"] == 750
    assert (siti["operator"], siti["reason"]) == ("Siti Rahma", None)
    assert third == {
        "operator": "PJSIP/103",
        "state": "available",
        "since": None,
        "state_seconds": None,
        "reason": None,
    }
    assert [call["operator"] for call in row["calls"]] == [None, "Siti Rahma", None]
    assert as_row(AWAY, reveal=False)["logged_in"] is None


def test_a_wide_terminal_shows_what_a_narrow_one_leaves_out() -> None:
    """A wide terminal also shows call ids and reasons; a narrow one keeps what matters."""
    narrow, wide = "\n".join(drawn(FRAME, 40)), "\n".join(drawn(FRAME, 140))
    for word in (call_id(7), "not_blocked", "left_menu"):
        assert word in wide
        assert word not in narrow
    for word in ("talking", "withheld", "answered"):
        assert word in wide
        assert word in narrow


@pytest.mark.parametrize("width", [40, 80, 120])
def test_numbers_are_masked_unless_revealed(width: int) -> None:
    """A number is shown in full only on request, on the screen and in JSON."""
    assert CALLER not in "\n".join(drawn(FRAME, width))
    assert CALLER in "\n".join(drawn(FRAME, width, reveal=True))
    assert CALLER not in repr(as_row(FRAME, reveal=False))
    assert CALLER in repr(as_row(FRAME, reveal=True))


def test_a_hash_is_revealed_in_full() -> None:
    """Where callers are stored as hashes, the whole hash is revealed on request, as `why` needs it."""
    hashed = Caller("h:0123456789abcdef0123456789abcdef")
    snapshot = replace(SNAPSHOT, calls=(replace(SNAPSHOT.calls[0], caller=hashed),))
    frame = replace(FRAME, snapshot=snapshot, ended=())
    assert hashed not in "\n".join(drawn(frame))
    assert hashed in "\n".join(drawn(frame, reveal=True))


def test_the_days_figures_add_up() -> None:
    """Every outcome has its line, an answered call its mark or none, and the total is their sum."""
    lines = drawn(FRAME)
    assert line_of(lines, "answered").split()[:4] == ["answered", "12", "genuine", "4"]
    assert line_of(lines, "IVR-prank").split()[:4] == ["IVR-prank", "345", "prank", "0"]
    assert line_of(lines, "unmarked").split()[2:4] == ["unmarked", "8"]
    assert line_of(lines, "total").split()[:4] == ["unknown", "0", "total", "357"]


def test_the_newest_call_comes_first() -> None:
    """Calls in progress and ended ones are one list, the newest first, with each call once."""
    going = [call_id(7), call_id(9)]
    over = [row.finding.call.id for row in ROWS]
    lines = drawn(FRAME, 140)
    last = lines[next(n for n, line in enumerate(lines) if line.startswith("last verdicts")) :]
    order = [word for line in last for word in line.split() if word in {*going, *over}]
    assert order == [going[1], going[0], over[0], over[1]]
    ended = replace(FRAME, ended=[*ROWS, entry(replace(prank(7), id=going[0]))])
    assert Counter(" ".join(drawn(ended, 140)).split())[going[0]] == 2, "once in each list"


@pytest.mark.parametrize("width", [40, 80, 120])
def test_what_is_away_is_said_and_nothing_invented(width: int) -> None:
    """What cannot be reached has a line at the top, and no 0 stands for what is not known."""
    lines = drawn(AWAY, width, 30)
    text = " ".join(lines)
    assert lines[1].startswith("! Redis: Connection refused")
    assert "connection refused" in " ".join(lines[2:4])
    assert "store        not usable" in text
    assert "daemon       not reachable" in text
    assert "not known" in text
    assert "0 " not in " ".join(lines[1:]).replace("127.0.0.1", "")


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"snapshot": None}, "! no live data: no tracking daemon"),
        ({"snapshot": replace(SNAPSHOT, connected=False)}, "! no connection to the PBX"),
        ({"at": NOW + 3_600 * SECOND}, "! this machine's clock and the daemon's differ by 1:00:00"),
        (
            {"screening": Endpoint("http://h:9113/metrics", None, "no answer within 2 s")},
            "! screening http://h",
        ),
        ({"tracking": Endpoint(URL, replace(VITALS, redis_up=False))}, "! daemon cannot reach Redis"),
    ],
)
def test_what_is_wrong_stands_at_the_top(changed: dict[str, object], told: str) -> None:
    """Each fault has a line under the header, and there is none if all is well."""
    frame = replace(FRAME, **changed)  # type: ignore[arg-type] # any of its fields
    assert drawn(frame)[1].startswith(told)
    assert not drawn(FRAME)[1].startswith("!")


def test_verdicts_that_failed_open_are_told_by_cause() -> None:
    """Verdicts that failed open are counted by cause."""
    frame = replace(FRAME, fail_open={"store_down": 2, "deadline": 1})
    assert "fail-open    1 deadline, 2 store_down" in line_of(drawn(frame), "fail-open")


def test_control_characters_do_not_reach_the_terminal() -> None:
    """Control characters in names, queues, reasons and verdicts do not reach the terminal."""
    hostile = replace(
        SNAPSHOT.calls[0], queue="\x1b[2J", screened="ALLOW \x1b]0;owned\x07\r\n", operator="\x1b[1A\u202e"
    )
    someone = OperatorNow("[bold]\x1b[3J\r", OperatorState.PAUSED, "\x1b]0;owned\x07\n", NOW)
    snapshot = replace(
        SNAPSHOT, calls=(hostile,), queues={"\x1b[31m": (1, NOW)}, surge="\x07", logged_in=(someone,)
    )
    text = "\n".join(drawn(replace(FRAME, snapshot=snapshot, store_problem=""), 140))
    assert not [c for c in text if not c.isprintable() and c != "\n"]


def test_markup_in_the_text_is_only_text() -> None:
    """Square brackets in a queue's name are shown as they are, not read as markup."""
    snapshot = replace(SNAPSHOT, calls=(replace(SNAPSHOT.calls[0], queue="[bold]x[/]"),))
    assert "[bold]x[/]" in "\n".join(drawn(replace(FRAME, snapshot=snapshot), 140))


INDONESIAN = """
siaga112 lab menindak
panggilan berlangsung: 3 (1 menunggu, 1 berbicara, 1 menu)
tahap selama penelepon putusan petugas antrean umur panggilan
menunggu 0:42 +62812*****111 diteruskan tidak diblokir siaga112 0:50
antrean dan petugas
siaga112 1 menunggu, terlama 0:42
petugas 1 siap, 1 sibuk, 1 jeda
lonjakan 3 menunggu lebih dari 30 detik
hari ini
terjawab 12 laporan nyata 4
ditinggalkan 0 informasi 0
tidak terlayani 0 hening 0
prank IVR 345 prank 0
ditolak 0 belum ditandai 8
tidak diketahui 0 jumlah 357
petugas
Budi Santoso jeda 12:30
putusan terakhir
pukul penelepon putusan hasil panggilan
disembunyikan diteruskan nomor disembunyikan masih menu
+62812*****111 diteruskan tidak diblokir prank IVR meninggalkan menu
kesehatan
PBX baik, terakhir 0:02 lalu
data langsung 0,4 detik lalu
daemon berjalan 2:00:00
putusan p99 1,8 ms, 34 dalam 1:00
fail-open 2 penyimpanan terputus
"""


def test_the_screen_in_indonesian() -> None:
    """The Indonesian screen has the centre's words and whole figures, and no English."""
    snapshot = replace(SNAPSHOT, surge="3 callers waited over 30s")
    lines = drawn(replace(FRAME, snapshot=snapshot, fail_open={"store_down": 2}), 200, lang=Language.ID)
    text = " ".join(" ".join(lines).split())
    assert [line for line in INDONESIAN.strip().splitlines() if line not in text] == []
    assert "q keluar" in drawn(FRAME, 80, 30, lang=Language.ID)[0]
    away = " ".join(drawn(AWAY, 200, lang=Language.ID))
    assert "panggilan berlangsung ─" in away
    assert "tidak terjangkau" in away
    assert remains(text, ["Siti", "Budi", "lab"]) == []


PROBLEMS = {
    Said("no answer within {seconds} s", seconds="3"): "tidak ada jawaban dalam 3 detik",
    Said("Redis: {why}", why=Said("connection refused")): "Redis: sambungan ditolak",
    Said("database: {why}", why=Said("the disk is full")): "basis data: diska penuh",
}


@pytest.mark.parametrize("problem", PROBLEMS)
def test_what_is_wrong_is_said_in_indonesian(problem: Said) -> None:
    """Faults of the store and a daemon are shown in Indonesian, and stay as they are in JSON."""
    endpoint = replace(FRAME.tracking, vitals=None, problem=problem)
    away = replace(FRAME, store_problem=problem, tracking=endpoint, mode=None, day=None, ended=())
    lines = drawn(away, 200, lang=Language.ID)
    told = [line.strip() for line in lines if line.startswith("! ")]
    assert told == [f"! {PROBLEMS[problem]}", f"! daemon {URL}: {PROBLEMS[problem]}"]
    row: Any = as_row(away, reveal=False)
    assert row["store"]["problem"] == problem


@pytest.mark.parametrize("width", WIDTHS)
def test_long_words_leave_the_figures_whole(width: int) -> None:
    """At any width names of outcomes may be cut, but never their counts."""
    outcomes = dict.fromkeys(Outcome, 123_456)
    day = Day(NOW - DAY, outcomes, dict.fromkeys((*Mark, None), 23_456))
    shown = " ".join(drawn(replace(FRAME, day=day), width, lang=Language.ID))
    assert shown.count("123456") == len(Outcome)
    assert str(123_456 * len(Outcome)) in shown
