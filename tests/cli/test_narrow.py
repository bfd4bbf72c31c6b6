"""Every command that prints a table, with texts as long as they can be, at 80 columns."""

import re
from pathlib import Path
from typing import Any, Final

import pytest
import typer
from rich.cells import cell_len

from siaga112.cli.commands import COMMANDS
from siaga112.cli.program import app
from tests.cli.filled import CLINIC, COLUMNS, GENUINE, LONG, MISSED, MISUSER, PROPOSED, THREAT, Site

GOLDEN: Final = Path(__file__).parents[1] / "golden"
LISTS: Final = (
    *("calls", "calls --explain", "calls --last 3", "calls --limit 2", "blocks", "blocks --proposed"),
    *("blocks --sort end", "callbacks", "holds", "appeals", "allowed", "audit", "user list", "token list"),
    *("webhooks", "privacy", "files", f"why {MISUSER}", f"why {MISUSER} --all", f"why {THREAT}"),
    *(f"why {MISSED}", f"replay {GOLDEN}/22/answered_goes_on.ami", "report --from 2026-11-28"),
    f"replay {GOLDEN}/22/answered_goes_on.ami --explain",
    f"backtest {GOLDEN}/backtest/22/cel.csv {GOLDEN}/backtest/22/calls.ami",
    f"backtest {GOLDEN}/backtest/22/cel.csv --calls",
    f"import {GOLDEN}/lists/freepbx.txt --as block --permanent --reason moved",
)
ELSEWHERE: Final = {
    "doctor": "tests/doctor",
    "setup": "tests/setup",
    "top": "tests/top",
}
"""Commands that are tested elsewhere, and where."""

NUMBERS: Final = {MISUSER, THREAT, MISSED, GENUINE, PROPOSED, CLINIC, "+6281266666666"}


@pytest.fixture(scope="module", params=["en", "id"])
def site(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Site:
    """Return a site with long texts."""
    return Site(tmp_path_factory.mktemp("site"), LONG, request.param)


@pytest.mark.parametrize("command", LISTS)
def test_no_line_is_wider_than_80_columns_and_ids_are_whole(site: Site, command: str) -> None:
    """No line is wider than 80 columns, and no number or id of a call is cut."""
    said = site(command)
    wide = [line for line in said.splitlines() if cell_len(line) > COLUMNS]
    assert said.count("\n") > 1
    assert wide == []
    if command.split(maxsplit=1)[0] in {"replay", "backtest", "import", "report"}:
        return  # other numbers, some masked
    shown = re.findall(r"\+62[0-9*]*", said)
    assert set(shown) <= NUMBERS
    calls = re.findall(r"pbx-[\w.-]*", said)
    assert not [call for call in calls if not re.fullmatch(r"pbx-serang-01-\d{10}\.\d\d", call)]


def test_every_command_that_lists_is_asked() -> None:
    """Every command that has `--json` is in LISTS or in ELSEWHERE."""
    program: Any = typer.main.get_command(app)
    listing = {
        name
        for name in COMMANDS
        if any("--json" in param.opts for param in program.get_command(None, name).params)
    }
    asked = {command.split()[0] for command in LISTS}
    assert listing - asked == set(ELSEWHERE)


@pytest.mark.parametrize(
    ("command", "callers"),
    [
        ("blocks", ["+6281266666666", THREAT, MISUSER]),
        ("blocks --sort end", [MISUSER, "+6281266666666", THREAT]),
        ("blocks --level permanent", [THREAT]),
        ("blocks --origin automatic", [MISUSER]),
        ("blocks --origin manual --level temporary", ["+6281266666666"]),
        ("blocks --ends-before 2h", []),
        ("blocks --ends-before 2d", [MISUSER]),
        ("blocks --ends-before 2026-12-02", ["+6281266666666", MISUSER]),
    ],
)
def test_blocks_are_sorted_and_chosen(site: Site, command: str, callers: list[str]) -> None:
    """Blocks are sorted by their start or their end, and filtered by level, origin and end."""
    table = site(command)
    assert [line.split()[0] for line in table.splitlines() if line.startswith("+62")] == callers


@pytest.mark.parametrize(
    ("options", "numbers"),
    [
        ("--last 3", ["61", "62", "63"]),
        ("--last 2 --outcome ivr_prank", ["52", "53"]),
        (f"--last 2 --number {MISUSER}", ["32", "33"]),
        ("--limit 2", ["20", "21"]),
        (f"--number {MISUSER} --limit 1", ["20"]),
        ("--since 65m --until 45m", ["61", "62"]),
        ("--since 2026-11-28T08:40+07:00 --until 2026-11-28T08:50:01+07:00", ["60"]),
        ("--last 1 --until 55m", ["61"]),
    ],
)
def test_calls_are_chosen_by_time_and_by_number(site: Site, options: str, numbers: list[str]) -> None:
    """`--limit` keeps the oldest calls and `--last` the newest; `--until` is exclusive."""
    table = site(f"calls {options}")
    assert re.findall(r"pbx-serang-01-\d+\.(\d\d)", table) == numbers


def test_why_begins_with_the_verdict_and_ends_with_the_last_ten(site: Site) -> None:
    """`why` begins with the verdict and ends with the last ten events; `--all` lists every event."""
    if "now:" not in site(f"why {MISUSER}"):
        pytest.skip("the same in Indonesian")
    head, happened = site(f"why {MISUSER}").split("\n\n")
    assert head.splitlines()[0] == f"{MISUSER}, times in UTC+7"
    assert head.splitlines()[1].startswith("  now: ALLOW, because the mode is observe")
    count = r"^  28 Nov \d\d:\d\d  "
    assert len(re.findall(count, happened, re.MULTILINE)) == 10
    earlier = re.search(r"^  (\d+) earlier \(--all\)$", happened, re.MULTILINE)
    assert earlier
    everything = site(f"why {MISUSER} --all").split("\n\n")[1]
    assert len(re.findall(count, everything, re.MULTILINE)) == 10 + int(earlier[1])
    assert "earlier" not in everything
