"""Lists for people, as tables that fit the terminal, and for scripts, as JSON."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Final

from siaga112.core.text import printable
from siaga112.terminal import labels, times
from siaga112.terminal.columns import Size, fitted
from siaga112.terminal.printing import as_json_list, heading, plain, width, wrapped
from siaga112.terminal.rows import Row
from siaga112.words import Tongue, say, tongue

_HEADS: Final = {
    "action": say("action"),
    "allowed": say("allowed"),
    "at": say("at"),
    "behind": say("behind"),
    "by": say("by"),
    "call": say("call"),
    "caller": say("caller"),
    "calls": say("calls"),
    "cause": say("cause"),
    "count": say("count"),
    "detail": say("detail"),
    "disabled": say("disabled"),
    "due": say("due"),
    "ends": say("ends"),
    "error": say("error"),
    "ivr_seconds": say("menu s"),
    "kind": say("kind"),
    "level": say("level"),
    "longest_wait_seconds": say("longest s"),
    "mark": say("mark"),
    "name": say("name"),
    "next": say("next"),
    "note": say("note"),
    "numbers": say("numbers"),
    "oldest": say("oldest"),
    "operator": say("operator"),
    "origin": say("origin"),
    "outcome": say("outcome"),
    "parked": say("parked"),
    "password": say("password"),
    "reason": say("reason"),
    "revoked": say("revoked"),
    "role": say("role"),
    "sent": say("sent"),
    "setting": say("setting"),
    "since": say("since"),
    "started": say("started"),
    "strike": say("strike"),
    "subject": say("subject"),
    "suspends": say("suspended"),
    "taken_by": say("taken by"),
    "talk_seconds": say("talk s"),
    "times": say("times"),
    "tries": say("tries"),
    "until": say("until"),
    "via": say("via"),
    "wait_seconds": say("wait s"),
    "why": say("why"),
}
"""What people call the columns."""

_TIMES: Final = frozenset({"at", "disabled", "due", "next", "revoked", "sent", "since", "started", "until"})
_DAYS: Final = frozenset({"date", "oldest", "until"})
_LEAST: Final = {
    **dict.fromkeys(("action", "because", "by", "cause", "detail", "ends", "error", "note", "operator"), 12),
    **dict.fromkeys(("reason", "setting", "taken_by", "url", "why"), 12),
    "kind": 30,
}
"""The columns of text, and what each may be cut to; all others (ids, numbers, times) are never cut."""

GAP: Final = 2
TOGETHER: Final = 200
"""So many lines are written at once."""


def listing(
    rows: Sequence[Row], columns: Sequence[str], empty: str, *, json: bool, t: Tongue | None = None
) -> None:
    """Print rows as a list of objects for scripts, or as a table for people."""
    if json:
        as_json_list(rows)
    else:
        table(rows, columns, empty, t)


def table(rows: Sequence[Row], columns: Sequence[str], empty: str, t: Tongue | None = None) -> None:
    """Print rows as a table; `columns` begins with those that matter most.

    In a terminal it fits its width: texts are cut, then the last columns are left out, which a line below
    says. Without a terminal it is as wide as its content, for `grep` and `less`, unless COLUMNS is set.
    """
    t = t or tongue()
    if not rows:
        plain(t(empty))
        return
    made = Layout(rows, columns, t)
    made.show()
    if made.left_out:
        wrapped(t("not shown in {width} columns: {names}", width=made.room, names=", ".join(made.left_out)))


class Layout:
    """A table whose columns have their places: for the rows that there are, and for those that follow.

    `like`: rows that are not shown, but are made room for.
    """

    def __init__(
        self, rows: Sequence[Row], columns: Sequence[str], t: Tongue, like: Sequence[Row] = ()
    ) -> None:
        self._t = t
        self.room = width()
        found = [_column(name, rows, like, t) for name in columns]
        heads = [one.head for one in found]
        if timed := [one for one in found if one.instants]:  # the zone is said once
            zone = times.zone(at for one in timed for at in one.instants)
            found[found.index(timed[0])] = timed[0].named(f"{timed[0].head} {zone}")
        sizes = [one.size(rank) for rank, one in enumerate(found)]
        widths = fitted(sizes, self.room or sum(size.width + GAP for size in sizes), GAP)
        self._shown = [(one, room) for one, room in zip(found, widths, strict=True) if room]
        self.left_out = [head for head, room in zip(heads, widths, strict=True) if not room]

    def show(self) -> None:
        """Print the names of the columns, in bold on a terminal, and the rows."""
        heading(self._line([one.head for one, _ in self._shown]))
        self._print([*zip(*(one.cells for one, _ in self._shown), strict=True)])

    def add(self, rows: Sequence[Row]) -> None:
        """Print rows that followed."""
        self._print([[_cell(one.name, row[one.name], self._t) for one, _ in self._shown] for row in rows])

    def _print(self, lines: Sequence[Sequence[str]]) -> None:
        for first in range(0, len(lines), TOGETHER):
            plain(*map(self._line, lines[first : first + TOGETHER]))

    def _line(self, cells: Sequence[str]) -> str:
        return (" " * GAP).join(self._padded(cells)).rstrip()

    def _padded(self, cells: Sequence[str]) -> Iterator[str]:
        for text, (column, room) in zip(cells, self._shown, strict=True):
            taken = _width(text)
            if taken > room and column.cuts:
                text, taken = _cut(text, room), room  # noqa: PLW2901 - the cell as it is shown
            space = " " * (room - taken)
            yield space + text if column.right else text + space


@dataclass(frozen=True, slots=True)
class _Column:
    """A column with its cells as they are written, and how wide they are."""

    name: str
    head: str
    cells: Sequence[str]
    instants: Sequence[datetime]
    widest: int
    right: bool

    @property
    def cuts(self) -> bool:
        return self.name in _LEAST

    def named(self, head: str) -> "_Column":
        """Return the column under another head."""
        return replace(self, head=head, widest=max(self.widest, _width(head)))

    def size(self, rank: int) -> Size:
        """Return the space that it takes."""
        return Size(rank, self.widest, min(self.widest, _LEAST.get(self.name, self.widest)))


def _column(name: str, rows: Sequence[Row], like: Sequence[Row], t: Tongue) -> _Column:
    values = [row[name] for row in (*rows, *like)]
    head = t(_HEADS.get(name, name.replace("_", " "))) if name else ""
    instants = [at for value in values if (at := _instant(name, value))]
    cells = [_cell(name, value, t) for value in values]
    counted = [value for value in values if value is not None]
    numbers = bool(counted) and all(type(value) in {int, float} for value in counted)
    return _Column(
        name, head, cells[: len(rows)], instants, max(map(_width, [head, *cells])), numbers or bool(instants)
    )


def _instant(name: str, value: object) -> datetime | None:
    """Return the instant that a column of times has in a row; None for a day, or for nothing."""
    if name not in _TIMES or not isinstance(value, str) or "T" not in value:
        return None
    return datetime.fromisoformat(value)


def _cell(name: str, value: object, t: Tongue) -> str:
    if at := _instant(name, value):
        return times.moment(at, t)
    if name in _DAYS and isinstance(value, str):
        return times.day(date.fromisoformat(value), t)
    shown = labels.cell(name, value, t)
    if isinstance(shown, bool):
        return t("yes") if shown else t("no")
    if isinstance(shown, float):
        return t.decimal(shown)
    return "-" if shown is None else str(len(shown)) if isinstance(shown, list) else printable(str(shown))


def _width(text: str) -> int:
    if text.isascii():
        return len(text)
    from rich.cells import cell_len  # noqa: PLC0415 - rich, which plain letters do without

    return cell_len(text)


def _cut(text: str, room: int) -> str:
    if text.isascii():
        return f"{text[: room - 1]}…"
    from rich.cells import set_cell_size  # noqa: PLC0415 - as above

    return f"{set_cell_size(text, room - 1).rstrip()}…"
