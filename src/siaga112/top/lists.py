"""The lists of `siaga112 top` (calls in progress, operators, last calls), fitted to the available lines."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Final

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from siaga112.core.caller_id import masked
from siaga112.core.model import (
    SECOND,
    Caller,
    CallInProgress,
    Entry,
    FactKind,
    Millis,
    OperatorNow,
    OperatorState,
    Outcome,
    Stage,
    Verdict,
)
from siaga112.core.screening import ScreenReason
from siaga112.core.text import printable
from siaga112.terminal import labels
from siaga112.terminal.columns import Size, fitted
from siaga112.top.watching import Frame
from siaga112.words import Tongue

MEDIUM: Final = 64
"""The least width with the small tables side by side."""

OPERATOR: Final = 24
"""The longest part of an operator's name that is shown."""

LAST_ON_PAPER: Final = 15
"""The number of calls listed where the height is unlimited."""

STAGES: Final = {Stage.QUEUE: "yellow", Stage.TALKING: "green", Stage.IVR: "cyan", Stage.SCREENING: ""}

OPERATORS: Final = {OperatorState.PAUSED: "yellow", OperatorState.BUSY: "green", OperatorState.AVAILABLE: ""}

LEAST_ROOM: Final = 9
"""The fewest lines for the two lists of calls; everything else gives way to them."""

OPERATORS_SHARE: Final = 3
"""Operators get at most one line in so many."""

OUTCOMES: Final = (
    *(Outcome.ANSWERED, Outcome.ABANDONED, Outcome.UNSERVED, Outcome.IVR_PRANK, Outcome.BLOCKED),
    Outcome.UNKNOWN,
)
"""In the order on the screen."""

BAD: Final = "bold red"
DIM: Final = "dim"


def clock(at: Millis, frame: Frame) -> str:
    """Format a time in the site's time zone."""
    return f"{datetime.fromtimestamp(at / SECOND, UTC).astimezone(frame.zone):%H:%M:%S}"


def short(word: StrEnum, t: Tongue) -> str:
    """Return the everyday word for a value, without the explanation in brackets: the screen is narrow."""
    return labels.of(word, t).partition(" (")[0]


@dataclass(frozen=True, slots=True)
class Block:
    """A titled part of the screen: its lines, and their number."""

    title: str
    lines: Sequence[RenderableType]
    height: int

    def drawn(self, width: int) -> Group:
        """Return the part with its title."""
        title = Text(f"{self.title} ", "bold", no_wrap=True, overflow="ellipsis")
        title.append("─" * max(0, width - title.cell_len), DIM)
        title.truncate(width)
        return Group(title, *self.lines)


@dataclass(frozen=True, eq=False)
class _Column:
    """A column. When space runs out, it is cut to `least`, or left out by its rank (`fitted`)."""

    title: str
    rank: int
    cells: Sequence[Text]
    right: bool = False
    least: int = 1_000
    most: int = 1_000

    @property
    def width(self) -> int:
        return min(self.most, max(len(self.title), *(cell.cell_len for cell in self.cells)))


def _table(columns: Sequence[_Column], width: int, *, headed: bool = True) -> Table:
    gap = 2 if width >= MEDIUM else 1
    sizes = [Size(column.rank, column.width, min(column.least, column.width)) for column in columns]
    widths = fitted(sizes, width, gap)
    shown = {column: room for column, room in zip(columns, widths, strict=True) if room}
    table = Table(
        box=None,
        padding=(0, gap, 0, 0),
        pad_edge=False,
        header_style=DIM,
        show_edge=False,
        show_header=headed,
    )
    for column, room in shown.items():
        table.add_column(
            column.title,
            width=room,
            no_wrap=True,
            overflow="ellipsis",
            justify="right" if column.right else "left",
        )
    for cells in zip(*(column.cells for column in shown), strict=True):
        table.add_row(*cells)
    return table


class Lists:
    """The calls in progress, the operators, and the last calls, fitted to the available lines."""

    def __init__(self, frame: Frame, t: Tongue, *, reveal: bool) -> None:
        self._frame = frame
        self.t = t
        self._reveal = reveal
        self._going = frame.snapshot.calls if frame.snapshot else ()
        self._operators = frame.snapshot.logged_in if frame.snapshot else ()
        ended = {entry.finding.call.id for entry in frame.ended}
        screened = [call for call in self._going if call.screened and call.call not in ended]
        rows = [*map(self._going_row, screened), *map(self._ended_row, frame.ended)]
        self._last = sorted(rows, key=lambda row: row[0], reverse=True)

    def blocks(self, width: int, room: int | None) -> tuple[Block, Sequence[Block], Block]:
        """Divide the lines, titles included: first the operators' part, then two thirds and one for calls.

        Each list of calls also takes what the other does not need.
        """
        operators = self._on_duty(width, room)
        if room is not None:
            room -= sum(block.height + 1 for block in operators)
        need, also = len(self._going), len(self._last)
        if room is None:
            first, second = need, LAST_ON_PAPER
        else:
            rows = max(2, room - 4)
            first = min(max(need, 1), max(rows * 2 // 3, rows - max(also, 1)))
            second = rows - first
        return self._progress(width, first), operators, self._verdicts(width, second)

    def _on_duty(self, width: int, room: int | None) -> list[Block]:
        """Return the part for operators; none if fewer than two lines are free: the count is shown anyway."""
        snapshot = self._frame.snapshot
        if not snapshot or not self._operators:
            return []
        total = max(len(self._operators), sum((snapshot.operators or {}).values()))
        rows = total if room is None else min(room // OPERATORS_SHARE, room - LEAST_ROOM) - 1
        if rows < min(2, total):
            return []
        shown = self._operators[: rows if total <= rows else rows - 1]
        lines: list[RenderableType] = [self._operators_table(shown, snapshot.at, width)]
        if total > len(shown):
            lines.append(Text(self.t("and {count} more", count=total - len(shown)), DIM))
        return [Block(self.t("operators"), lines, len(shown) + len(lines) - 1)]

    def _operators_table(self, shown: Sequence[OperatorNow], now: Millis, width: int) -> Table:
        def spent(one: OperatorNow) -> Text:
            return Text(labels.age(now - one.since, self.t) if one.since else "-")

        def began(one: OperatorNow) -> Text:
            return Text(clock(one.since, self._frame) if one.since else "-", DIM)

        return _table(
            [
                _Column("", 0, [Text(printable(one.name)) for one in shown], most=OPERATOR),
                _Column("", 1, [Text(labels.word(one.state, self.t), OPERATORS[one.state]) for one in shown]),
                _Column("", 2, [spent(one) for one in shown], right=True),
                _Column("", 4, [began(one) for one in shown]),
                _Column("", 3, [Text(printable(one.reason)) for one in shown], least=6),
            ],
            width,
            headed=False,
        )

    def _progress(self, width: int, rows: int) -> Block:
        snapshot = self._frame.snapshot
        if snapshot is None:
            return Block(self.t("calls in progress"), [Text(self.t("not known"))], 1)
        total = sum(snapshot.stages.values())
        counts = ", ".join(
            f"{snapshot.stages[stage]} {labels.word(stage, self.t)}"
            for stage in STAGES
            if snapshot.stages.get(stage)
        )
        title = self.t("calls in progress: {count}", count=total)
        if counts and width >= MEDIUM:
            title += f" ({counts})"
        if not self._going:
            return Block(title, [Text(self.t("none"), DIM)], 1)
        cut = len(self._going) > rows
        shown = self._going[: max(0, rows - 1) if cut else rows]
        lines: list[RenderableType] = [self._progress_table(shown, snapshot.at, width)] if shown else []
        if total > len(shown):
            lines.append(Text(self.t("and {count} more", count=total - len(shown)), DIM))
        return Block(title, lines, len(shown) + bool(shown) + (total > len(shown)))

    def _progress_table(self, calls: Sequence[CallInProgress], now: Millis, width: int) -> Table:
        def column(
            title: str, rank: int, cell: Callable[[CallInProgress], Text], *, right: bool = False, **room: int
        ) -> _Column:
            return _Column(title, rank, [cell(call) for call in calls], right, **room)

        def waited(call: CallInProgress) -> Text:
            late = call.stage is Stage.QUEUE and now - call.since > self._frame.answer_within
            return Text(labels.age(now - call.since, self.t), BAD if late else "")

        t = self.t
        talks = [
            column(t("operator"), 5, lambda call: Text(printable(call.operator)), most=OPERATOR, least=16)
        ]
        return _table(
            [
                column(t("stage"), 0, lambda call: Text(labels.word(call.stage, t), STAGES[call.stage])),
                column(t("for"), 1, waited, right=True),
                column(t("caller"), 2, lambda call: self._caller(call.caller)),
                column(t("verdict"), 3, lambda call: _verdict(call.screened, t)[0]),
                column("", 7, lambda call: _verdict(call.screened, t)[1]),
                *(talks if any(call.operator for call in calls) else []),
                column(t("queue"), 6, lambda call: Text(printable(call.queue or "-"))),
                column(t("age"), 4, lambda call: Text(labels.age(now - call.started, t)), right=True),
                column(t("call"), 8, lambda call: Text(printable(call.call), DIM)),
            ],
            width,
        )

    def _verdicts(self, width: int, rows: int) -> Block:
        t = self.t
        title = t("last verdicts")
        if not self._frame.store_up:
            return Block(title, [Text(t("not known"))], 1)
        shown = self._last[:rows]
        if not shown:
            return Block(title, [Text(t("no call today"), DIM)], 1)
        at, caller, verdict, why, outcome, notes, call = zip(*(row for _, row in shown), strict=True)
        if width < MEDIUM:
            at = tuple(moment[:-3] for moment in at)
        columns = [
            _Column(t("at"), 0, at),
            _Column(t("caller"), 1, caller),
            _Column(t("verdict"), 3, verdict),
            _Column("", 4, why),
            _Column(t("outcome"), 2, outcome),
            _Column("", 5, notes, least=8),
            _Column(t("call"), 6, call),
        ]
        return Block(title, [_table(columns, width)], len(shown) + 1)

    def _going_row(self, call: CallInProgress) -> tuple[Millis, tuple[Text, ...]]:
        return call.started, (
            Text(clock(call.started, self._frame)),
            self._caller(call.caller),
            *_verdict(call.screened, self.t),
            Text(self.t("in {stage}", stage=labels.word(call.stage, self.t)), STAGES[call.stage]),
            Text(""),
            Text(printable(call.call), DIM),
        )

    def _ended_row(self, entry: Entry) -> tuple[Millis, tuple[Text, ...]]:
        finding, call, t = entry.finding, entry.finding.call, self.t
        screened = call.last(FactKind.SCREENED)
        notes = [labels.word(finding.reason, t)]
        if finding.mark:
            notes.append(t("marked {mark}", mark=labels.word(finding.mark, t)))
        if entry.strike:
            notes.append(t("strike"))
        return call.started, (
            Text(clock(call.started, self._frame)),
            self._caller(call.caller),
            *_verdict(screened.detail if screened else "", t),
            Text(short(finding.outcome, t), "red" if finding.outcome is Outcome.UNSERVED else ""),
            Text(", ".join(notes)),
            Text(printable(call.id), DIM),
        )

    def _caller(self, caller: Caller | None) -> Text:
        if caller is None:
            return Text(self.t("withheld"), DIM)
        return Text(printable(caller if self._reveal else masked(caller)))


def _verdict(screened: str, t: Tongue) -> tuple[Text, Text]:
    """Return a verdict and its reason; a call without a verdict never reached a daemon."""
    found = printable(screened)
    style = "red" if found.startswith(Verdict.BLOCK) else "" if found else DIM
    verdict, reason = labels.screened(found, t)
    return Text(verdict or t("none"), style), Text(reason, style)


def cause(reason: str, t: Tongue) -> str:
    """Return the reason for a verdict in everyday words."""
    return labels.word(ScreenReason(reason), t) if reason in list(ScreenReason) else reason
