"""The rows of a file, split and put together in a process of their own: what is read of it is the same."""

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
    """Read a file; give what was read of it, its calls, and the progress that was told."""
    told: list[tuple[int, int]] = []
    report, history = past_files.read(
        path, site_of("22"), Clock(ZONE), frozenset(), lambda *more: told.append(more)
    )
    return report, list(history.in_order()), told


@pytest.mark.parametrize("form", FORMS)
def test_two_processes_read_what_one_reads(
    form: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The calls with their lines, bad rows, calls of others, hours that are off, doubts, and the progress."""
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
    """A file in no order is refused in the same words."""
    path = tmp_path / "cel.csv"
    path.write_text("".join(reversed(lines("22", "cel.csv"))), "utf-8")
    monkeypatch.setattr(cel, "MAX_DOUBTED", 1)
    monkeypatch.setattr(past_files, "worth", lambda _size: True)
    with pytest.raises(SiagaError, match="not in order of time; sort them by eventtime"):
        read(path)


def test_a_process_that_was_ended_is_told_in_one_line() -> None:
    """As by the kernel, when the memory is used up: nothing is made of half a file."""

    def made() -> Iterator[Any]:
        yield from range(own.BATCH)
        os.kill(os.getpid(), signal.SIGKILL)

    with pytest.raises(SiagaError, match=r"^the process that read the file was ended \(exit code -9\)"):
        list(NOTHING.made(made(), lambda: None))
