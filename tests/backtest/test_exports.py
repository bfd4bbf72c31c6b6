"""Files in many export formats: each is read correctly, or rejected in one line with the remedy."""

import bz2
import contextlib
import csv
import gzip
import io
import json
import lzma
import re
import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, Literal
from zoneinfo import ZoneInfo

import pytest
from typer.testing import CliRunner

from siaga112.backtest import files as past_files
from siaga112.backtest.columns import Clock
from siaga112.backtest.history import History
from siaga112.backtest.reading import FileReport, Site
from siaga112.backtest.store import PastStore
from siaga112.cli.program import app
from siaga112.core.outcome import ClassifierRules
from siaga112.core.regulation import PolicyRules
from siaga112.core.rules import Dialplan
from siaga112.errors import SiagaError
from tests.backtest.recorded import FOLDER

CASES: Final = Path(__file__).parents[1] / "cases"
SITE: Final = Site(
    Dialplan(frozenset({"dari-luar"}), frozenset({"menu-rekaan"}), queues=frozenset({"antre"})),
    ClassifierRules(),
    PolicyRules(),
)


def read(path: Path, zone: str = "Asia/Jakarta") -> tuple[FileReport, History]:
    """Read a file of the made-up centre."""
    return past_files.read(path, SITE, Clock(ZoneInfo(zone)), frozenset(), lambda _rows, _bytes: None)


def outcomes(history: History) -> dict[str, str]:
    """Return the outcome of each call."""
    return {str(call): str(past.finding.outcome) for call, past in history.calls.items()}


def refused(path: Path) -> str:
    """Return the message that rejects a file."""
    with pytest.raises(SiagaError) as error:
        read(path)
    assert "\n" not in str(error.value)
    return str(error.value).removeprefix(f"{path}: ")


# ── the right values ─────────────────────────────────────────────────────────────────────────────

VALUES: Final = {
    "cdr-text-disposition.csv": 5,
    "cdr-numeric-disposition.csv": 5,
    "cdr-table-order-header.csv": 3,
    "cdr-table-order-no-header.csv": 3,
    "queue_log-table.csv": 1,
    "cel-psql-output.txt": 1,
}


@pytest.mark.parametrize(("name", "calls"), VALUES.items())
def test_right_values(name: str, calls: int) -> None:
    """Each of these files has this many calls, all answered, and no bad row."""
    report, history = read(CASES / name)
    assert report.bad == 0
    assert list(outcomes(history).values()) == ["answered"] * calls
    assert report.notes == []


def test_numbers_for_dispositions_say_the_same() -> None:
    """A disposition as a number means the same as the word."""
    numbers, words = (read(CASES / f"cdr-{form}-disposition.csv")[1] for form in ("numeric", "text"))
    assert outcomes(numbers) == outcomes(words)


def test_days_first_are_refused() -> None:
    """An ambiguous order of day and month is rejected, never guessed."""
    said = refused(CASES / "cdr-day-first.csv")
    assert said.startswith(
        "no row could be read; the first, line 2: no time that can be read without guessing"
    )
    assert '"09/10/2025 15:53:20"' in said
    assert "YYYY-MM-DD" in said


def test_times_that_are_all_hours_off_are_said() -> None:
    """A table in GMT at a centre in another zone is detected by its uniqueids, and the remedy is named."""
    report, history = read(CASES / "gmt-cdr.csv")
    (note,) = report.notes
    assert note.startswith("all times are 7 h behind their uniqueids: the file's times are UTC")
    assert "SIAGA112_TIMEZONE=UTC" in note
    assert set(outcomes(history).values()) == {"unknown"}
    assert read(CASES / "gmt-cdr.csv", "UTC")[0].notes == []


# ── one call of each kind, in every form ─────────────────────────────────────────────────────────

CEL: Final = (
    *("eventtype", "eventtime", "cid_num", "exten", "context", "channame", "appname", "appdata", "uniqueid"),
    *("linkedid", "peer", "extra"),
)
UID: Final = "1760000000.1"
MENU: Final = [
    ["CHAN_START", "1760000000.000", "081377770003", "112", "dari-luar", "PJSIP/luar-1", "", "", UID, UID,
     "", ""],
    ["APP_START", "1760000000.200", "081377770003", "s", "menu-rekaan", "PJSIP/luar-1", "BackGround", "sapa",
     UID, UID, "", ""],
    ["APP_END", "1760000009.000", "081377770003", "s", "menu-rekaan", "PJSIP/luar-1", "BackGround", "sapa",
     UID, UID, "", ""],
    ["HANGUP", "1760000009.001", "081377770003", "s", "menu-rekaan", "PJSIP/luar-1", "", "", UID, UID, "",
     '{"hangupcause": 16, "hangupsource": "PJSIP/luar-1", "dialstatus": ""}'],
]  # fmt: skip
TABLE: Final = [list(CEL), *MENU]


def separated(table: Sequence[Sequence[str]], delimiter: str, *, quoted: bool = True, end: str = "\n") -> str:
    """Return a table as CSV."""
    text = io.StringIO()
    quoting: Literal[0, 1] = 1 if quoted else 0  # csv.QUOTE_ALL, csv.QUOTE_MINIMAL
    csv.writer(text, delimiter=delimiter, quoting=quoting, lineterminator=end).writerows(table)
    return text.getvalue()


def bare(table: Sequence[Sequence[str]], delimiter: str, nothing: str = "") -> str:
    """Return a table without quotes."""
    return "".join(delimiter.join(cell or nothing for cell in row) + "\n" for row in table)


def drawn(table: Sequence[Sequence[str]], *, border: bool) -> str:
    """Return a table as psql prints it, or with mysql's border."""
    widths = [max(len(row[n]) for row in table) for n in range(len(table[0]))]
    rule = "+".join("-" * (width + 2) for width in widths)
    rows = ["|".join(f" {cell:<{width}} " for cell, width in zip(row, widths, strict=True)) for row in table]
    if border:
        rule, rows = f"+{rule}+", [f"|{row}|" for row in rows]
        return "\n".join(
            (rule, rows[0], rule, *rows[1:], rule, f"{len(rows) - 1} rows in set (0.00 sec)", "")
        )
    return "\n".join((rows[0], rule, *rows[1:], f"({len(rows) - 1} rows)", ""))


FORMS: Final[dict[str, bytes]] = {
    "CSV": separated(TABLE, ",").encode(),
    "semicolons": separated(TABLE, ";").encode(),
    "tabs": separated(TABLE, "\t", quoted=False).encode(),
    "CRLF and a BOM": b"\xef\xbb\xbf" + separated(TABLE, ",", end="\r\n").encode(),
    "names in capitals": separated([[name.upper() for name in CEL], *MENU], ",").encode(),
    "names with their table": separated([[f"`cel`.`{name}`" for name in CEL], *MENU], ",").encode(),
    "other columns among them": separated([["id", *row, "x"] for row in TABLE], ",").encode(),
    "other order": separated([row[::-1] for row in TABLE], ",").encode(),
    "a spreadsheet's first line": b"sep=;\n" + separated(TABLE, ";").encode(),
    "mysql --batch": bare(TABLE, "\t", "NULL").encode(),
    "SELECT … INTO OUTFILE": bare(TABLE, "\t", "\\N").encode(),
    "mysql": drawn(TABLE, border=True).encode(),
    "psql": drawn(TABLE, border=False).encode(),
    "psql, a word before": ("Timing is on.\n" + drawn(TABLE, border=False) + "Time: 1.2 ms\n").encode(),
    "psql -A": (bare(TABLE, "|") + "(4 rows)\n").encode(),
    "backslashes before quotes": separated(TABLE, ",").replace('""hang', '\\"hang').replace(
        '""', '\\"').replace(',\\",', ',"",').replace(',\\",', ',"",').encode(),
    "joined from two": (separated(TABLE[:3], ",") + separated([TABLE[0], *TABLE[3:]], ",")).encode(),
    "UTF-16": separated(TABLE, ",").encode("utf-16"),
    "UTF-16 without its mark": separated(TABLE, ",").encode("utf-16-le"),
    "gz": gzip.compress(separated(TABLE, ",").encode()),
    "xz": lzma.compress(separated(TABLE, ",").encode()),
    "bz2": bz2.compress(separated(TABLE, ",").encode()),
    "a Windows code page": separated([*TABLE, [*MENU[0][:5], "PJSIP/café-2", *MENU[0][6:8], "1760000000.2",
                                               "1760000000.2", "", ""]], ",").encode("cp1252"),
    "events of one's own": separated([*TABLE[:2], ["SALAM", *MENU[1][1:]], *TABLE[2:]], ",").encode(),
    "events of Asterisk 11": separated(
        [*TABLE[:2], ["BRIDGE_UPDATE", *MENU[0][1:]], *TABLE[2:]], ",").encode(),
    "events as numbers": separated(
        [TABLE[0], *([{"CHAN_START": "1", "APP_START": "5", "APP_END": "6", "HANGUP": "3"}[row[0]], *row[1:]]
                     for row in MENU)], ",").encode(),
    "local times": separated(
        [TABLE[0], *([row[0], f"2025-10-09 15:53:{20 + int(row[1][8:10]):02d}{row[1][10:]}", *row[2:]]
                     for row in MENU)], ",").encode(),
    "times with an offset": separated(
        [TABLE[0], *([row[0], f"2025-10-09T08:53:{20 + int(row[1][8:10]):02d}{row[1][10:]}+00", *row[2:]]
                     for row in MENU)], ",").encode(),
}  # fmt: skip


@pytest.mark.parametrize("written", FORMS.values(), ids=list(FORMS))
def test_the_same_call_in_every_form(tmp_path: Path, written: bytes) -> None:
    """The same call has the same outcome in every export format, without a bad row."""
    (tmp_path / "cel").write_bytes(written)
    report, history = read(tmp_path / "cel")
    assert (report.bad, report.shown) == (0, [])
    assert outcomes(history)[UID] == "ivr_prank"


def test_lines_are_those_of_the_file(tmp_path: Path) -> None:
    """The deciding rows have their line numbers in the file, counting the header."""
    (tmp_path / "cel").write_bytes(FORMS["psql, a word before"])
    _, history = read(tmp_path / "cel")
    (past,) = history.calls.values()
    assert past.lines == (6, 7)
    assert past.file == str(tmp_path / "cel")


def test_a_connection_of_asterisk_11_is_one(tmp_path: Path) -> None:
    """`BRIDGE_START` with a peer counts as BRIDGE_ENTER of later versions."""
    talk = [
        ["BRIDGE_START", *MENU[1][1:10], "PJSIP/meja-2", ""],
        ["BRIDGE_END", *MENU[2][1:10], "PJSIP/meja-2", ""],
    ]
    (tmp_path / "cel").write_text(separated([TABLE[0], MENU[0], *talk, MENU[3]], ","))
    report, history = read(tmp_path / "cel")
    assert report.bad == 0
    assert outcomes(history) == {UID: "answered"}


LOG: Final = """\
2022-05-02 18:49:47.1234|1651492180.7|antre|NONE|ENTERQUEUE||081377770012|1
2022-05-02 18:49:57.5|1651492180.7|antre|PJSIP/meja1|CONNECT|10|1651492181.8|9
"""
LOGS: Final = {
    "text for times": LOG,
    "a table without header": "".join(
        f"{n},{line.replace('|', ',')},,\n" for n, line in enumerate(LOG.splitlines(), 1)),
    "a column for all data": "id\ttime\tcallid\tqueuename\tagent\tevent\tdata\n"
    "1\t2022-05-02 18:49:47\t1651492180.7\tantre\tNONE\tENTERQUEUE\t|081377770012|1\n"
    "2\t2022-05-02 18:49:57\t1651492180.7\tantre\tPJSIP/meja1\tCONNECT\t10|1651492181.8|9\n",
}  # fmt: skip


@pytest.mark.parametrize("written", LOGS.values(), ids=list(LOGS))
def test_queue_logs_of_databases(tmp_path: Path, written: str) -> None:
    """A queue_log with times as text, or from a database table, is read with the caller's number."""
    (tmp_path / "log").write_text(written)
    report, history = read(tmp_path / "log")
    assert report.bad == 0
    (past,) = history.calls.values()
    assert (str(past.finding.outcome), past.finding.call.caller) == ("answered", "+6281377770012")
    assert report.notes == []


# ── what cannot be read ──────────────────────────────────────────────────────────────────────────


def database(path: Path) -> bytes:
    """Return the bytes of an SQLite database."""
    with contextlib.closing(sqlite3.connect(path)) as made:
        made.execute("CREATE TABLE cdr (src)")
    return path.read_bytes()


CUT: Final = gzip.compress(separated([TABLE[0], *MENU * 2000], ",").encode(), compresslevel=0)[:40_000]
NAMED: Final[dict[str, tuple[Callable[[Path], bytes], str]]] = {
    "nothing": (lambda _: b"", "is empty"),
    "blanks": (lambda _: b" \n\r\n", "is empty"),
    "a zip": (lambda _: b"PK\x03\x04....", "a zip or a spreadsheet; unpack it, or export it as CSV"),
    "zstd": (lambda _: b"\x28\xb5\x2f\xfd....", "zstd -d"),
    "a database": (database, "an SQLite database; export its table"),
    "binary": (lambda _: bytes(range(256)) * 9, "is binary"),
    "SQL": (lambda _: b"-- MySQL dump 10.13\n", "an SQL dump; export the table as CSV"),
    "JSON": (lambda _: b'[{"src": "1"}]', "JSON; export the table as CSV"),
    "psql, expanded": (lambda _: b"-[ RECORD 1 ]---\n", r"export it again with \x off"),
    "a gz that is cut off": (lambda _: CUT, "cut off or damaged after line "),
    "a gz of nothing": (lambda _: b"\x1f\x8b\x08", "damaged at its beginning"),
    "columns missing": (
        lambda _: b"calldate,src,channel,dstchannel,duration,disposition\n",
        "looks like CDR, but its header line lacks dcontext, lastapp, lastdata",
    ),
    "no end": (
        lambda _: b"calldate,src,dcontext,channel,dstchannel,lastapp,lastdata,disposition\n",
        "lacks duration/end",
    ),
    "a line without end": (lambda _: b"1" * 200_000, "line 1 has no end within 131,072 characters"),
    "uniqueids that are none": (
        lambda _: separated([TABLE[0], *([*row[:8], "7", *row[9:]] for row in MENU)], ",").encode(),
        'no row could be read; the first, line 2: no uniqueid or linkedid: "7"',
    ),
    "events of nobody": (
        lambda _: separated([TABLE[0], *(["?", *row[1:]] for row in MENU)], ",").encode(),
        'no row could be read; the first, line 2: no CEL event: "?"',
    ),
}


@pytest.mark.parametrize(("make", "words"), NAMED.values(), ids=list(NAMED))
def test_what_cannot_be_read_is_named(tmp_path: Path, make: Callable[[Path], bytes], words: str) -> None:
    """An unreadable file is rejected in one line that says what it is, or what it lacks."""
    path = tmp_path / "file"
    path.write_bytes(make(path))
    assert words in refused(path)


def test_a_packed_capture_is_the_same(tmp_path: Path) -> None:
    """A gzip capture gives the same calls, with the lines of their deciding messages."""
    capture = FOLDER / "22" / "calls.ami"
    (tmp_path / "calls.ami.gz").write_bytes(gzip.compress(capture.read_bytes()))
    packed, plain = read(tmp_path / "calls.ami.gz")[1], read(capture)[1]
    assert outcomes(packed) == outcomes(plain)
    text = capture.read_bytes().split(b"\n")
    for call, past in plain.calls.items():
        for line in past.lines:
            message = b"\n".join(text[line - 1 :]).partition(b"\r\n\r\n")[0]
            assert b"Uniqueid: " + call.encode() in message


def test_a_device_is_no_file() -> None:
    """An endless device is rejected."""
    assert "is a device" in refused(Path("/dev/zero"))


CDR: Final = (CASES / "cdr-text-disposition.csv").read_text("utf-8").splitlines()


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        ("ANSWERED", "GREETED", 'no disposition: "GREETED"'),
        ("1760000000.0", "x", 'no uniqueid: "x"'),
        ('"95"', '"²"', 'neither an end nor a duration: "²"'),
    ],
)
def test_a_misread_row_is_a_bad_row(tmp_path: Path, old: str, new: str, why: str) -> None:
    """An invalid value makes a row bad: it is shown with its line and counts as no call."""
    (tmp_path / "cdr").write_text("\n".join((CDR[0], CDR[1].replace(old, new), CDR[2])), "utf-8")
    report, history = read(tmp_path / "cdr")
    assert [(bad.line, bad.why) for bad in report.shown] == [(2, why)]
    assert list(outcomes(history)) == ["1760000600.1"]


# ── the store, and the list of calls ─────────────────────────────────────────────────────────────


def test_a_store_holds_what_memory_holds() -> None:
    """Calls in the temporary database equal those in memory, as far as a back-test reads them."""
    stored, plain = PastStore(), History()
    for name in VALUES:
        for past in read(CASES / name)[1].calls.values():
            stored.add(past)
            plain.add(past)
    # A second file of the same calls, and doubted calls.
    for past in list(plain.in_order())[:3]:
        stored.add(past)
        plain.add(past)
    late = list(plain.calls)[:2]
    stored.doubt(late)
    plain.doubt(late)

    def shown(history: History) -> list[object]:
        return [
            (p.finding.call.id, p.finding.call.started, p.finding.call.ended, p.finding.call.caller,
             p.finding.call.identified, p.finding.call.complete, p.finding.outcome, p.finding.reason,
             p.finding.stages.talk, p.finding.mark, p.source, p.unproven, p.surge, p.lines, p.file)
            for p in history.in_order()
        ]  # fmt: skip

    assert shown(stored) == shown(plain)
    assert (stored.outcomes(), stored.unproven()) == (plain.outcomes(), plain.unproven())
    assert (len(stored), stored.nobody(), stored.marked()) == (len(plain), plain.nobody(), plain.marked())


def listed(*arguments: str) -> str:
    """Return the output of `backtest --calls` for the made-up centre."""
    config = str(CASES / "conf-invented.toml")
    ended = CliRunner().invoke(app, ["--config", config, "backtest", *arguments, "--calls"])
    assert ended.exit_code == 0, ended.output
    return ended.stdout


def test_each_call_is_listed_with_its_lines() -> None:
    """`--calls` prints each call's outcome, and the file and lines that decided it."""
    path = str(CASES / "cdr-table-order-header.csv")
    first, *_ = told = json.loads(listed(path, "--reveal", "--json"))
    assert len(told) == 3
    assert first == {
        "call": "1760000000.0",
        "started": "2025-10-09T15:53:20.000+07:00",
        "caller": "+6281377770011",
        "outcome": "answered",
        "reason": "operator",
        "file": path,
        "lines": [4],
        "because": None,
    }
    assert "+6281377770011" not in listed(path)
    assert re.search(rf" 4 +{re.escape(path)} ", listed(path))
    assert json.loads(listed(path, "--json", "--outcome", "ivr_prank")) == []
