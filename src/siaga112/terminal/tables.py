"""Printing lists for people and for scripts."""

from collections.abc import Sequence
from typing import Final

from siaga112.core.text import printable
from siaga112.terminal import labels
from siaga112.terminal.printing import as_json_list, plain
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
    "ivr_seconds": say("ivr seconds"),
    "kind": say("kind"),
    "level": say("level"),
    "longest_wait_seconds": say("longest wait seconds"),
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
    "talk_seconds": say("talk seconds"),
    "times": say("times"),
    "tries": say("tries"),
    "until": say("until"),
    "via": say("via"),
    "wait_seconds": say("wait seconds"),
    "why": say("why"),
}
"""What people call the columns; in English their names."""

MANY: Final = 200
"""More rows than this are laid out by ourselves, in a hundredth of rich's time."""


def listing(
    rows: Sequence[Row], columns: Sequence[str], empty: str, *, json: bool, t: Tongue | None = None
) -> None:
    """Print rows as a list of objects for scripts, or as a table for people."""
    if json:
        as_json_list(rows)
    else:
        table(rows, columns, empty, t)


def table(rows: Sequence[Row], columns: Sequence[str], empty: str, t: Tongue | None = None) -> None:
    """Print rows as a table; without a terminal as wide as its content, for `grep` and `less`.

    In English its heads and words are those of the JSON; in another language what people call them.
    """
    t = t or tongue()
    if not rows:
        plain(t(empty))
        return
    heads = [t(_HEADS.get(column, column.replace("_", " "))) if column else "" for column in columns]
    cells = ([_cell(labels.cell(column, row[column], t), t) for column in columns] for row in rows)
    if len(rows) > MANY:
        _long([heads, *cells])
        return
    from siaga112.terminal import consoles  # noqa: PLC0415 - rich, which JSON and long tables do without

    consoles.table(heads, [*cells])


def _long(lines: Sequence[Sequence[str]]) -> None:
    """Print rows below each other in columns as wide as what is in them, whatever the terminal's width."""
    widths = [max(map(_width, column)) for column in zip(*lines, strict=True)]
    for first in range(0, len(lines), MANY):
        plain(*(_padded(line, widths) for line in lines[first : first + MANY]))


def _padded(line: Sequence[str], widths: Sequence[int]) -> str:
    return "  ".join(
        [text + " " * (width - _width(text)) for text, width in zip(line, widths, strict=True)]
    ).rstrip()


def _width(text: str) -> int:
    if text.isascii():
        return len(text)
    from rich.cells import cell_len  # noqa: PLC0415 - rich, as above

    return cell_len(text)


def _cell(value: object, t: Tongue) -> str:
    match value:
        case None:
            return "-"
        case bool():
            return t("yes") if value else t("no")
        case float():
            return t.decimal(value)
        case list():
            return str(len(value))
        case _:
            return printable(str(value))
