"""The lines of a file → past calls, and a report of the bad lines."""

import csv
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from operator import itemgetter
from typing import Final, TypeVar

from siaga112.backtest import cdr, cel
from siaga112.backtest.columns import Clock, Layout, shown, why_no_time
from siaga112.backtest.elsewhere import HERE, Relay
from siaga112.backtest.forms import FOOT, RULE, splitter
from siaga112.backtest.history import History, Past, Source, deciding, of_live
from siaga112.backtest.orders import ANSWERED, CEL_EVENTS, DISPOSITIONS, OLD_EVENTS, UNIQUEID
from siaga112.backtest.queue_log import QueueReader, Settled
from siaga112.backtest.skew import Skew
from siaga112.backtest.spool import MemorySpool, Spool
from siaga112.backtest.where import Where
from siaga112.captures import capture
from siaga112.captures.replay import Replay
from siaga112.core.ami.events import Event, Malformed
from siaga112.core.model import SECOND, CallId
from siaga112.core.outcome import ClassifierRules
from siaga112.core.queue_log import CALL_FIELDS, QueueRecord, is_banner, of_a_call
from siaga112.core.regulation import PolicyRules
from siaga112.core.rules import Dialplan, Rules
from siaga112.core.text import whole

_Item = TypeVar("_Item")

SHOWN: Final = 10
"""How many bad rows are shown with their numbers."""

MOST_LATE: Final = 10
"""If more than one row in this many comes too late, the file counts as unsorted."""

_CEL_COLUMNS: Final = (
    *("eventtype", "eventtime", "uniqueid", "linkedid", "channame", "context", "exten", "appname"),
    *("appdata", "cidnum", "peer", "extra"),
)
"""The columns of a `cel.CelRow`, in the order of `_cel_row`."""


@dataclass(frozen=True, slots=True)
class BadRow:
    """A row that cannot be read: its line number, and why."""

    line: int
    why: str


@dataclass(slots=True)
class FileReport:
    """What was read from a file."""

    name: str
    source: Source
    rows: int = 0
    bad: int = 0
    shown: list[BadRow] = field(default_factory=list)
    calls: int = 0
    others: int = 0
    """Calls that are not the emergency line's."""
    notes: list[str] = field(default_factory=list)
    """Other remarks on the file."""

    def refuse(self, line: int, why: str) -> None:
        """Count a bad row; keep the first few."""
        self.bad += 1
        if len(self.shown) < SHOWN:
            self.shown.append(BadRow(line, why))


@dataclass(frozen=True, slots=True)
class Site:
    """What the readers need to know of the centre."""

    dialplan: Dialplan
    rules: ClassifierRules
    policy: PolicyRules


@dataclass(slots=True)
class _Task:
    """A file to read, with what that needs. `doubted`: calls that prove nothing."""

    lines: Iterable[str]
    layout: Layout
    clock: Clock
    report: FileReport
    skew: Skew
    doubted: set[CallId] = field(default_factory=set)


def read_lines(
    lines: Iterable[str],
    layout: Layout,
    site: Site,
    clock: Clock,
    report: FileReport,
    *,
    history: History | None = None,
    spool: Callable[[], Spool] = MemorySpool,
    relay: Relay = HERE,
) -> History:
    """Read a file of rows (any but a capture), into `history` if given.

    Raises:
        OutOfOrderError: if a CEL file is not in order of time.
        ValueError: if no row could be read; the message is for the user.

    """
    history = History() if history is None else history
    task = _Task(lines, layout, clock, report, Skew(layout.source))
    match layout.source:
        case Source.QUEUE_LOG:
            found = _of_queue_log(QueueReader(site.dialplan, site.rules), task, relay)
        case Source.CDR:
            rows = cdr.CdrReader(site.dialplan, site.rules, spool)
            history.led = rows.led
            found = _cdr(rows, task)
        case _:
            reader = cel.CelReader(site.dialplan, site.rules)
            history.led = reader.led
            found = _of_cel(reader, task, relay)
    for past in found:
        history.add(Past(past.finding, past.source, past.unproven, past.surge, past.lines, report.name))
        report.calls += 1
    history.doubt(task.doubted)
    if report.bad and report.bad == report.rows:
        first = report.shown[0]
        raise ValueError(f"no row could be read; the first, line {first.line}: {first.why}")
    if said := task.skew.said(clock.zone):
        report.notes.append(said)
    return history


def _of_queue_log(reader: QueueReader, task: _Task, relay: Relay) -> Iterator[Past]:
    for settled in _settled(_queue_log(reader, task), task, relay):
        yield from reader.judge(settled)


def _of_cel(reader: cel.CelReader, task: _Task, relay: Relay) -> Iterator[Past]:
    for settled in _settled(_cel(reader, task), task, relay):
        yield from reader.judge(settled)
    task.report.others = reader.others


def _settled(made: Iterator[_Item], task: _Task, relay: Relay) -> Iterator[_Item]:
    """Yield the settled calls; take over the report from the process that read the rows."""
    report, skew, doubted = yield from relay.made(made, lambda: (task.report, task.skew, task.doubted))
    task.skew, task.doubted = skew, doubted
    for name in ("rows", "bad", "shown", "others"):
        setattr(task.report, name, getattr(report, name))


def _queue_log(reader: QueueReader, task: _Task) -> Iterator[Settled]:
    for record in _table(task) if task.layout.columns else _log(task):
        if record.event == "ENTERQUEUE":
            task.skew.feed(record.call, record.at)
        yield from reader.feed(record)
    yield from reader.close()
    task.report.others = reader.others


def _log(task: _Task) -> Iterator[QueueRecord]:
    """Parse Asterisk's own file; its times may also be text."""
    clock, report = task.clock, task.report
    for number, line in enumerate(task.lines, 1):
        report.rows += 1
        text = line.strip()
        if not text or is_banner(text):
            continue
        fields = text.split("|")
        if len(fields) < CALL_FIELDS:
            report.refuse(number, "not of the form time|call|queue|member|event|…")
            continue
        at = clock.read(fields[0])
        if at is None:
            report.refuse(number, why_no_time(fields[0]))
        elif of_a_call(fields[1]):
            queue, member, event = fields[2:5]
            yield QueueRecord(at, CallId(fields[1]), queue, event, tuple(fields[5:]), number, member)


_DATA: Final = ("data1", "data2", "data3", "data4", "data5")


def _table(task: _Task) -> Iterator[QueueRecord]:
    """Parse the table `queue_log` of a database: a column for each datum, or one for all."""
    columns, report = task.layout.columns, task.report
    names = ("time", "callid", "queuename", "event", *(name for name in _DATA if name in columns))
    places = itemgetter(*(columns[name] for name in names))
    whole, member = (columns.get(name, task.layout.width) for name in ("data", "agent"))
    for number, fields in _fields(task):
        time, call, queue, event, *data = places(fields)
        at = task.clock.read(time)
        if at is None:
            report.refuse(number, why_no_time(time))
        elif not event:
            report.refuse(number, "no event")
        elif of_a_call(call):
            given = [*fields, ""]
            told = data if any(data) or not given[whole] else given[whole].split("|")
            yield QueueRecord(at, CallId(call), queue, event, tuple(told), number, given[member])


def _cel(reader: cel.CelReader, task: _Task) -> Iterator[cel.Settled]:
    layout, report = task.layout, task.report
    # A missing column is read from the empty text appended to each row.
    places = itemgetter(*(layout.columns.get(name, layout.width) for name in _CEL_COLUMNS))
    own, first, known = 0, BadRow(0, ""), False
    for number, fields in _fields(task):
        row = _cel_row(places([*fields, ""]), task.clock, number)
        if isinstance(row, str):
            report.refuse(number, row)
            continue
        if row.event == _OWN:
            first = (
                first
                if own
                else BadRow(number, f'no CEL event: "{shown(fields[layout.columns["eventtype"]])}"')
            )
            own += 1
        known = known or row.event in CEL_EVENTS
        if row.event == "CHAN_START" and row.uid == row.linkedid:
            task.skew.feed(row.uid, row.at)
        yield from reader.feed(row)
    yield from reader.close()
    task.doubted = reader.doubted
    if own and not known:
        report.refuse(first.line, first.why)
        report.bad += own - 1
    if reader.late * MOST_LATE > report.rows:
        raise cel.OutOfOrderError


_OWN: Final = ""
"""Any event that is not one of Asterisk's: the dialplan's own (CELGenUserEvent), or an unknown old one."""

LONGEST_NAME: Final = 80
"""The longest name of an event (channel.h)."""


def _cel_row(fields: Sequence[str], clock: Clock, number: int) -> cel.CelRow | str:
    event, time, uid, linkedid, channel, context, exten, app, data, caller, peer, extra = fields
    if event not in CEL_EVENTS:
        if not event or len(event) > LONGEST_NAME:
            return f'no CEL event: "{shown(event)}"'
        event = OLD_EVENTS.get(event, _OWN)
    at = clock.read(time)
    if at is None:
        return why_no_time(time)
    if "." not in uid or "." not in linkedid:
        return f'no uniqueid or linkedid: "{shown(uid)}", "{shown(linkedid)}"'
    return cel.CelRow(
        at, event, uid, linkedid, channel, context, exten, app, data, caller, peer, extra, number
    )  # fmt: skip


def _cdr(reader: cdr.CdrReader, task: _Task) -> Iterator[Past]:
    layout, report = task.layout, task.report
    places = itemgetter(*(layout.columns.get(name, layout.width) for name in _CDR_COLUMNS))
    for number, fields in _fields(task):
        row = _cdr_row(places([*fields, ""]), task.clock, number)
        if isinstance(row, str):
            report.refuse(number, row)
        else:
            task.skew.feed(row.uid, row.start)
            reader.feed(row)
    yield from reader.close()
    report.others = reader.others


_CDR_COLUMNS: Final = (
    *("start", "end", "duration", "disposition", "uniqueid", "channel", "dstchannel", "src", "dcontext"),
    *("lastapp", "lastdata", "dst"),
)


def _cdr_row(fields: Sequence[str], clock: Clock, number: int) -> cdr.CdrRow | str:
    began, ended, duration, given, uid, channel, other, source, context, app, data, exten = fields
    start = clock.read(began)
    if start is None:
        return why_no_time(began)
    if not channel:
        return "no channel"
    disposition = DISPOSITIONS.get(given.strip().upper())
    if disposition is None:
        return f'no disposition: "{shown(given)}"'
    if uid and not UNIQUEID.fullmatch(uid):
        return f'no uniqueid: "{shown(uid)}"'
    end = clock.read(ended)
    if end is None:
        lasted = whole(duration.partition(".")[0], 9)  # at most 9 digits
        if lasted is None:
            return f'neither an end nor a duration: "{shown(duration)}"'
        end = start + lasted * SECOND
    return cdr.CdrRow(
        start, max(start, end), uid, channel, other, source, context, app, data,
        answered=disposition == ANSWERED, line=number, exten=exten,
    )  # fmt: skip


def _fields(task: _Task) -> Iterator[tuple[int, list[str]]]:
    """Yield the split rows of a table. Other widths are bad rows; a client's rules and counts are skipped."""
    layout, report = task.layout, task.report
    split = splitter(layout.form, layout.delimiter, layout.width, layout.cuts)
    head = list(layout.names)
    for number, line in enumerate(task.lines, 1):
        if number <= layout.header:
            continue
        try:
            fields = split(line)
        except csv.Error as error:
            report.rows += 1
            report.refuse(number, str(error))
            continue
        if len(fields) == layout.width:
            if fields != head:  # the head again, in a file joined from several
                report.rows += 1
                yield number, fields
            continue
        text = line.strip()
        if text and not RULE.fullmatch(text) and not FOOT.fullmatch(text):
            report.rows += 1
            report.refuse(number, f"{len(fields)} columns, not {layout.width}")


# ── captures ─────────────────────────────────────────────────────────────────────────────────────


def read_capture(
    messages: Iterable[bytes],
    site: Site,
    countable: Iterable[str],
    report: FileReport,
    *,
    history: History | None = None,
) -> History:  # fmt: skip
    """Replay a capture through the live code, with the dialplan in its header.

    `countable`: everything that any policy may count, so that a surge is detected for all of it.

    Raises:
        ValueError: if this is not a capture; the message is for the user.

    """
    stream = iter(messages)
    head = next(stream, b"")
    header = capture.read_header(head)
    there = header.dialplan.numbers
    numbers = replace(site.dialplan.numbers, region=there.region, area_code=there.area_code)
    everything = replace(site.policy, weights=dict.fromkeys(countable, 1.0))
    replay = Replay(Rules(replace(header.dialplan, numbers=numbers), header.rules, everything))
    history = History() if history is None else history
    where = Where()
    for entry in replay.run(_events(stream, report, where, head.count(b"\n") + 3)):
        lines = deciding(entry.finding, where.of(entry.finding.call.id))
        history.add(of_live(entry, lines, report.name))
        report.calls += 1
    history.reached += replay.reached
    return history


def _events(
    messages: Iterator[bytes], report: FileReport, where: Where, line: int
) -> Iterator[Event | Malformed | None]:
    for message in messages:
        report.rows += 1
        where.feed(message, line)
        event: Event | Malformed | None = None
        try:
            event = capture.read(message)
        except (KeyError, ValueError):
            report.refuse(line, "not a message of siaga112's")
        if isinstance(event, Malformed):
            report.refuse(line, f"malformed message ({event.defect})")
        yield event
        line += message.count(b"\n") + 2
