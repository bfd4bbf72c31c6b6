"""The screen of `siaga112 top`: turns a frame, a width and a height into lines. It has no input and no clock.

Every colour is also said in words, so that nothing is lost without colours.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from textwrap import wrap
from typing import Final

from rich.console import Console, ConsoleOptions, Group, RenderableType
from rich.table import Table
from rich.text import Text

from siaga112.core.model import (
    SECOND,
    Mark,
    Millis,
    OperatorState,
)
from siaga112.core.text import printable
from siaga112.terminal import labels
from siaga112.top.lists import BAD, DIM, LEAST_ROOM, MEDIUM, OUTCOMES, Block, Lists, cause, clock, short
from siaga112.top.watching import Day, Endpoint, Frame
from siaga112.words import Tongue, tongue

WIDE: Final = 110
"""The least width with two columns."""

SIDE: Final = 41
"""The width of the right column, or of the left of two small tables."""

NAME: Final = 16
"""The widest name before a value: a queue's name can be long."""

SKEW: Final[Millis] = 10 * SECOND
"""A snapshot lives for seconds: if it seems older than this, or in the future, the clocks differ."""

MARKS: Final = (Mark.GENUINE, Mark.INFORMATION, Mark.SILENT, Mark.PRANK)

GOOD: Final = "green"

_NamedValue = tuple[str, str, str]
"""A name, its value, the value's style."""


@dataclass(frozen=True, slots=True)
class Board:
    """The screen as a rich renderable, as high as the terminal, or as high as needed with `paper`."""

    frame: Frame
    t: Tongue
    reveal: bool = False
    paper: bool = False

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[RenderableType]:
        height = None if self.paper else options.height or console.height
        yield view(self.frame, options.max_width, height, reveal=self.reveal, t=self.t)


def view(
    frame: Frame, width: int, height: int | None, *, reveal: bool = False, t: Tongue | None = None
) -> Group:
    """Return the frame drawn to that width and height; the lists take what the other parts leave."""
    t = t or tongue()
    head = [_header(frame, width, "" if height is None else t("q quits"), t), *_problems(frame, width, t)]
    room = None if height is None else height - len(head)
    small = [_line(frame, t), _today(frame.day, t), _health(frame, t)]
    lists = Lists(frame, t, reveal=reveal)
    if width >= WIDE:
        while room is not None and sum(block.height + 1 for block in small) > room and len(small) > 1:
            small.pop()  # problems are at the top anyway
        left = width - SIDE - 2
        calls, operators, last = lists.blocks(left, room)
        listed = [block.drawn(left) for block in (calls, *operators, last)]
        side = [block.drawn(SIDE) for block in small]
        return Group(*head, _beside(Group(*listed), left, Group(*side), SIDE))
    while room is not None and room - _height(small, width) < LEAST_ROOM and len(small) > 1:
        small.pop()
    calls, operators, last = lists.blocks(width, None if room is None else room - _height(small, width))
    if width < MEDIUM:
        blocks = (calls, small[0], *operators, *small[1:2], last, *small[2:])
        return Group(*head, *(block.drawn(width) for block in blocks))
    right = width - SIDE - 2
    first = Group(*(block.drawn(SIDE) for block in small[:2]))
    second = Group(*(block.drawn(right) for block in small[2:]))
    listed = [block.drawn(width) for block in (*operators, last)]
    return Group(*head, calls.drawn(width), _beside(first, SIDE, second, right), *listed)


def _height(small: Sequence[Block], width: int) -> int:
    """Return the height of the small tables: the first two beside the third, if that fits."""
    heights = [block.height + 1 for block in small]
    return sum(heights) if width < MEDIUM else max(sum(heights[:2]), sum(heights[2:]))


def _beside(left: RenderableType, left_width: int, right: RenderableType, right_width: int) -> Table:
    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(width=left_width)
    grid.add_column(width=right_width)
    grid.add_row(left, right)
    return grid


# ── the top ──────────────────────────────────────────────────────────────────────────────────────


def _header(frame: Frame, width: int, hint: str, t: Tongue) -> Text:
    mode = labels.word(frame.mode, t) if frame.mode else t("mode not known")
    line = Text.assemble((f"siaga112 {frame.site}", "bold"), f"  {mode}  {clock(frame.at, frame)}")
    line.no_wrap = True
    if (room := width - line.cell_len - len(hint)) > 1:
        line.append(" " * room)
        line.append(hint, DIM)
    line.truncate(width, overflow="ellipsis")
    return line


def _problems(frame: Frame, width: int, t: Tongue) -> list[Text]:
    """Return one line for each problem."""
    found = []
    if not frame.store_up:
        found.append(t.told(frame.store_problem))
    elif frame.snapshot is None:
        found.append(t("no live data: no tracking daemon has updated Redis in the last 5 s"))
    elif not frame.snapshot.connected:
        found.append(t("no connection to the PBX: calls and operators are as last seen"))
    if frame.snapshot and abs(skew := frame.at - frame.snapshot.at) > SKEW:
        found.append(
            t("this machine's clock and the daemon's differ by {span}", span=labels.age(abs(skew), t))
        )
    for name, endpoint in _endpoints(frame, t):
        if endpoint.problem:
            found.append(f"{name} {endpoint.url}: {t.told(endpoint.problem)}")
        elif endpoint.vitals and not endpoint.vitals.redis_up:
            found.append(t("{name} cannot reach Redis", name=name))
    return [
        Text(line, BAD, no_wrap=True)
        for text in found
        for line in wrap(f"! {printable(text)}", width, subsequent_indent="  ", max_lines=3, placeholder=" …")
    ]


def _endpoints(frame: Frame, t: Tongue) -> list[tuple[str, Endpoint]]:
    if frame.screening is None:
        return [(t("daemon"), frame.tracking)]
    return [(t("tracking"), frame.tracking), (t("screening"), frame.screening)]


# ── the small tables ─────────────────────────────────────────────────────────────────────────────


def _pairs(rows: Sequence[_NamedValue]) -> tuple[Table, int]:
    """Return a table with one line per name, value and style, and its height."""
    table = Table.grid(padding=(0, 2, 0, 0))
    room = min(NAME, max(len(name) for name, *_ in rows))
    table.add_column(style=DIM, no_wrap=True, overflow="ellipsis", min_width=room, max_width=NAME)
    table.add_column(no_wrap=True, overflow="ellipsis")
    for name, value, style in rows:
        table.add_row(Text(printable(name)), Text(printable(value), style))
    return table, table.row_count


def _line(frame: Frame, t: Tongue) -> Block:
    snapshot = frame.snapshot
    rows: list[_NamedValue] = []
    queued, operators = t("queue"), t("operators")
    if snapshot is None:
        rows = [(queued, t("not known"), ""), (operators, t("not known"), "")]
    else:
        for queue, (count, first) in sorted(snapshot.queues.items()):
            longest = snapshot.at - first
            style = BAD if longest > frame.answer_within else "yellow"
            rows.append(
                (queue, t("{count} waiting, longest {span}", count=count, span=labels.age(longest, t)), style)
            )
        if not rows:
            rows.append((queued, t("nobody waits"), ""))
        if snapshot.operators is None:
            rows.append((operators, t("not known"), ""))
        else:
            counts = {state: snapshot.operators.get(state, 0) for state in OperatorState}
            value = ", ".join(f"{count} {labels.word(state, t)}" for state, count in counts.items())
            rows.append((operators, value, "" if counts[OperatorState.AVAILABLE] else "yellow"))
        if snapshot.surge:
            rows.append((t("surge"), labels.surge(snapshot.surge, t), "yellow"))
    table, height = _pairs(rows)
    return Block(t("queue and operators"), [table], height)


def _today(day: Day | None, t: Tongue) -> Block:
    if day is None:
        return Block(t("today"), [Text(t("not known"))], 1)
    table = Table.grid(padding=(0, 2, 0, 0))
    for justify in ("left", "right", "left", "right"):
        table.add_column(no_wrap=justify == "right", justify=justify)  # names shrink before figures do
    notes = [(short(mark, t), day.marks.get(mark, 0)) for mark in MARKS]
    notes += [(t("unmarked"), day.marks.get(None, 0)), (t("total"), day.total)]
    for outcome, (note, count) in zip(OUTCOMES, notes, strict=True):
        style = "bold" if outcome is OUTCOMES[-1] else DIM
        table.add_row(
            Text(short(outcome, t), no_wrap=True, overflow="ellipsis"),
            str(day.outcomes.get(outcome, 0)),
            Text(note, style, no_wrap=True, overflow="ellipsis"),
            Text(str(count), style),
        )
    return Block(t("today"), [table], len(OUTCOMES))


def _health(frame: Frame, t: Tongue) -> Block:
    snapshot, vitals = frame.snapshot, frame.tracking.vitals
    seen, unknown = t("snapshot"), (t("not known"), "")
    store = (t("ok"), GOOD) if frame.store_up else (t("not usable"), BAD)
    rows: list[_NamedValue] = [(t("store"), *store), _pbx(frame, t)]
    if snapshot:
        old = t.decimal(max(0, frame.at - snapshot.at) / SECOND)
        rows.append((seen, t("{seconds} s old", seconds=old), ""))
    else:
        rows.append((seen, t("none"), BAD) if frame.store_up else (seen, *unknown))
    for name, endpoint in _endpoints(frame, t):
        if endpoint.vitals:
            rows.append((name, t("up {span}", span=labels.age(frame.at - endpoint.vitals.started, t)), ""))
        else:
            rows.append((name, t("not reachable"), BAD))
    rows += _screened(frame, t)
    outbox = (str(vitals.outbox), "yellow" if vitals.outbox else "") if vitals else unknown
    table, height = _pairs([*rows, (t("outbox"), *outbox)])
    return Block(t("health"), [table], height)


def _pbx(frame: Frame, t: Tongue) -> _NamedValue:
    snapshot, vitals = frame.snapshot, frame.tracking.vitals
    up = snapshot.connected if snapshot else vitals.ami_connected if vitals else None
    if up is None:
        return ("PBX", t("not known"), "")
    said = t("ok") if up else t("not followed")
    if vitals and vitals.last_event:
        said += t(", last event {span} ago", span=labels.age(frame.at - vitals.last_event, t))
    return ("PBX", said, GOOD if up else BAD)


def _screened(frame: Frame, t: Tongue) -> list[_NamedValue]:
    verdicts, slowest, opened = frame.verdicts, t("verdict p99"), t("fail-open")
    if not any(endpoint.vitals for _, endpoint in _endpoints(frame, t)):
        return [(slowest, t("not known"), ""), (opened, t("not known"), "")]
    when = t("since start") if verdicts.span is None else t("in {span}", span=labels.age(verdicts.span, t))
    p99 = t("no verdict yet")
    if verdicts.p99 is not None:
        p99 = f"{_short(verdicts.p99, t)}, {verdicts.count} {when}"
    causes = ", ".join(f"{count} {cause(why, t)}" for why, count in sorted(frame.fail_open.items()))
    return [(slowest, p99, ""), (opened, causes or t("none"), BAD if causes else "")]


def _short(seconds: float, t: Tongue) -> str:
    return f"{t.decimal(seconds * 1000)} ms" if seconds < 1 else t("1 s or more")
