"""Write docs/database.md and its picture: the tables, keys and views as the code has them.

python -m tests.database
"""

import ast
import inspect
from collections.abc import Iterator, Mapping
from html import escape
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Column, Engine, Table, create_engine, text
from sqlalchemy.dialects import postgresql
from sqlalchemy.schema import CreateIndex

from siaga112.adapters.database import schema, views
from siaga112.adapters.database.migrating import migrate
from siaga112.adapters.database.versions import KNOWN

DOCS: Final = Path(__file__).parent.parent / "docs"
PICTURE: Final = "images/database.svg"

HEAD: Final = """\
# The database

`make docs` generates this page from the code. The records of all sites are in these tables, in SQLite
(`state_dir/siaga112.db`) or PostgreSQL; their version is {version}. Others may read them, if permitted; only
siaga112 writes. A release that changes them says so in the [CHANGELOG](../CHANGELOG.md), and upgrades them
([manual](manual.md#backup-restore-move-upgrade)).

![The tables and what refers to what](images/database.svg)

Instants are milliseconds since the epoch in UTC, spans milliseconds. `site` is the number of a row in `site`,
and part of every key (in bold): many centres can share one database without seeing each other. A call's `id`
is Asterisk's `linkedid`. Words such as `ivr_prank` are those of the commands ([reference.md](reference.md)).
"""

VIEWS: Final = """\
## Views

For people with `sqlite3`, `psql`, Grafana or Metabase: times as times, numbers masked
(`+62812****789`). Give a read-only user the right to these views only; they contain no complete number.
On PostgreSQL:

    CREATE ROLE readers LOGIN PASSWORD '…';
    GRANT SELECT ON {names} TO readers;

With SQLite, whoever can read the file can read the tables too: `sudo -u siaga112 sqlite3 -readonly
/var/lib/siaga112/siaga112.db 'SELECT * FROM misuse_by_day'`.
"""

MEANINGS: Final[Mapping[str, str]] = {
    "id": "its number",
    "call.id": "its `linkedid`",
    "name": "what is counted",
    "site.name": "its `site` in the configuration",
    "epoch": "the block list in Redis that was built from this database",
    "published": "when that list was complete",
    "secret": "under which the console hides numbers in addresses",
    "mode": "`enforce`, `observe` or `off`, if somebody has switched",
    "site": "the site",
    "started": "when it came in",
    "ended": "when it was over",
    "caller": "the number as +62…; empty if the caller is unknown",
    "raw_caller": "the number as the trunk sent it",
    "identified": "whether the number may be believed",
    "trunk": "over which trunk it came, `PJSIP/telkom`",
    "attested": "whether the number is attested (STIR/SHAKEN)",
    "outcome": "its outcome",
    "reason": "why, in the policy's words or a person's",
    "call.reason": "the reason of the outcome",
    "queue": "in which queue it was",
    "verdict": "the answer to the dialplan",
    "mark": "what an operator said of it",
    "forgotten.mark": "20 bits of a hash of the number",
    "operator": "who answered, by name if one is known",
    "handed_to": "to whom the caller was handed over last",
    "kind": "what a genuine report was, from `kinds` in the configuration",
    "district": "where, from `districts`",
    "recording": "the file into which the PBX recorded it",
    "how": "`blind`, `attended`, or `told` by radio or telephone",
    "target": "what was dialled",
    "agency": "its name in `[agencies]`; empty if it has none",
    "handover.reached": "after what time somebody answered there; empty: nobody did",
    "handover.nth": "which of the call's",
    "attempt": "who calls back, as far as it went: who, when, how often in vain, a note",
    "missed_call.reason": "why the caller waits: the call's reason, or `silent`",
    "strike": "whether it counts as a misuse",
    "spared": "why a misuse does not count",
    "ivr": "how long in the menu",
    "wait": "how long in the queue",
    "ring": "how long it rang",
    "talk": "talk time",
    "facts": "what was seen: JSON, each `[ms after started, kind, detail]`",
    "deciding": "which of the facts decided: JSON, their places",
    "version": "how often it has changed",
    "reached": "when somebody last spoke to the caller",
    "allow": "the allow list: when, by whom, why",
    "dropped": "how many old rows were dropped: JSON",
    "expires": "when none of it is needed any more",
    "level": "`temporary` or `permanent`, if blocked",
    "since": "since when",
    "until": "until when; empty: permanent",
    "warn_until": "until when a warning is heard",
    "call": "the call's `id`",
    "at": "when",
    "begun": "when the call began",
    "nth": "which of the caller's",
    "origin": "`automatic` (the policy), `manual` (a person), `import` (a list of another system)",
    "by": "who did it",
    "calls": "the calls that led to it: JSON",
    "step": "which step of the policy",
    "lifted": "how it was ended: when, by whom, why, whether that forgives, whether it was a mistake",
    "cause": "what proposed it",
    "span": "how long it would last; empty: permanent",
    "confirmed": "whether it became a block",
    "decided": "how it was decided: as `lifted`",
    "due": "the deadline of the answer",
    "suspends": "whether the block in force rejects nobody while it is open",
    "granted": "whether it was",
    "hold": "who keeps all of this as evidence, whatever its age: when, by whom, why",
    "ends": "when even that is dropped",
    "action": "what was done",
    "subject": "to whom or what",
    "detail": "the rest",
    "digest": "identifies the line",
    "count": "how many",
    "cap": "which cap it counts for",
    "via": "how it was done: `cli`, `console`, `api`, `phone`; `daemon`: automatically",
    "person.name": "who",
    "role": "what may be done",
    "password": "its hash (argon2id); empty: none is set",
    "lang": "in which language the console speaks",
    "made": "when and by whom it was made",
    "disabled": "since when disabled; empty: not",
    "token.name": "which program",
    "session.digest": "SHA-256 of what the browser holds",
    "token.digest": "SHA-256 of the token",
    "numbers": "whether it may see numbers in full",
    "token.until": "until when it is valid; empty: without end",
    "revoked": "when it was revoked",
    "person": "whose",
    "csrf": "what its forms carry",
    "session.seen": "when something was last done",
    "event.id": "its place in the order",
    "type": "what happened: a type of event of [reference.md](reference.md)",
    "event.caller": "the number, for who may know it",
    "data": "the event's data: JSON",
    "webhook.name": "which subscription of `[events.webhooks]`",
    "parked.name": "likewise",
    "position": "the last event that it received or skipped",
    "sent": "when an event was last accepted",
    "tries": "how often the next one was tried",
    "failing": "since when events fail",
    "next": "when it is tried again; empty: at once",
    "error": "why it fails",
    "event": "the event's `id`",
    "body": "as it was sent",
}
"""The meaning of a column: by table and name, by name, or by prefix (`lifted` for `lifted_at`)."""

_SPOKEN: Final[Any] = postgresql.dialect()  # type: ignore[no-untyped-call] # SQLAlchemy's
schema.spell_conditions(_SPOKEN.name)
_LEFT: Final = ("site", "call", "handover", "audit", "event", "webhook", "parked")
_MIDDLE: Final = ("caller", "unpublished", "forgotten", "tally", "imposition", "person", "token", "session")
_LINE, _WIDTH, _GAP, _TOP = 15, 190, 90, 20


def tables() -> list[Table]:
    """Return the tables in the order in which the code defines them."""
    return list(schema.METADATA.tables.values())


def meaning(column: Column[Any]) -> str:
    """Return the meaning of a column. Raises StopIteration if it has none."""
    names = f"{column.table.name}.{column.name}", column.name, column.name.partition("_")[0]
    return next(MEANINGS[name] for name in names if name in MEANINGS)


def words() -> dict[str, str]:
    """Return the string below each table in the code, by the table's name."""
    said = {}
    lines = ast.parse(inspect.getsource(schema)).body
    for line, after in pairwise(lines):
        match line, after:
            case ast.AnnAssign(target=ast.Name(name)), ast.Expr(ast.Constant(str(told))):
                if isinstance(table := getattr(schema, name), Table):
                    said[table.name] = told
    return said


def page() -> str:
    """Return the page."""
    said = words()
    parts = [HEAD.format(version=int(KNOWN[-1])), *(_of_table(table, said[table.name]) for table in tables())]
    parts.append(VIEWS.format(names=", ".join(views.NAMES)))
    engine = create_engine("sqlite://")
    migrate(engine)
    parts += [
        f"`{name}`: {', '.join(f'`{one}`' for one in _columns(engine, name))}.\n" for name in views.NAMES
    ]
    return "\n".join(parts)


def _of_table(table: Table, said: str) -> str:
    rows = ["| column | meaning |", "|---|---|"]
    groups: dict[str, list[str]] = {}
    for column in table.c:
        groups.setdefault(meaning(column), []).append(_named(column))
    rows += [f"| {', '.join(names)} | {told} |" for told, names in groups.items()]
    indexes = [_spelled(index) for index in sorted(table.indexes, key=lambda one: str(one.name))]
    found = f"\nFurther indexes: {'; '.join(indexes)}.\n" if indexes else ""
    return f"## `{table.name}`\n\n{said}\n\n{chr(10).join(rows)}\n{found}"


def _named(column: Column[Any]) -> str:
    return f"**`{column.name}`**" if column.primary_key else f"`{column.name}`"


def _spelled(index: Any) -> str:
    made = str(CreateIndex(index).compile(dialect=_SPOKEN))
    what, _, where = made.partition(" ON ")[2].partition(" (")[2].partition(") WHERE ")
    names = what.rstrip(")").replace(" ", "")
    return f"`{names}`" + (f" where `{where}`" if where else "")


def _columns(engine: Engine, view: str) -> list[str]:
    with engine.connect() as connection:
        return list(connection.execute(text(f"SELECT * FROM {view}")).keys())  # noqa: S608 - ours


# ── the picture ──────────────────────────────────────────────────────────────────────────────────


def picture() -> str:
    """Draw the tables as boxes in three columns, with lines from `call` and the right column to `caller`."""
    named = {table.name: table for table in tables()}
    right = [name for name in named if name not in {*_LEFT, *_MIDDLE}]
    drawn: list[str] = []
    places: dict[str, tuple[int, int]] = {}
    height = 0
    for nth, names in enumerate((_LEFT, _MIDDLE, right)):
        x, y = 20 + nth * (_WIDTH + _GAP), _TOP
        for name in names:
            places[name] = (x, y)
            drawn += _box(named[name], x, y)
            y += _height(named[name]) + 16
        height = max(height, y)
    lines = [_joined(places, named[name]) for name in ("call", *right)]
    width = 40 + 3 * _WIDTH + 2 * _GAP
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
        f'font-family="sans-serif" font-size="11">\n<rect width="{width}" height="{height}" fill="#fff"/>\n'
        + "\n".join([*lines, *drawn])
        + "\n</svg>\n"
    )


def _height(table: Table) -> int:
    return _LINE * (len(list(_lines(table))) + 1) + 8


def _lines(table: Table) -> Iterator[tuple[str, str]]:
    """Yield the name and style of each line of a box; the five columns of a decision share one line."""
    for column in table.c:
        stem, _, part = column.name.partition("_")
        if stem in {"lifted", "decided"}:
            if part == "at":
                yield f"{stem}_at, _by, _reason, …", ""
        elif column.name != "site":
            yield column.name, ' font-weight="bold"' if column.primary_key else ""


def _box(table: Table, x: int, y: int) -> list[str]:
    height = _height(table)
    lines = [
        f'<rect x="{x}" y="{y}" width="{_WIDTH}" height="{height}" rx="4" fill="#fbfcfd" stroke="#41729f"/>',
        f'<path d="M{x} {y + 18}h{_WIDTH}" stroke="#41729f"/>',
        f'<text x="{x + 8}" y="{y + 13}" fill="#1d3f5e" font-weight="bold">{escape(table.name)}</text>',
    ]
    for nth, (name, style) in enumerate(_lines(table)):
        lines.append(f'<text x="{x + 8}" y="{y + 31 + nth * _LINE}"{style}>{escape(name)}</text>')
    return lines


def _joined(places: Mapping[str, tuple[int, int]], table: Table) -> str:
    """Draw the line from a table's column `caller` to the table `caller`."""
    (x, y), (of_x, of_y) = places[table.name], places["caller"]
    y += 27 + [name for name, _ in _lines(table)].index("caller") * _LINE
    if x > of_x:
        of_x += _WIDTH
    else:
        x += _WIDTH
    path = f"M{x} {y}H{(x + of_x) // 2}V{of_y + 27}H{of_x}"
    return f'<path d="{path}" fill="none" stroke="#9db4c8"/>'


def made() -> Mapping[Path, str]:
    """Return the page and the picture, by path."""
    return {DOCS / "database.md": page(), DOCS / PICTURE: picture()}


def main() -> None:
    """Write the page and the picture."""
    for path, content in made().items():
        path.write_text(content, "utf-8")


if __name__ == "__main__":
    main()
