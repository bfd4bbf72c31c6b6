"""Splitting and grouping the rows in a second process gives the same result."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from siaga112.backtest import cel
from siaga112.backtest import elsewhere as own
from siaga112.backtest import files as past_files
from siaga112.backtest.columns import Clock
from siaga112.backtest.history import Past
from siaga112.backtest.reading import FileReport
from siaga112.errors import SiagaError
from tests.backtest.recorded import FORMS, ZONE, lines, site_of

NOTHING: Final = own.Relay(lambda _rows, _size: None, apart=True)


def read(path: Path) -> tuple[FileReport, list[Past], list[tuple[int, int]]]:
    """Read a file; return the report, the calls, and the progress reported."""
    told: list[tuple[int, int]] = []
    report, history = past_files.read(
        path, site_of("22"), Clock(ZONE), frozenset(), lambda *more: told.append(more)
    )
    return report, list(history.in_order()), told


@pytest.mark.parametrize("form", FORMS)
def test_two_processes_read_what_one_reads(
    form: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Calls with their lines, bad rows, other calls, time skew, doubted calls and progress are the same."""
    whole = lines("22", form)
    path = tmp_path / form
    path.write_text("".join([*whole, "of another form\n", *whole[:40]]), "utf-8")
    alone = read(path)
    monkeypatch.setattr(own, "LARGE", 1)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _process: {0, 1})
    assert own.worth(path.stat().st_size)
    assert read(path) == alone
    assert alone[0].bad
    assert alone[1]
    assert alone[2]


def test_what_is_raised_there_is_raised_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An unsorted file is rejected with the same message."""
    path = tmp_path / "cel.csv"
    path.write_text("".join(reversed(lines("22", "cel.csv"))), "utf-8")
    monkeypatch.setattr(cel, "MAX_DOUBTED", 1)
    monkeypatch.setattr(past_files, "worth", lambda _size: True)
    with pytest.raises(SiagaError, match="not in order of time; sort them by eventtime"):
        read(path)


def test_a_process_that_was_ended_is_told_in_one_line() -> None:
    """If the kernel kills the process, as it does when memory is exhausted, half a file gives no result."""

    def made() -> Iterator[Any]:
        yield from range(own.BATCH)
        os.kill(os.getpid(), signal.SIGKILL)

    with pytest.raises(SiagaError, match=r"^the process that read the file was ended \(exit code -9\)"):
        list(NOTHING.made(made(), lambda: None))
