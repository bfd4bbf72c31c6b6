"""The lines of a file → past calls, with the lines that could not be read."""

import csv
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from operator import itemgetter
from typing import Final

from siaga112.core import capture
from siaga112.core.calls import Dialplan
from siaga112.core.events import Event, Malformed
from siaga112.core.model import SECOND, CallId, Outcome, Spared
from siaga112.core.outcome import ClassifierRules
from siaga112.core.past import cdr, cel
from siaga112.core.past.columns import CEL_EVENTS, Clock, Layout
from siaga112.core.past.history import History, Past, Source, Unproven, slim
from siaga112.core.past.queue import QueueReader
from siaga112.core.policy import PolicyRules
from siaga112.core.queue_log import BadLine, parse
from siaga112.core.replay import Replay

SHOWN: Final = 10
"""How many bad rows are shown with their numbers."""

MAX_FIELD: Final = 16_384
"""No field of Asterisk's is longer."""


MOST_LATE: Final = 10
"""If more than one row in so many comes too late, a file is not in order of time."""

_CEL_COLUMNS: Final = (
    *("eventtype", "eventtime", "uniqueid", "linkedid", "channame", "context", "exten", "appname"),
    *("appdata", "cidnum", "peer", "extra"),
)
"""The columns of `cel.Row`, in its order."""


@dataclass(frozen=True, slots=True)
class BadRow:
    """A row that cannot be read: its line, and why."""

    line: int
    why: str


@dataclass(slots=True)
class FileReport:
    """What was read of a file."""

    name: str
    source: Source
    rows: int = 0
    bad: int = 0
    shown: list[BadRow] = field(default_factory=list)
    calls: int = 0
    others: int = 0
    """Calls that did not come in over our trunk."""

    def refuse(self, line: int, why: str) -> None:
        """Count a bad row, and keep the first few."""
        self.bad += 1
        if len(self.shown) < SHOWN:
            self.shown.append(BadRow(line, why))


@dataclass(frozen=True, slots=True)
class Site:
    """What must be known of the centre to read its files."""

    dialplan: Dialplan
    rules: ClassifierRules
    policy: PolicyRules


def read_lines(lines: Iterable[str], layout: Layout, site: Site, clock: Clock, report: FileReport) -> History:
    """Read a file of rows (all but captures).

    Raises:
        OutOfOrderError: if a CEL file is not in order of time.

    """
    history = History()
    match layout.source:
        case Source.QUEUE_LOG:
            found, doubted = _queue_log(lines, site, report), set[CallId]()
        case Source.CDR:
            found, doubted = _cdr(lines, layout, site, clock, report), set[CallId]()
        case _:
            reader = cel.CelReader(site.dialplan, site.rules)
            found, doubted = _cel(reader, lines, layout, clock, report), reader.doubted
    for past in found:
        history.add(past)
        report.calls += 1
    history.doubt(doubted)
    return history


def _queue_log(lines: Iterable[str], site: Site, report: FileReport) -> Iterator[Past]:
    reader = QueueReader(site.dialplan, site.rules)
    for line in parse(_counted(lines, report)):
        if isinstance(line, BadLine):
            report.refuse(line.number, "not of the form time|call|queue|member|event|…")
        else:
            yield from reader.feed(line)
    yield from reader.close()
    report.others = reader.others


def _counted(lines: Iterable[str], report: FileReport) -> Iterator[str]:
    for line in lines:
        report.rows += 1
        yield line


def _cel(
    reader: cel.CelReader, lines: Iterable[str], layout: Layout, clock: Clock, report: FileReport
) -> Iterator[Past]:
    # A column that the file lacks is read as the empty text behind the last one.
    places = itemgetter(*(layout.columns.get(name, layout.width) for name in _CEL_COLUMNS))
    for number, fields in _fields(lines, layout, report):
        row = _cel_row(places([*fields, ""]), clock)
        if isinstance(row, str):
            report.refuse(number, row)
        else:
            yield from reader.feed(row)
    yield from reader.close()
    report.others = reader.others
    if reader.late * MOST_LATE > report.rows:
        raise cel.OutOfOrderError


def _cel_row(fields: Sequence[str], clock: Clock) -> cel.Row | str:
    event, time, uid, linkedid, *others = fields
    if event not in CEL_EVENTS:
        return f'no CEL event: "{event[:30]}"'
    at = clock.read(time)
    if at is None:
        return f'no time: "{time[:30]}"'
    if not uid or not linkedid:
        return "no uniqueid or linkedid"
    return cel.Row(at, event, uid, linkedid, *others)


def _cdr(
    lines: Iterable[str], layout: Layout, site: Site, clock: Clock, report: FileReport
) -> Iterator[Past]:
    reader = cdr.CdrReader(site.dialplan, site.rules)
    for number, fields in _fields(lines, layout, report):
        row = _cdr_row({name: fields[place] for name, place in layout.columns.items()}, clock)
        if isinstance(row, str):
            report.refuse(number, row)
        else:
            reader.feed(row)
    yield from reader.close()
    report.others = reader.others


def _cdr_row(fields: Mapping[str, str], clock: Clock) -> cdr.Row | str:
    start = clock.read(fields["start"])
    if start is None:
        return f'no time: "{fields["start"][:30]}"'
    if not fields["channel"]:
        return "no channel"
    end = clock.read(fields.get("end", ""))
    if end is None:
        duration = fields.get("duration", "").partition(".")[0]
        if not duration.isdigit() or len(duration) > 9:  # noqa: PLR2004 - no call lasts that long
            return f'neither an end nor a duration: "{duration[:30]}"'
        end = start + int(duration) * SECOND
    return cdr.Row(
        start, max(start, end), fields.get("uniqueid", ""), fields["channel"], fields["dstchannel"],
        fields["src"], fields["dcontext"], fields["lastapp"], fields["lastdata"],
        answered=fields["disposition"] == "ANSWERED",
    )  # fmt: skip


def _fields(lines: Iterable[str], layout: Layout, report: FileReport) -> Iterator[tuple[int, list[str]]]:
    """Split the rows of a CSV file; those of another width are bad.

    Each line for itself: a torn one, with a quote left open, must not swallow the next.
    """
    csv.field_size_limit(MAX_FIELD)
    header = layout.header
    for number, line in enumerate(lines, 1):
        try:
            fields = next(csv.reader((line,), delimiter=layout.delimiter), [])
        except csv.Error as error:
            fields = []
            report.rows += 1
            report.refuse(number, str(error))
        if not fields:
            continue
        if header:
            header = False
            continue
        report.rows += 1
        if len(fields) != layout.width:
            report.refuse(number, f"{len(fields)} columns, not {layout.width}")
        else:
            yield number, fields


# ── captures ─────────────────────────────────────────────────────────────────────────────────────


def read_capture(
    messages: Iterable[bytes], site: Site, countable: Iterable[str], report: FileReport
) -> History:
    """Run a capture through the live line; the capture itself says what its dialplan is.

    `countable`: all that any policy may count; whether there was a surge is asked for each of them.

    Raises:
        ValueError: if this is not a capture, in words for the user.

    """
    stream = iter(messages)
    header = capture.read_header(next(stream, b""))
    there = header.dialplan.numbers
    numbers = replace(site.dialplan.numbers, region=there.region, area_code=there.area_code)
    everything = replace(site.policy, weights=dict.fromkeys(countable, 1.0))
    replay = Replay(replace(header.dialplan, numbers=numbers), header.rules, everything)
    history = History()
    for entry in replay.run(_events(stream, report)):
        finding = entry.finding
        unproven = Unproven.LIVE if finding.outcome is Outcome.UNKNOWN else None
        history.add(Past(slim(finding), Source.CAPTURE, unproven, surge=entry.spared is Spared.SURGE))
        report.calls += 1
    return history


def _events(messages: Iterator[bytes], report: FileReport) -> Iterator[Event | Malformed | None]:
    line = 1
    for message in messages:
        report.rows += 1
        event: Event | Malformed | None = None
        try:
            event = capture.read(message)
        except (KeyError, ValueError):
            report.refuse(line, "not a message of siaga112's")
        if isinstance(event, Malformed):
            report.refuse(line, f"malformed message ({event.defect})")
        yield event
        line += message.count(b"\n") + 2
