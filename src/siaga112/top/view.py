"""The screen of `siaga112 top`: a frame, a width and a height → lines. It reads nothing and knows no clock.

Words say what colours say, so that nothing is lost without them.
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
from siaga112.top.lists import BAD, DIM, LEAST_ROOM, MEDIUM, OUTCOMES, Block, Lists, age, clock
from siaga112.top.watching import Day, Endpoint, Frame

WIDE: Final = 110
"""From this width on there are two columns."""

SIDE: Final = 41
"""The width of the right column, or of the left of two small tables."""

NAME: Final = 16
"""How much of a name stands before a value: a queue's can be long."""

SKEW: Final[Millis] = 10 * SECOND
"""A snapshot lives for seconds: one that seems older, or younger than now, tells of clocks that differ."""

MARKS: Final = {
    Mark.GENUINE: "genuine",
    Mark.INFORMATION: "information",
    Mark.SILENT: "silent",
    Mark.PRANK: "prank",
    None: "unmarked",
}

GOOD: Final = "green"
NOT_KNOWN: Final = ("not known", "")

_NamedValue = tuple[str, str, str]
"""A name, its value, the value's style."""


@dataclass(frozen=True, slots=True)
class Board:
    """The screen as rich draws it; as high as it may be, or as it needs if `paper`."""

    frame: Frame
    reveal: bool = False
    paper: bool = False

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[RenderableType]:
        height = None if self.paper else options.height or console.height
        yield view(self.frame, options.max_width, height, reveal=self.reveal)


def view(frame: Frame, width: int, height: int | None, *, reveal: bool = False) -> Group:
    """Draw a frame in that width; in that height, if there is one, the lists take what the rest leaves."""
    head = [_header(frame, width, "" if height is None else "q leaves"), *_problems(frame, width)]
    room = None if height is None else height - len(head)
    small = [_line(frame), _today(frame.day), _health(frame)]
    lists = Lists(frame, reveal=reveal)
    if width >= WIDE:
        while room is not None and sum(block.height + 1 for block in small) > room and len(small) > 1:
            small.pop()  # what is wrong stands at the top all the same
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
    """Say how many lines the small tables take: the first two beside the third, if that fits."""
    heights = [block.height + 1 for block in small]
    return sum(heights) if width < MEDIUM else max(sum(heights[:2]), sum(heights[2:]))


def _beside(left: RenderableType, left_width: int, right: RenderableType, right_width: int) -> Table:
    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(width=left_width)
    grid.add_column(width=right_width)
    grid.add_row(left, right)
    return grid


# ── the top ──────────────────────────────────────────────────────────────────────────────────────


def _header(frame: Frame, width: int, hint: str) -> Text:
    mode = frame.mode.value if frame.mode else "mode not known"
    line = Text.assemble((f"siaga112 {frame.site}", "bold"), f"  {mode}  {clock(frame.at, frame)}")
    line.no_wrap = True
    if (room := width - line.cell_len - len(hint)) > 1:
        line.append(" " * room)
        line.append(hint, DIM)
    line.truncate(width, overflow="ellipsis")
    return line


def _problems(frame: Frame, width: int) -> list[Text]:
    """Say in a line each what is not as it should be."""
    found = []
    if not frame.store_up:
        found.append(frame.store_problem)
    elif frame.snapshot is None:
        found.append("nobody tells what goes on: no tracking daemon has reached Redis for seconds")
    elif not frame.snapshot.connected:
        found.append("the PBX is not followed: calls and operators are as last seen")
    if frame.snapshot and abs(skew := frame.at - frame.snapshot.at) > SKEW:
        found.append(f"this machine's clock and the daemon's differ by {age(abs(skew))}")
    for name, endpoint in _endpoints(frame):
        if endpoint.problem:
            found.append(f"{name} {endpoint.url}: {endpoint.problem}")
        elif endpoint.vitals and not endpoint.vitals.redis_up:
            found.append(f"{name} does not reach Redis")
    return [
        Text(line, BAD, no_wrap=True)
        for text in found
        for line in wrap(f"! {printable(text)}", width, subsequent_indent="  ", max_lines=3, placeholder=" …")
    ]


def _endpoints(frame: Frame) -> list[tuple[str, Endpoint]]:
    if frame.screening is None:
        return [("daemon", frame.tracking)]
    return [("tracking", frame.tracking), ("screening", frame.screening)]


# ── the small tables ─────────────────────────────────────────────────────────────────────────────


def _pairs(rows: Sequence[_NamedValue]) -> tuple[Table, int]:
    """Draw what has a name and a value with its style, in a line each."""
    table = Table.grid(padding=(0, 2, 0, 0))
    room = min(NAME, max(len(name) for name, *_ in rows))
    table.add_column(style=DIM, no_wrap=True, overflow="ellipsis", min_width=room, max_width=NAME)
    table.add_column(no_wrap=True, overflow="ellipsis")
    for name, value, style in rows:
        table.add_row(Text(printable(name)), Text(printable(value), style))
    return table, table.row_count


def _line(frame: Frame) -> Block:
    snapshot = frame.snapshot
    rows: list[_NamedValue] = []
    if snapshot is None:
        rows = [("queue", *NOT_KNOWN), ("operators", *NOT_KNOWN)]
    else:
        for queue, (count, first) in sorted(snapshot.queues.items()):
            longest = snapshot.at - first
            style = BAD if longest > frame.answer_within else "yellow"
            rows.append((queue, f"{count} waiting, longest {age(longest)}", style))
        if not rows:
            rows.append(("queue", "nobody waits", ""))
        if snapshot.operators is None:
            rows.append(("operators", *NOT_KNOWN))
        else:
            counts = {state: snapshot.operators.get(state, 0) for state in OperatorState}
            value = ", ".join(f"{count} {state}" for state, count in counts.items())
            rows.append(("operators", value, "" if counts[OperatorState.AVAILABLE] else "yellow"))
        if snapshot.surge:
            rows.append(("surge", snapshot.surge, "yellow"))
    table, height = _pairs(rows)
    return Block("queue and operators", [table], height)


def _today(day: Day | None) -> Block:
    if day is None:
        return Block("today", [Text("not known")], 1)
    table = Table.grid(padding=(0, 2, 0, 0))
    for justify in ("left", "right", "left", "right"):
        table.add_column(no_wrap=True, justify=justify)
    notes = [(name, str(day.marks.get(mark, 0))) for mark, name in MARKS.items()]
    notes.append(("total", str(day.total)))
    for (outcome, name), (note, count) in zip(OUTCOMES.items(), notes, strict=True):
        style = "bold" if note == "total" else DIM
        table.add_row(name, str(day.outcomes.get(outcome, 0)), Text(note, style), Text(count, style))
    return Block("today", [table], len(OUTCOMES))


def _health(frame: Frame) -> Block:
    snapshot, vitals = frame.snapshot, frame.tracking.vitals
    rows = [("store", "ok", GOOD) if frame.store_up else ("store", "not usable", BAD), _pbx(frame)]
    if snapshot:
        rows.append(("snapshot", f"{max(0, frame.at - snapshot.at) / SECOND:.1f} s old", ""))
    else:
        rows.append(("snapshot", "none", BAD) if frame.store_up else ("snapshot", *NOT_KNOWN))
    for name, endpoint in _endpoints(frame):
        if endpoint.vitals:
            rows.append((name, f"up {age(frame.at - endpoint.vitals.started)}", ""))
        else:
            rows.append((name, "not reachable", BAD))
    rows += _screened(frame)
    outbox = (str(vitals.outbox), "yellow" if vitals.outbox else "") if vitals else NOT_KNOWN
    table, height = _pairs([*rows, ("outbox", *outbox)])
    return Block("health", [table], height)


def _pbx(frame: Frame) -> _NamedValue:
    snapshot, vitals = frame.snapshot, frame.tracking.vitals
    up = snapshot.connected if snapshot else vitals.ami_connected if vitals else None
    if up is None:
        return ("PBX", *NOT_KNOWN)
    last = f", last event {age(frame.at - vitals.last_event)} ago" if vitals and vitals.last_event else ""
    return ("PBX", f"ok{last}", GOOD) if up else ("PBX", f"not followed{last}", BAD)


def _screened(frame: Frame) -> list[_NamedValue]:
    verdicts = frame.verdicts
    if not any(endpoint.vitals for _, endpoint in _endpoints(frame)):
        return [("verdict p99", *NOT_KNOWN), ("fail-open", *NOT_KNOWN)]
    when = "since start" if verdicts.span is None else f"in {age(verdicts.span)}"
    p99 = "no verdict yet"
    if verdicts.p99 is not None:
        p99 = f"{_short(verdicts.p99)}, {verdicts.count} {when}"
    causes = ", ".join(f"{count} {cause}" for cause, count in sorted(frame.fail_open.items()))
    return [("verdict p99", p99, ""), ("fail-open", causes or "none", BAD if causes else "")]


def _short(seconds: float) -> str:
    return f"{seconds * 1000:.1f} ms" if seconds < 1 else "1 s or more"
