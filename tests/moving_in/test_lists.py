"""Lists of other systems are recognised by content; other files are rejected in one line."""

import gzip
import hashlib
import json
import lzma
from collections.abc import Sequence
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo

import pytest

from siaga112.core.caller_id import INDONESIA, NumberPlan
from siaga112.core.importing import Kind, Refusal
from siaga112.core.model import DAY, HOUR, SECOND, Caller, Millis
from siaga112.errors import SiagaError, UsageError
from siaga112.moving_in import objects
from siaga112.moving_in.listed import Format, Listed, Reading, Recognised, Term, number
from siaga112.moving_in.plan import Plan
from siaga112.moving_in.reading import opened
from tests.samples import NOW

LISTS: Final = Path(__file__).parents[1] / "golden" / "lists"
ZONE: Final = ZoneInfo("Asia/Jakarta")
FOR_GOOD: Final = Term(None)
END: Final = Term(4_099_770_000_000)  # 2099-12-01T08:00+07:00
OVER: Final = Term(1_793_581_200_000)  # 2026-11-02T08:00+07:00
LEFT: Final = Term(NOW + 3 * HOUR + 59 * 60 * SECOND + 12_500)


def read(
    path: Path, kind: Kind = Kind.BLOCK, wanted: Format | None = None, column: str = "", now: Millis = NOW
) -> tuple[list[Listed], list[Recognised], str]:
    """Read a list; return its lines, the recognised format, and its digest."""
    found: list[Recognised] = []
    with opened(path, Reading(kind, now, ZONE, column, found.append), wanted) as listed:
        return list(listed.lines), found, listed.digest


def refused(path: Path, wanted: Format | None = None, kind: Kind = Kind.BLOCK) -> str:
    """Read a file that is not a list; return the error."""
    with pytest.raises(SiagaError) as told:
        read(path, kind, wanted)
    assert "\n" not in str(told.value)
    return str(told.value)


def written(folder: Path, text: str | bytes) -> Path:
    """Write a list to a file."""
    path = folder / "list"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


READ: Final[dict[str, tuple[Kind, Format, Sequence[Listed]]]] = {
    "freepbx.txt": (
        Kind.BLOCK,
        Format.ASTERISK,
        [
            Listed(1, "+6281234567893", "teror"),
            Listed(2, "081234567890"),
            Listed(3, "081234567891", "prank, tiap malam"),
            Listed(4, "112"),
            Listed(5, "blacklist/blocked", refusal=Refusal.NOT_A_NUMBER),
            Listed(6, "blacklist/dest", refusal=Refusal.NOT_A_NUMBER),
        ],
    ),
    "freepbx.csv": (
        Kind.BLOCK,
        Format.CSV,
        [
            Listed(2, "081234567890"),
            Listed(3, "081234567891", "prank, tiap malam"),
            Listed(4, "dest", "app-blackhole,hangup,1"),
        ],
    ),
    "without-head.csv": (
        Kind.ALLOW,
        Format.CSV,
        [Listed(1, "081234567890", "Pak Budi"), Listed(2, "81234567891", "Bu Siti")],
    ),
    "fusionpbx.csv": (
        Kind.BLOCK,
        Format.FUSIONPBX,
        [
            Listed(2, "+6281234567890", "calls every night"),
            Listed(3, "+6281234567891"),
            Listed(4, "+6281234567892", "no calls out", refusal=Refusal.NOT_IN_FORCE),
            Listed(5, "+6281234567893", "Off", refusal=Refusal.NOT_IN_FORCE),
        ],
    ),
    "crowdsec.json": (
        Kind.BLOCK,
        Format.CROWDSEC,
        [
            Listed(2, "+6281234567890", "prank calls", LEFT),
            Listed(2, "192.0.2.7", refusal=Refusal.NOT_A_NUMBER),
            Listed(2, "081234567891", "prank calls", Term(NOW - 301 * SECOND)),
            Listed(7, "081234567892", "odd calls", Term(NOW + DAY), Refusal.NOT_IN_FORCE),
        ],
    ),
    "crowdsec.csv": (
        Kind.BLOCK,
        Format.CROWDSEC,
        [
            Listed(2, "+6281234567890", "prank calls", Term(LEFT.until and LEFT.until - 500)),
            Listed(3, "192.0.2.7", refusal=Refusal.NOT_A_NUMBER),
        ],
    ),
    "siaga112-blocks.json": (
        Kind.BLOCK,
        Format.SIAGA112,
        [
            Listed(2, "+6281234567890", "threats", FOR_GOOD),
            Listed(3, "+6281234567891", "6 misuses, more than 5 (permenkominfo-2016)", END),
            Listed(4, "+6281234567892", "threats", FOR_GOOD, Refusal.NOT_IN_FORCE),
            Listed(5, "+6281234567893", "threats", OVER),
        ],
    ),
    "siaga112-allowed.json": (Kind.ALLOW, Format.SIAGA112, [Listed(2, "+62254201234", "clinic")]),
}


def test_there_is_a_sample_of_every_format() -> None:
    """Each file of tests/golden/lists is tested here, and each format has one."""
    assert {path.name for path in LISTS.iterdir()} == READ.keys()
    assert {form for _, form, _ in READ.values()} == set(Format)


@pytest.mark.parametrize("name", READ)
def test_a_list_is_recognised_and_read_line_by_line(name: str) -> None:
    """A list's format is recognised, and each line is read with its number, reason and term."""
    kind, form, lines = READ[name]
    found, told, digest = read(LISTS / name, kind)
    assert found == list(lines)
    assert [one.form for one in told] == [form]
    assert digest == hashlib.sha256((LISTS / name).read_bytes()).hexdigest()


@pytest.mark.parametrize("name", [name for name in READ if not name.endswith(".json")])
@pytest.mark.parametrize("how", ["utf-16", "utf-16-le", "utf-8-sig", "gzip", "xz", "\r\n", "\r"])
def test_how_a_list_is_written_makes_no_difference(name: str, how: str, tmp_path: Path) -> None:
    """Byte order mark, UTF-16, compression and line ends do not change the numbers."""
    kind, _, lines = READ[name]
    data = (LISTS / name).read_bytes().replace(b"\r\n", b"\n")
    match how:
        case "gzip":
            data = gzip.compress(data)
        case "xz":
            data = lzma.compress(data)
        case "\r\n" | "\r":
            data = data.replace(b"\n", how.encode())
        case _:
            data = data.decode().encode(how)
    assert read(written(tmp_path, data), kind)[0] == list(lines)


@pytest.mark.parametrize("name", [name for name in READ if name.endswith(".json")])
def test_json_may_stand_on_one_line_or_on_many(name: str, tmp_path: Path) -> None:
    """Compact, indented and line-by-line JSON give the same numbers, with the right line numbers."""
    kind, _, lines = READ[name]
    rows = json.loads((LISTS / name).read_bytes())
    plain = [(one.number, one.reason, one.term, one.refusal) for one in lines]
    for text in (
        json.dumps(rows, separators=(",", ":")),
        json.dumps(rows, indent=4),
        "\n".join(map(json.dumps, rows)),
    ):
        found, _, _ = read(written(tmp_path, text), kind)
        assert [(one.number, one.reason, one.term, one.refusal) for one in found] == plain
    long = json.dumps(rows * 3_000)
    assert len(read(written(tmp_path, long), kind)[0]) == 3_000 * len(lines)


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        (" 0812-3456 7890 ", "081234567890"),
        ('="081234567890"', "081234567890"),
        ("'081234567890", "081234567890"),
        ("(0254) 201-234", "0254201234"),
        ("0812.3456.7890", "081234567890"),
        ("81234567890.0", "81234567890"),
        ("tel:+62812", "+62812"),
        ("", ""),
        ("---", ""),
        ("6.28E+12", "6.28E+12"),
        ("192.0.2.7", "192.0.2.7"),
        ("0254201234/5", "0254201234/5"),
    ],
)
def test_a_number_is_what_was_meant_by_it(text: str, meant: str) -> None:
    """Quotes and separators that people and spreadsheets add are removed."""
    assert number(text) == meant


COLUMNS: Final = {
    "by name": ("name,caller,x\nBudi,081234567890,62811111111\n", ""),
    "in Indonesian": ("Nama;Nomor HP;Keterangan\nBudi;081234567890;prank\n", ""),
    "beside the number of the row": ("No,Nama,No HP\n1,Budi,081111111111\n2,Siti,081234567890\n", ""),
    "by looks": ("who\twhat\nBudi\t081234567890\n", ""),
    "as a person says": ("a,b\n1,0812 3456 7890\n081111111111,081234567890\n", "b"),
    "as a person counts": ("081111111111|081234567890\n", "2"),
}


@pytest.mark.parametrize("case", COLUMNS)
def test_the_column_of_the_numbers_is_found(case: str, tmp_path: Path) -> None:
    """The column is found by its name in either language, by its content, or by `--column`."""
    text, column = COLUMNS[case]
    assert read(written(tmp_path, text), column=column)[0][-1].number == "081234567890"


def test_a_first_line_that_may_be_no_head_is_not_passed_over_in_silence(tmp_path: Path) -> None:
    """A first line taken for a header with unknown names is reported as a line without a number."""
    found, _, _ = read(written(tmp_path, "anonymous\n081234567890\n"))
    assert found == [Listed(1, "anonymous", refusal=Refusal.NO_NUMBER), Listed(2, "081234567890")]


def test_a_table_may_say_until_when(tmp_path: Path) -> None:
    """The end may be a day, an instant, permanent or empty; anything else is an error of that line."""
    rows = ("2099-12-01T08:00", "2026-11-02T08:00:00+07:00", "permanent", "", "next year", "9999-12-31")
    text = "phone,until\n" + "".join(f"08123456789{nth},{row}\n" for nth, row in enumerate(rows))
    found, _, _ = read(written(tmp_path, text))
    assert [one.term for one in found] == [END, OVER, FOR_GOOD, None, None, None]
    assert [one.refusal for one in found] == [None] * 4 + [Refusal.NO_TIME] * 2


NO_LISTS: Final[dict[str, tuple[str | bytes, str]]] = {
    "nothing": ("", "is empty"),
    "blank lines": ("\n \n\n", "is empty"),
    "only a head": ("number,description\n", ""),
    "prose": ("Dear all,\nplease block my neighbour\n", "no column that looks like telephone numbers"),
    "two columns": ("081234567890,081234567891\n", "several columns look like telephone numbers (1, 2)"),
    "binary": (bytes(range(256)) * 40, "is binary, not a file of numbers"),
    "NULs": (b"\0" * 10_000, "is binary, not a file of numbers"),
    "a spreadsheet": (b"PK\x03\x04rest", "is a zip or a spreadsheet"),
    "a line without end": (b"1" * 200_000, "line 1 has no end within 131,072 characters"),
    "a quote without end": (b'number\n"' + b"1\n" * 100_000, "is no CSV"),
    "a torn file": (gzip.compress(b"081234567890\n" * 10_000)[:-200], "cut off or damaged"),
    "JSON of somebody else": ('[{"ip": "192.0.2.7"}]', "line 1: is JSON, but not of siaga112"),
    "JSON of words": ('["081234567890"]', "line 1: is no list of objects"),
    "JSON that is torn": ('[{"caller": "+628123"', "is no JSON, or is cut off here"),
    "JSON with a rest": ('[{"caller": "1", "level": "permanent"}]x', "is no JSON, or is cut off here"),
    "deep JSON": ('[{"caller": ' + "[" * 100_000, "nested too deep"),
}


@pytest.mark.parametrize("case", NO_LISTS)
def test_what_is_no_list_is_one_line(case: str, tmp_path: Path) -> None:
    """A file that is no list is refused in one line that names it and says what is wrong."""
    text, says = NO_LISTS[case]
    path = written(tmp_path, text)
    if says:
        told = refused(path)
        assert told.startswith(f"{path}: ")
        assert says in told
    else:
        assert read(path)[0] == []


def test_an_object_without_end_does_not_fill_the_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An endless object is read only up to the limit."""
    monkeypatch.setattr(objects, "LONGEST_OBJECT", 1 << 18)
    text = '[{"caller": "' + "1" * (1 << 20)
    assert "no object of a list is so long" in refused(written(tmp_path, text))


def test_no_list_is_an_empty_one(tmp_path: Path) -> None:
    """The output of crowdsec and siaga112 for no entries is an empty list."""
    for text in ("[]", "null\n", "[\n]\n"):
        assert read(written(tmp_path, text))[0] == []


def test_a_list_of_the_other_kind_is_refused() -> None:
    """A wrong option cannot block the numbers of an allow list, or allow those of a block list."""
    assert "--as allow, not block" in refused(LISTS / "siaga112-allowed.json")
    assert "--as block, not allow" in refused(LISTS / "siaga112-blocks.json", kind=Kind.ALLOW)
    found, _, _ = read(LISTS / "freepbx.txt", Kind.ALLOW)
    assert {one.refusal for one in found} == {Refusal.NOT_A_NUMBER}


@pytest.mark.parametrize("wanted", [Format.FUSIONPBX, Format.CROWDSEC, Format.SIAGA112])
def test_a_file_is_not_read_as_what_it_is_not(wanted: Format) -> None:
    """A file that does not have the named format is an error."""
    assert wanted.value in refused(LISTS / "freepbx.csv", wanted=wanted)


def test_a_column_that_is_not_there_is_an_error_of_use(tmp_path: Path) -> None:
    """An unknown column is refused with the columns that the file has."""
    path = written(tmp_path, "a,b\nx,081234567890\n")
    for column in ("c", "3", "0", "²"):
        with pytest.raises(UsageError, match=r"there is no column .* \(a, b\)"):
            read(path, column=column)


# ── each number once ─────────────────────────────────────────────────────────────────────────────


def test_each_number_is_planned_once_and_each_other_line_told() -> None:
    """Spellings of one number count once; numbers that can never be blocked are left out."""
    plan_of = NumberPlan(never_block=("081234567899",))
    lines = ["081234567890", "+6281234567890", "anonymous", "112", "081234567899", "081234567891"]
    with Plan() as plan:
        for nth, given in enumerate(lines, 1):
            plan.take(Listed(nth, given), plan_of, Kind.BLOCK, Term(NOW))
        assert [(one.line, one.until) for one in plan.numbers()] == [(1, NOW), (6, NOW)]
        left_out = [(one.line, one.why, one.first) for one in plan.lines_left_out()]
    assert left_out == [
        (2, Refusal.DUPLICATE, 1),
        (3, Refusal.NOT_A_CALLER, 0),
        (4, Refusal.NOT_A_CALLER, 0),
        (5, Refusal.NOT_A_CALLER, 0),
    ]


def test_no_list_blocks_a_number_in_a_service_numbers_range() -> None:
    """A list may allow a number in a service number's range, but blocking it needs a person."""
    service = Caller("+62254200111")
    with Plan([service]) as plan:
        plan.take(Listed(1, "0254200111"), INDONESIA, Kind.BLOCK, Term(NOW))
        plan.take(Listed(2, "0254200111"), INDONESIA, Kind.ALLOW, None)
        assert [(one.line, one.why) for one in plan.lines_left_out()] == [(1, Refusal.SERVICE)]
        assert [one.line for one in plan.numbers()] == [2]


def test_what_neither_file_nor_person_says_is_asked_for() -> None:
    """A missing term is an error: it never means permanent."""
    with Plan() as plan, pytest.raises(UsageError, match=r"line 7: .*--for DURATION or --permanent"):
        plan.take(Listed(7, "081234567890"), INDONESIA, Kind.BLOCK, None)
