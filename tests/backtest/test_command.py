"""Tests of `siaga112 backtest` as a command."""

import json
import os
import pty
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest

from siaga112.core.model import Outcome
from tests.backtest.month import CONFIG, rows
from tests.backtest.recorded import FOLDER, site_of

ROWS: Final = 34_000


@dataclass(frozen=True)
class Ended:
    """The result of the command."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """Its output, parsed as JSON."""
        assert self.code == 0, self.err
        return json.loads(self.out)


def backtest(config: Path, *arguments: object) -> Ended:
    """Run the command."""
    command = (sys.executable, "-m", "siaga112", "--config", str(config), "backtest")
    ended = subprocess.run(
        (*command, *map(str, arguments)), capture_output=True, text=True, check=False, timeout=300
    )
    return Ended(ended.returncode, ended.stdout, ended.stderr)


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write the configuration of the made-up centre."""
    path = tmp_path_factory.mktemp("made") / "siaga112.toml"
    path.write_text(CONFIG, "utf-8")
    return path


@pytest.fixture(scope="module")
def days(config: Path) -> Path:
    """Write a file with the first days of the made-up month."""
    path = config.with_name("cel.csv")
    stream = rows()
    with path.open("w", encoding="utf-8") as file:
        file.writelines(next(stream) for _ in range(ROWS))
    return path


def test_two_presets_side_by_side(config: Path, days: Path) -> None:
    """Each policy is an object with its figures; they add up, and numbers are masked."""
    first, second = backtest(
        config, days, "--policy", "permenkominfo-2016", "--policy", "serang-2019", "--json"
    ).json
    assert [first["policy"], second["policy"]] == ["permenkominfo-2016", "serang-2019"]
    assert sum(first["outcomes"].values()) == first["calls"]
    assert sum(first["rejected_outcomes"].values()) == first["rejected"] > 0
    assert first["price"] == len(first["price_calls"]) == first["rejected_outcomes"]["answered"] > 0
    assert sum(day["calls"] for day in first["days"]) == first["calls"]
    assert sum(day["rejected"] for day in first["days"]) == first["rejected"]
    assert first["blocked_permanently"] > 0 == second["blocked_permanently"]
    assert first["operator_seconds_saved"] > 10 * first["price"]
    assert all("****" in caller["caller"] for caller in first["callers"])
    assert "****" not in backtest(config, days, "--reveal", "--json").json[0]["callers"][0]["caller"]


def test_for_people(config: Path, days: Path) -> None:
    """The page shows the files, the outcomes, what each policy does, and the price."""
    page = backtest(config, days).out
    for part in (
        "cel.csv: CEL, 34,000 rows", "answered", "ivr_prank", "permenkominfo-2016", "calls rejected",
        "PRICE: answered calls rejected", "numbers most affected", "day by day", "12 Feb 2019",
    ):  # fmt: skip
        assert part in page, page
    assert "0812100" not in page


@pytest.mark.night
def test_sweep(config: Path, days: Path) -> None:
    """A sweep prints a row and a bar per value; here a higher threshold never rejects more."""
    swept = backtest(config, days, "--sweep", "threshold=3..10", "--json").json
    assert [one["policy"] for one in swept] == [f"threshold={n}" for n in range(3, 11)]
    rejected = [one["rejected"] for one in swept]
    assert rejected == sorted(rejected, reverse=True)
    assert len(set(rejected)) == 8
    chart = backtest(config, days, "--sweep", "temporary=1d,3d,7d").out
    assert "temporary=7d  ██" in chart


def test_compare(config: Path, days: Path) -> None:
    """Two configuration files are compared under their names."""
    strict, mild = config.with_name("strict.toml"), config.with_name("mild.toml")
    strict.write_text(CONFIG + "[policy]\nthreshold = 2\n", "utf-8")
    mild.write_text(CONFIG + '[policy]\nthreshold = 30\npermanent = "never"\n', "utf-8")
    one, other = backtest(config, days, "--compare", strict, mild, "--json").json
    assert (one["policy"], other["policy"]) == ("strict", "mild")
    assert one["rejected"] > other["rejected"]


def test_all_forms_at_once(tmp_path: Path) -> None:
    """CEL, CDR, queue_log and a capture of the same calls give one history: the capture's."""
    config = tmp_path / "siaga112.toml"
    known = site_of("22").dialplan
    names = {
        "trunk_contexts": known.trunk_contexts,
        "ivr_contexts": known.ivr_contexts,
        "queues": known.queues,
    }
    listed = "\n".join(f"{name} = {json.dumps(sorted(values))}" for name, values in names.items())
    config.write_text(f'timezone = "UTC"\n[pbx]\n{listed}\n[classifier]\nearly_drop = "1s"\n', "utf-8")
    folder = FOLDER / "22"
    alone = backtest(config, folder / "calls.ami", "--json").json[0]
    files = [folder / name for name in ("cel.csv", "cdr.csv", "queue_log", "calls.ami")]
    together = backtest(config, *files, "--json").json[0]
    assert together["outcomes"] == alone["outcomes"]
    assert [file["source"] for file in together["read"]] == ["CEL", "CDR", "queue_log", "capture"]
    assert alone["outcomes"][Outcome.IVR_PRANK] == 23


def test_bad_rows_are_counted_and_shown(config: Path, days: Path, tmp_path: Path) -> None:
    """Each bad row is counted, the first ten are shown with line and reason, and all others are read."""
    good = days.read_text("utf-8").splitlines(keepends=True)[:2_000]
    torn = [line if n % 100 else line[:50] + "\n" for n, line in enumerate(good, 1)]
    path = tmp_path / "torn.csv"
    path.write_text("".join(torn), "utf-8")
    (read,) = backtest(config, path, "--json").json[0]["read"]
    assert read["rows"] == 2_000
    assert read["bad_rows"] == 20
    assert [bad["line"] for bad in read["bad"]] == list(range(100, 1_100, 100))
    page = backtest(config, path).out
    assert "20 bad" in page
    assert re.search(r"line 100: \d+ columns, not 20", page)
    assert "and 10 more" in page


REFUSED: Final = {
    "a file of something else": (["/etc/passwd"], 1, "not a file of calls; expected Asterisk's queue_log"),
    "no such file": (["nowhere.csv"], 1, "cannot be read (No such file or directory)"),
    "a folder": (["/tmp"], 1, "cannot be read (Is a directory)"),  # noqa: S108 - read only
    "no such preset": (["x", "--policy", "jakarta"], 2, "permenkominfo-2016, serang-2019"),
    "nothing to sweep": (["x", "--sweep", "colour=1..2"], 2, "write KEY=VALUES"),
    "a range that falls": (["x", "--sweep", "threshold=9..3"], 2, "the lower one first"),
    "a range of words": (["x", "--sweep", "threshold=a..b"], 2, "a range is written"),
    "a value that cannot be": (["x", "--sweep", "threshold=0..3"], 2, "threshold = 0"),
    "a duration without unit": (["x", "--handling", "20"], 2, "not a duration"),
    "two at once": (["x", "--policy", "serang-2019", "--compare", "a", "b"], 2, "choose one of"),
}  # fmt: skip


@pytest.mark.parametrize(("arguments", "code", "words"), REFUSED.values(), ids=list(REFUSED))
def test_refused(config: Path, arguments: list[str], code: int, words: str) -> None:
    """An invalid request prints one clear line and no output, and exits with 1 or 2."""
    ended = backtest(config, *arguments)
    assert ended.code == code
    assert words in " ".join(ended.err.replace("│", " ").split())
    assert "Traceback" not in ended.err
    assert ended.out == ""


def test_a_dialplan_of_other_names_is_pointed_out(config: Path) -> None:
    """A file in which no call is ours is rejected, with a hint at the configuration."""
    other = config.with_name("other.toml")
    other.write_text(CONFIG.replace("from-trunk", "elsewhere"), "utf-8")
    ended = backtest(other, FOLDER / "22" / "cel.csv")
    assert ended.code == 1
    assert "are [pbx] trunk_contexts, ivr_contexts and queues right?" in ended.err


def test_an_unordered_file_is_refused(config: Path, days: Path, tmp_path: Path) -> None:
    """A CEL file with its newest rows first is rejected, with the remedy."""
    path = tmp_path / "newest-first.csv"
    path.write_text("".join(reversed(days.read_text("utf-8").splitlines(keepends=True)[:20_000])), "utf-8")
    ended = backtest(config, path)
    assert ended.code == 1
    assert "not in order of time; sort them by eventtime" in ended.err


def test_progress_on_a_terminal(config: Path, days: Path) -> None:
    """On a terminal, a long read shows rows and rate; otherwise nothing."""
    assert backtest(config, days, "--json").err == ""
    here, there = pty.openpty()
    slow = "import siaga112.terminal.progress as p; p.PATIENCE_SECONDS = 0.0; "
    command = [sys.executable, "-c", slow + "from siaga112.cli import main; main()"]
    with subprocess.Popen(  # ends: by itself, or at this test's limit
        [*command, "--config", str(config), "backtest", str(days), "--json"],
        stdout=subprocess.DEVNULL,
        stderr=there,
    ) as process:
        os.close(there)
        shown = b""
        while chunk := _read(here):
            shown += chunk
    os.close(here)
    assert process.returncode == 0
    assert b"rows/s" in shown
    assert b"\x1b[2K" in shown.rpartition(b"rows/s")[2]  # and it is erased


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 65_536)
    except OSError:  # Linux' way to say that the other end is closed
        return b""
