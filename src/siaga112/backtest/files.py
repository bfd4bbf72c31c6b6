"""Opens files of past calls, recognises them by content, and reads them by lines or messages."""

import sqlite3
from collections.abc import Iterator
from itertools import chain, islice
from pathlib import Path
from typing import Final

from siaga112 import intext
from siaga112.backtest import text as past_text
from siaga112.backtest.cel import OutOfOrderError
from siaga112.backtest.columns import SAMPLE_LINES, Clock, recognise, unrecognised
from siaga112.backtest.elsewhere import Progress, Relay, worth
from siaga112.backtest.history import History, Source
from siaga112.backtest.reading import FileReport, Site, read_capture, read_lines
from siaga112.backtest.store import TableSpool
from siaga112.captures.capture import FORM
from siaga112.errors import SiagaError

_CAPTURE: Final = f"Capture: {FORM}".encode()
STEP: Final = 2_000
"""How many lines are read between two reports of progress."""


def read(
    path: Path,
    site: Site,
    clock: Clock,
    countable: frozenset[str],
    progress: Progress,
    *,
    history: History | None = None,
) -> tuple[FileReport, History]:
    """Read one file of past calls, into `history` if given.

    Raises:
        SiagaError: if it cannot be read or is not a file of calls.

    """
    try:
        with intext.opened(path, "calls") as (data, encoding):
            if data.peek(len(_CAPTURE)).startswith(_CAPTURE):
                report = FileReport(str(path), Source.CAPTURE)
                told = past_text.messages(path, data, progress)
                return report, read_capture(told, site, countable, report, history=history)
            text = intext.lines(path, data, encoding)
            sample = list(islice(text, SAMPLE_LINES))
            layout = recognise(sample)
            if layout is None:
                raise SiagaError(f"{path}: {unrecognised(sample)}")
            report = FileReport(str(path), layout.source)
            relay = Relay(progress, apart=path.is_file() and worth(path.stat().st_size))
            rows = _paced(chain(sample, text), relay)
            history = read_lines(
                rows, layout, site, clock, report, history=history, spool=TableSpool, relay=relay
            )
            return report, history
    except OutOfOrderError as error:
        raise SiagaError(f"{path}: the rows are not in order of time; sort them by eventtime") from error
    except sqlite3.Error as error:
        raise SiagaError(
            f"{path}: no room for temporary files ({error}); SQLITE_TMPDIR names a folder"
        ) from error
    except OSError as error:
        raise SiagaError(f"{path}: cannot be read ({error.strerror or error})") from error
    except ValueError as error:
        raise SiagaError(f"{path}: {error}") from error


def _paced(lines: Iterator[str], progress: Progress) -> Iterator[str]:
    while block := list(islice(lines, STEP)):
        yield from block
        progress(len(block), sum(map(len, block)))
