"""The ledger as a file: CSV, Parquet and a dataset, with and without callers."""

import csv
import io
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pytest
from pyarrow import parquet

from siaga112.cli.export import COLUMNS
from siaga112.core.changes import Change
from siaga112.core.model import DAY as MILLIS_OF_DAY
from siaga112.core.model import HOUR, SECOND, CallId, Entry, HandedOver, Handover
from siaga112.terminal import rows
from tests.cli.shell import NUMBER, Shell, live, shell
from tests.lab.stores import site_store
from tests.month import ZONE
from tests.samples import CALLER, NOW, OTHER, answered, entry, prank

__all__ = ["live", "shell"]

pytestmark = pytest.mark.redis

OF_PEOPLE = {"caller", "raw_caller", "recording", "operator"}
"""Columns that are exported only on request."""

DAY = ("--from", "2019-02-11", "--to", "2019-02-11")


def of_that_day(month_rows: list[Entry]) -> list[Entry]:
    """Return the calls of the first day."""
    return [row for row in month_rows if str(rows.call(row, ZONE)["started"]).startswith("2019-02-11")]


async def test_the_csv_has_each_call_once_and_no_caller(centre: Shell, month_rows: list[Entry]) -> None:
    """The CSV has the rows of `calls --json` in their order, without the columns about people."""
    text = (await centre("export", *DAY)).done()
    told = list(csv.DictReader(io.StringIO(text)))
    expected = [rows.call(row, ZONE) for row in of_that_day(month_rows)]
    assert [row["call"] for row in told] == [row["call"] for row in expected]
    assert [row["outcome"] for row in told] == [row["outcome"] for row in expected]
    assert list(told[0]) == [name for name in COLUMNS if name not in OF_PEOPLE]
    assert list(expected[0]) == list(COLUMNS)
    assert "+62" not in text
    assert {row["strike"] for row in told} == {"true", "false"}


async def test_with_pseudonyms_a_caller_is_the_same_in_one_file_and_another_in_the_next(
    centre: Shell, month_rows: list[Entry]
) -> None:
    """A caller has one pseudonym in a file, and another in the next file."""
    first, second = await centre.each(
        f"export {' '.join(DAY)} --numbers pseudonyms", f"export {' '.join(DAY)} --numbers pseudonyms"
    )
    one, other = (
        [row["caller"] for row in csv.DictReader(io.StringIO(ended.done()))] for ended in (first, second)
    )
    true = [row.finding.call.caller or "" for row in of_that_day(month_rows)]
    assert sorted(Counter(one).values()) == sorted(Counter(true).values())
    assert len(set(zip(one, true, strict=True))) == len(set(true))
    assert not {caller for caller in one if caller}.intersection(true)
    assert one != other


async def test_in_full_it_says_who_called(centre: Shell, month_rows: list[Entry]) -> None:
    """With `--numbers full` a row has the caller, and the number as it came."""
    told = list(csv.DictReader(io.StringIO((await centre("export", *DAY, "--numbers", "full")).done())))
    assert [row["caller"] for row in told] == [
        row.finding.call.caller or "" for row in of_that_day(month_rows)
    ]
    assert told[0]["raw_caller"] == month_rows[0].finding.call.raw_caller


async def test_parquet_has_the_same_rows_with_types(
    centre: Shell, month_rows: list[Entry], tmp_path: Path
) -> None:
    """Parquet has all rows of the month with types: times, numbers, booleans and text."""
    file = tmp_path / "calls.parquet"
    whole = "--from 2019-02-11 --to 2019-03-11 --format parquet --numbers full"
    said = (await centre("export", *whole.split(), "--output", str(file))).done()
    assert said == f"{file}: 53,794 calls\n"
    table = parquet.read_table(file)
    assert table.column("call").to_pylist() == [row.finding.call.id for row in month_rows]
    assert [f"{table.schema.field(name).type}" for name in ("started", "wait_seconds", "strike", "mark")] == [
        "timestamp[ms, tz=UTC]",
        "double",
        "bool",
        "string",
    ]
    last = table.slice(table.num_rows - 1).to_pylist()[0]
    assert (
        last["started"].astimezone(ZONE).isoformat(timespec="milliseconds")
        == (rows.call(month_rows[-1], ZONE)["started"])
    )


async def test_without_pyarrow_one_line_says_what_to_install(centre: Shell, tmp_path: Path) -> None:
    """Without pyarrow, an export as Parquet ends with one line that says what to install."""
    (tmp_path / "pyarrow.py").write_text("raise ImportError")
    centre.environ["PYTHONPATH"] = str(tmp_path)
    said = (await centre("export", *DAY, "--format", "parquet", "--output", f"{tmp_path}/x")).failed(1)
    assert said == 'siaga112: Parquet needs pyarrow: pip install "siaga112[parquet]"'


@pytest.mark.parametrize(
    "command",
    [
        "export --from 2019-02-11 --output /nowhere/calls.csv",
        "export --from 2019-02-11 --to 2019-02-11 --format parquet --output /nowhere/calls.parquet",
        "report --from 2019-02-11 --to 2019-02-11 --output /nowhere/report.txt",
    ],
)
async def test_a_file_that_cannot_be_written_is_named(centre: Shell, command: str) -> None:
    """A file that cannot be written is one line with the reason."""
    assert "cannot be written (no such file or folder)" in (await centre(*command.split())).failed(1)


@pytest.mark.parametrize(
    "command",
    [
        "export --format parquet",
        "export --from yesterday",
        "report --from 2019-03-11 --to 2019-02-11",
        "report --check x.csv --format html",
        "report --top 13",
    ],
)
async def test_wrong_use_is_refused(centre: Shell, command: str) -> None:
    """A wrong use prints nothing and ends with 2."""
    ended = await centre(*command.split())
    assert (ended.code, ended.out) == (2, "")


@pytest.mark.parametrize("command", ["export", "report", "report --check published.csv"])
async def test_without_the_database_one_line_says_so(centre: Shell, tmp_path: Path, command: str) -> None:
    """Without the database, `export` and `report` end with 4 and one line."""
    (tmp_path / "published.csv").write_text("from,to,total\n2019-03-01,2019-03-11,1\n")
    centre.environ["SIAGA112_STATE_DIR"] = "/nowhere"
    arguments = command.replace("published.csv", str(tmp_path / "published.csv")).split()
    ended = await centre(*arguments)
    assert ended.code == 4
    assert "there is no /nowhere/siaga112.db" in ended.err
    assert ended.err.count("\n") == 1


async def test_a_day_without_calls_is_a_file_without_rows(centre: Shell, tmp_path: Path) -> None:
    """An export of yesterday, the default, has all columns even if it has no rows."""
    assert (await centre("export")).done().splitlines() == [
        ",".join(name for name in COLUMNS if name not in OF_PEOPLE)
    ]
    file = tmp_path / "none.parquet"
    assert (await centre("export", "--format", "parquet", "--output", str(file))).done().endswith("0 calls\n")
    assert parquet.read_table(file).num_rows == 0


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ('=HYPERLINK("x")', '\'=HYPERLINK("x")'),
        ("@SUM(1)", "'@SUM(1)"),
        ("+6281211111111", "+6281211111111"),
        ("+1-1", "'+1-1"),
        ("0812", "0812"),
        (True, "true"),
        (None, None),
        (1.5, 1.5),
    ],
)
def test_no_caller_id_is_a_formula_for_a_spreadsheet(value: object, written: object) -> None:
    """A text that a spreadsheet takes for a formula is quoted, as the caller chooses it; a number is not."""
    assert rows.cell(value) == written


# ── a dataset ────────────────────────────────────────────────────────────────────────────────────


async def test_duckdb_reads_the_dataset_as_it_lies_with_the_reports_figures(
    centre: Shell, tmp_path: Path
) -> None:
    """DuckDB reads a dataset, one folder a day and no callers, and counts what the report counts."""
    told = (await centre("export", "--dataset", str(tmp_path / "112"))).done()
    assert "29 days rewritten, 53,794 calls; 29 days in all" in told
    days = sorted(path.name for path in (tmp_path / "112").iterdir() if path.is_dir())
    assert (days[0], days[-1], len(days)) == ("day=2019-02-11", "day=2019-03-11", 29)
    with duckdb.connect() as database:
        table = f"read_parquet('{tmp_path}/112/*/*.parquet', hive_partitioning = true)"
        counted = database.execute(f"SELECT outcome, mark, count(*) FROM {table} GROUP BY ALL").fetchall()  # noqa: S608 - ours
        by_day = database.execute(f"SELECT day, count(*) FROM {table} GROUP BY day").fetchall()  # noqa: S608 - ours
        columns = [row[0] for row in database.execute(f"DESCRIBE SELECT * FROM {table}").fetchall()]  # noqa: S608 - ours
    period = ("--from", "2019-02-11", "--to", "2019-03-11")
    outcomes = (await centre("report", *period, "--format", "json")).json["total"]
    found = {(mark or "unmarked") if outcome == "answered" else outcome: n for outcome, mark, n in counted}
    assert {name: outcomes[name] for name in found} == found
    assert sum(found.values()) == 53_794
    assert len(by_day) == 29
    assert "caller" not in columns


async def test_the_next_time_only_days_that_changed_are_written(live: Shell, tmp_path: Path) -> None:
    """Another export to a dataset writes only the days that changed."""
    folder = str(tmp_path / "112")
    first = (await live("export", "--dataset", folder)).done()
    assert "3 calls" in first
    assert "0 days rewritten, 0 calls" in (await live("export", "--dataset", folder)).done()
    (await live("mark", answered(2, NOW - 1_800_000).id, "genuine")).done()
    again = (await live("export", "--dataset", folder)).done()
    assert "1 day rewritten" in again
    marks = [
        row["mark"]
        for file in sorted((tmp_path / "112").glob("*/calls.parquet"))
        for row in parquet.ParquetFile(file).read().to_pylist()
    ]
    assert sorted(filter(None, marks)) == ["genuine"]


async def test_a_day_keeps_its_calls_when_the_ledger_keeps_only_some(live: Shell, tmp_path: Path) -> None:
    """A day's file stays as it is when calls of that day are past their age, and evidence alone is left."""
    folder, old = tmp_path / "112", (NOW // MILLIS_OF_DAY - 402) * MILLIS_OF_DAY + 5 * HOUR
    store = site_store(live.home / "state", "lab")
    for call in (prank(11, old), prank(12, old + SECOND, OTHER)):
        await store.write([Change(entry=entry(call))])
    (await live("export", "--dataset", str(folder))).done()
    (await live("hold", NUMBER, "--reason", "police report 17")).done()
    await store.tidy(NOW)
    assert [row.caller async for row in store.summaries(0, old + HOUR)] == [CALLER]
    await store.close()
    assert "0 days rewritten, 0 calls" in (await live("export", "--dataset", str(folder))).done()
    day = f"day={datetime.fromtimestamp(old / SECOND, ZONE):%Y-%m-%d}"
    assert parquet.ParquetFile(folder / day / "calls.parquet").metadata.num_rows == 2


async def test_duckdb_counts_operators_agencies_and_kinds_as_the_report_does(
    desk: Shell, tmp_path: Path
) -> None:
    """With operators, a dataset gives the report's counts by operator, kind and district."""
    (await desk("export", "--dataset", str(tmp_path / "112"), "--operators", "full")).done()
    days = ("--from", "2019-02-11", "--to", "2019-02-28")
    told = (await desk("report", *days, "--format", "json")).json
    with duckdb.connect() as database:
        asked = "SELECT {0}, count(*) FROM read_parquet('{1}/112/*/*.parquet') WHERE {2} GROUP BY ALL"

        def counted(name: str, where: str) -> dict[str | None, int]:
            return dict(database.execute(asked.format(name, tmp_path, where)).fetchall())

        assert counted("operator", "outcome = 'answered'") == {
            row["operator"]: row["answered"] for row in told["by_operator"]
        }
        for name in ("kind", "district"):
            cut = {row[name]: row["genuine"] for row in told[f"genuine_by_{name}"]}
            assert counted(name, "mark = 'genuine'") == cut
        handed = counted("handed_to", "handed_to IS NOT NULL")
    assert {"Damkar", "PSC"} < handed.keys()


async def test_who_answered_is_told_only_if_asked_for(desk: Shell, handled_rows: list[Entry]) -> None:
    """Operators are exported only on request; a pseudonym holds for one file and is no real name."""
    none, one, other, full = await desk.each(
        *(f"export {' '.join(DAY)}{more}" for more in ("", *(f" --operators {how}" for how in HOW)))
    )
    true = [row.finding.operator or "" for row in of_that_day(handled_rows)]
    assert "operator" not in none.done().splitlines()[0].split(",")
    told = [
        [row["operator"] for row in csv.DictReader(io.StringIO(ended.done()))] for ended in (one, other, full)
    ]
    assert told[2] == true
    for pseudonyms in told[:2]:
        assert len(set(zip(pseudonyms, true, strict=True))) == len(set(true)) == len(set(pseudonyms))
        assert not {*filter(None, pseudonyms)} & {*true}
    assert told[0] != told[1]


HOW = ("pseudonyms", "pseudonyms", "full")


async def test_a_number_that_a_caller_was_handed_over_to_is_told_as_callers_are(live: Shell) -> None:
    """The number that a call was handed over to is treated as a caller's.

    An agency's name and an extension are exported always, a recording's name only with full numbers.
    """
    number = "081399990001"
    call = replace(answered(5, NOW - 7_200_000), recording=f"external-112-{number}.wav")
    kinds = [Handover(NOW, HandedOver.BLIND, to, agency) for to, agency in TARGETS]
    store = site_store(live.home / "state", "lab")
    for nth, handover in enumerate(kinds):
        row = entry(replace(call, id=CallId(f"{call.id}{nth}")))
        await store.write([Change(entry=replace(row, finding=replace(row.finding, handovers=(handover,))))])
    await store.close()
    begin = datetime.fromtimestamp(NOW / SECOND - 86_400, UTC).date()
    none, pseudonyms, full = await live.each(*(f"export --from {begin}{more}" for more in NUMBERS))
    told = [
        {row["handed_to"] for row in csv.DictReader(io.StringIO(ended.done()))} - {""}
        for ended in (none, pseudonyms, full)
    ]
    assert told[0] == {"Damkar", "201", "+62813*****001"}
    assert told[1] > {"Damkar", "201"}
    assert told[2] == {"Damkar", "201", number}
    for ended in (none, pseudonyms):
        assert number[1:] not in ended.out
    assert full.out.count(f"external-112-{number}.wav") == len(TARGETS)


TARGETS = (("113", "Damkar"), ("201", ""), ("081399990001", ""))
NUMBERS = ("", " --numbers pseudonyms", " --numbers full")


def numbers_in(folder: Path) -> set[str]:
    """Return every number in a dataset."""
    found = [parquet.ParquetFile(file).read().to_pylist() for file in folder.glob("*/calls.parquet")]
    return {row[name] for rows_ in found for row in rows_ for name in ("caller", "raw_caller")} - {None, ""}


async def test_a_number_that_was_forgotten_goes_from_a_dataset_that_had_it(
    live: Shell, tmp_path: Path
) -> None:
    """The next export removes an erased number from a dataset, even if only the raw number was known."""
    made = ("export", "--dataset", str(tmp_path / "112"), "--numbers", "full")
    withheld = replace(prank(9, NOW - 96 * HOUR, None), raw_caller="081399990000")
    store = site_store(live.home / "state", "lab")
    await store.write([Change(entry=entry(withheld))])
    await store.close()
    (await live(*made)).done()
    assert "081399990000" in numbers_in(tmp_path / "112")
    (await live("forget", "081399990000", "--reason", "asked for it", "--yes")).done()
    (await live(*made)).done()
    assert not [one for one in numbers_in(tmp_path / "112") if "99990000" in one]


@pytest.mark.parametrize(
    ("more", "says"),
    [
        (("--numbers", "full"), "was written with other columns"),
        (("--operators", "full"), "was written with other columns"),
        (("--numbers", "pseudonyms"), "--numbers pseudonyms last for one file"),
        (("--operators", "pseudonyms"), "--operators pseudonyms last for one file"),
        (("--format", "parquet"), "leave --output and --format out"),
    ],
)
async def test_a_dataset_is_of_one_form(
    live: Shell, tmp_path: Path, more: tuple[str, ...], says: str
) -> None:
    """Options that do not fit an existing dataset, or any dataset, are refused."""
    folder = str(tmp_path / "112")
    (await live("export", "--dataset", folder)).done()
    ended = await live("export", "--dataset", folder, *more)
    assert ended.code in {1, 2}
    assert says in ended.err


async def test_a_dataset_has_the_days_of_one_zone(live: Shell, tmp_path: Path) -> None:
    """A dataset of another time zone is refused, since calls near midnight would be in two of its days."""
    (await live("export", "--dataset", str(tmp_path / "112"))).done()
    live.environ["SIAGA112_TIMEZONE"] = "Asia/Makassar"
    told = (await live("export", "--dataset", str(tmp_path / "112"))).failed(1)
    assert told.endswith("has the days of timezone 'Asia/Jakarta'; name another folder")


async def test_a_ledger_of_months_is_a_table_in_columns(centre: Shell) -> None:
    """`calls` prints one line a call, in columns, for however many calls."""
    told = (await centre("calls", "--since", "2019-03-01")).done().splitlines()
    assert len(told) == 18_308 + 1
    at = told[0].index("outcome")
    assert {line[at:].split()[0] for line in told[1:]} == {"answered", "abandoned", "ivr_prank"}


async def test_our_own_past_is_a_source_of_a_back_test(centre: Shell) -> None:
    """`backtest --ledger` reads each call once with its outcome, and a lower threshold blocks more."""
    ended = await centre(
        "backtest", "--ledger", "--since", "2019-02-01", "--sweep", "threshold=3,5", "--json"
    )
    strict, mild = ended.json
    assert strict["calls"] == mild["calls"] == 53_794
    assert strict["read"][0]["source"] == "ledger"
    assert strict["outcomes"]["answered"] == 4_840 + 2_855
    assert strict["blocked_temporarily"] > mild["blocked_temporarily"] > 0


async def test_a_back_test_of_nothing_says_what_to_name(centre: Shell) -> None:
    """`backtest` needs files or `--ledger`, and `--since` goes only with `--ledger`."""
    assert "name files of past calls, or --ledger" in (await centre("backtest")).failed(2)
    assert "--since goes with --ledger" in (await centre("backtest", "cel.csv", "--since", "90d")).failed(2)
