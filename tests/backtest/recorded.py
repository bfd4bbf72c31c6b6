"""The recorded calls, read back in each of their forms."""

from collections.abc import Iterable
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo

from siaga112.backtest.columns import SAMPLE_LINES, Clock, Layout, recognise
from siaga112.backtest.history import History
from siaga112.backtest.reading import FileReport, Site, read_capture, read_lines
from siaga112.captures import capture
from siaga112.core.outcome import ClassifierRules
from siaga112.core.regulation import COUNTABLE, PolicyRules
from siaga112.core.rules import Dialplan
from tests.pbx.scenarios.golden import GOLDEN

FOLDER: Final = GOLDEN / "backtest"
VERSIONS: Final = ("22", "16")
FORMS: Final = ("cel.csv", "cdr.csv", "queue_log")
ZONE: Final = ZoneInfo("UTC")


def site_of(version: str) -> Site:
    """Return the site that a recording describes."""
    header = capture.read_header(next(capture.messages((FOLDER / version / "calls.ami").read_bytes())))
    return site(header.dialplan, header.rules)


def site(dialplan: Dialplan, rules: ClassifierRules) -> Site:
    """Return a site with the default policy."""
    return Site(dialplan, rules, PolicyRules())


def live(version: str) -> History:
    """Return the calls as the live code saw them."""
    data = (FOLDER / version / "calls.ami").read_bytes()
    report = FileReport("calls.ami", recognise([data[:40].decode()]).source)  # type: ignore[union-attr] # a capture is recognised
    return read_capture(capture.messages(data), site_of(version), COUNTABLE, report)


def lines(version: str, form: str) -> list[str]:
    """Return the lines of a file."""
    return (FOLDER / version / form).read_text("utf-8").splitlines(keepends=True)


def told(rows: Iterable[str], known: Site, layout: Layout | None = None) -> tuple[History, FileReport]:
    """Read the lines of a file; `layout` is needed if no line is left to recognise it by."""
    kept = list(rows)
    layout = layout or recognise(kept[:SAMPLE_LINES])
    assert layout is not None
    report = FileReport("file", layout.source)
    return read_lines(kept, layout, known, Clock(ZONE), report), report


def read(path: Path) -> str:
    """Return the text of a file."""
    return path.read_text("utf-8")
