"""Files of past calls: opened, recognised by content, and read a line or a message at a time."""

from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Final

from siaga112.core.capture import MESSAGE_END
from siaga112.core.past.cel import OutOfOrderError
from siaga112.core.past.columns import EXPECTED, SAMPLE_LINES, Clock, Layout, recognise
from siaga112.core.past.history import History, Source
from siaga112.core.past.reading import FileReport, Site, read_capture, read_lines
from siaga112.errors import SiagaError

CHUNK: Final = 1 << 16
STEP: Final = 2_000
"""How many lines lie between two reports of progress."""

Progress = Callable[[int, int], None]
"""Takes the rows and the bytes that were read since the last time."""


def read(
    path: Path, site: Site, clock: Clock, countable: frozenset[str], progress: Progress
) -> tuple[FileReport, History]:
    """Read one file of past calls.

    Raises:
        SiagaError: in one line, if it cannot be read or is no file of calls.

    """
    try:
        layout = _recognise(path)
        report = FileReport(str(path), layout.source)
        if layout.source is Source.CAPTURE:
            return report, read_capture(_messages(path, progress), site, countable, report)
        return report, read_lines(_lines(path, progress), layout, site, clock, report)
    except OutOfOrderError as error:
        raise SiagaError(f"{path}: the rows are not in order of time; sort them by eventtime") from error
    except OSError as error:
        raise SiagaError(f"{path}: cannot be read ({error.strerror})") from error
    except ValueError as error:
        raise SiagaError(f"{path}: {error}") from error


def _recognise(path: Path) -> Layout:
    with path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
        sample = file.read(CHUNK)
    layout = recognise(sample.splitlines()[:SAMPLE_LINES])
    if layout is None:
        raise SiagaError(f"{path}: not a file of calls; {EXPECTED}")
    return layout


def _lines(path: Path, progress: Progress) -> Iterator[str]:
    with path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
        while block := list(islice(file, STEP)):
            yield from block
            progress(len(block), sum(map(len, block)))


def _messages(path: Path, progress: Progress) -> Iterator[bytes]:
    rest = b""
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            *whole, rest = (rest + chunk).split(MESSAGE_END)
            yield from filter(None, whole)
            progress(len(whole), len(chunk))
    if rest.strip():
        yield rest
