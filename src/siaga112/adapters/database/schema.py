"""The tables, the same for SQLite and PostgreSQL; docs/database.md describes the public part.

Every table has `site`, a number, so that several centres can share one database without seeing each other.
Times are milliseconds since the epoch, durations milliseconds. The words (`outcome`, `reason`, …) are those
of docs/reference.md and of the commands.
"""

from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Connection,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    Text,
    UniqueConstraint,
    event,
)
from sqlalchemy.schema import SchemaItem

METADATA: Final = MetaData(
    naming_convention={"ix": "%(table_name)s_by_%(column_0_N_name)s", "pk": "%(table_name)s_key"}
)


_WHERE: Final = "where"
"""The key for a partial index's condition in `Index.info` (`spell_conditions`)."""


SECRET: Final = "secret"  # noqa: S105 - the word, not one
"""Marks a column that is left out of backups."""


def _text(name: str, *, null: bool = False, secret: bool = False) -> Column[Any]:
    return Column(name, Text, nullable=null, info={SECRET: True} if secret else {})


def _millis(name: str, *, null: bool = False) -> Column[Any]:
    return Column(name, BigInteger, nullable=null)


def _number(name: str) -> Column[Any]:
    return Column(name, Integer, nullable=False)


def _flag(name: str, *, null: bool = False) -> Column[Any]:
    return Column(name, Boolean, nullable=null)


def _site() -> Column[Any]:
    return Column("site", Integer, ForeignKey("site.id"), nullable=False)


def _decision(prefix: str) -> list[Column[Any]]:
    """Return the columns for how a person, or a corrected mark, ended something; NULL until then."""
    return [
        _millis(f"{prefix}_at", null=True),
        _text(f"{prefix}_by", null=True),
        _text(f"{prefix}_reason", null=True),
        _flag(f"{prefix}_forgives", null=True),
        _flag(f"{prefix}_mistake", null=True),
    ]


def _table(name: str, *columns: SchemaItem, key: tuple[str, ...]) -> Table:
    """Create a table whose primary key is the site and `key`."""
    return Table(
        name, METADATA, _site(), *columns, PrimaryKeyConstraint("site", *key), sqlite_with_rowid=False
    )


SITE: Final = Table(
    "site",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("name", Text, nullable=False, unique=True),
    _text("epoch"),
    _millis("published"),
    _text("mode", null=True),
    _millis("mode_at", null=True),
    _text("mode_by", null=True),
    _text("mode_reason", null=True),
    _text("mode_via", null=True),
    _text("secret", null=True, secret=True),
)
"""The centres, each with the mode last switched to. `secret`: the console hides numbers with it."""

CALL: Final = Table(
    "call",
    METADATA,
    _site(),
    _text("id"),
    _millis("started"),
    _millis("ended"),
    _text("caller", null=True),
    _text("raw_caller"),
    _flag("identified"),
    _text("trunk"),
    _flag("attested"),
    _text("outcome"),
    _text("reason"),
    _text("queue", null=True),
    _text("verdict", null=True),
    _text("mark", null=True),
    _text("operator", null=True),
    _text("handed_to", null=True),
    _text("kind", null=True),
    _text("district", null=True),
    _text("recording", null=True),
    _flag("strike"),
    _text("spared", null=True),
    _millis("ivr", null=True),
    _millis("wait", null=True),
    _millis("ring", null=True),
    _millis("talk", null=True),
    _text("facts"),
    _text("deciding"),
    PrimaryKeyConstraint("site", "id"),
)
"""The ledger, one row per call. Strikes and blocks refer to its id, even after the row has been deleted."""

Index(None, CALL.c.site, CALL.c.started)
Index(
    None,
    CALL.c.site,
    CALL.c.caller,
    CALL.c.started,
    info={_WHERE: CALL.c.caller.is_not(None)},
)
Index(None, CALL.c.site, CALL.c.outcome, CALL.c.started)
for _column in (CALL.c.mark, CALL.c.operator):
    Index(None, CALL.c.site, _column, CALL.c.started, info={_WHERE: _column.is_not(None)})

HANDOVER: Final = _table(
    "handover",
    _text("call"),
    _number("nth"),
    _millis("at"),
    _text("how"),
    _text("target"),
    _text("agency"),
    _millis("reached", null=True),
    key=("call", "nth"),
)
"""Hand-overs of calls: `reached` is the time until somebody answered there, NULL if nobody did."""

CALLER: Final = _table(
    "caller",
    _text("caller"),
    _number("version"),
    _millis("reached"),
    _millis("allow_at", null=True),
    _text("allow_by", null=True),
    _text("allow_reason", null=True),
    _millis("hold_at", null=True),
    _text("hold_by", null=True),
    _text("hold_reason", null=True),
    _text("dropped", null=True),
    _text("attempt_by", null=True),
    _millis("attempt_at", null=True),
    _millis("attempt_tries", null=True),
    _text("attempt_note", null=True),
    _millis("expires", null=True),
    _text("level", null=True),
    _millis("since"),
    _millis("until", null=True),
    _millis("warn_until"),
    key=("caller",),
)
"""One row per known number. The last four columns are the standing that verdicts use."""

for _column in (CALLER.c.expires, CALLER.c.allow_at, CALLER.c.hold_at):
    Index(
        None,
        CALLER.c.site,
        _column,
        info={_WHERE: _column.is_not(None)},
    )

STRIKE: Final = _table(
    "strike",
    _text("caller"),
    _text("call"),
    _millis("at"),
    _text("outcome"),
    _text("reason"),
    _millis("begun", null=True),
    _text("trunk"),
    _flag("attested"),
    key=("caller", "call"),
)
"""Strikes, one row per call."""

BLOCK: Final = _table(
    "block",
    _text("caller"),
    _number("nth"),
    _text("level"),
    _millis("since"),
    _millis("until", null=True),
    _text("origin"),
    _text("reason"),
    _text("by"),
    _text("calls"),
    _number("step"),
    *_decision("lifted"),
    key=("caller", "nth"),
)
"""Blocks, including those that have ended."""

Index(None, CALLER.c.site, CALLER.c.since, info={_WHERE: CALLER.c.level.is_not(None)})
Index(None, CALLER.c.site, CALLER.c.level, CALLER.c.until, info={_WHERE: CALLER.c.level.is_not(None)})

Index(None, BLOCK.c.site, BLOCK.c.since)
Index(
    None,
    BLOCK.c.site,
    BLOCK.c.lifted_at,
    info={_WHERE: BLOCK.c.lifted_at.is_not(None)},
)
Index(
    "block_permanent",
    BLOCK.c.site,
    BLOCK.c.caller,
    info={_WHERE: (BLOCK.c.level == "permanent") & BLOCK.c.lifted_at.is_(None)},
)

PROPOSAL: Final = _table(
    "proposal",
    _text("caller"),
    _number("nth"),
    _millis("at"),
    _text("cause"),
    _millis("span", null=True),
    _number("step"),
    _text("reason"),
    _text("calls"),
    _flag("confirmed"),
    *_decision("decided"),
    key=("caller", "nth"),
)
"""Blocks that a supervisor has to confirm."""

Index(
    "proposal_open",
    PROPOSAL.c.site,
    PROPOSAL.c.caller,
    info={_WHERE: PROPOSAL.c.decided_at.is_(None)},
)

APPEAL: Final = _table(
    "appeal",
    _text("caller"),
    _number("nth"),
    _millis("at"),
    _text("by"),
    _text("reason"),
    _millis("due"),
    _flag("suspends"),
    _flag("granted"),
    *_decision("decided"),
    key=("caller", "nth"),
)
"""Callers' appeals, each to be answered by `due`."""

Index(
    "appeal_open",
    APPEAL.c.site,
    APPEAL.c.due,
    APPEAL.c.caller,
    info={_WHERE: APPEAL.c.decided_at.is_(None)},
)

GENUINE_REPORT: Final = _table(
    "genuine_report", _text("caller"), _text("call"), _millis("at"), key=("caller", "call")
)
"""Calls that an operator marked as genuine; they protect the caller."""

MISSED_CALL: Final = _table(
    "missed_call",
    _text("caller"),
    _text("call"),
    _millis("at"),
    _millis("wait"),
    _text("reason"),
    key=("caller", "call"),
)
"""Calls that nobody served, of callers who wait for a call-back."""

Index(None, MISSED_CALL.c.site, MISSED_CALL.c.at)

WITHDRAWN: Final = _table("withdrawn", _text("caller"), _text("call"), key=("caller", "call"))
"""Calls with a withdrawn strike: a late duplicate must not restore it."""

FORGOTTEN: Final = _table(
    "forgotten", _text("mark"), _millis("at"), _number("version"), _millis("ends"), key=("mark",)
)
"""Marks of erased callers; each mark fits ten thousand numbers."""

AUDIT: Final = Table(
    "audit",
    METADATA,
    Column("id", Integer, primary_key=True),
    _site(),
    _millis("at"),
    _text("by"),
    _text("action"),
    _text("subject"),
    _text("detail"),
    _text("reason"),
    _text("via"),
    _text("digest"),
    UniqueConstraint("site", "digest"),
)
"""The audit trail. `digest` covers a whole line: the same line written twice becomes one."""

Index(None, AUDIT.c.site, AUDIT.c.at)
Index(None, AUDIT.c.site, AUDIT.c.subject)

TALLY: Final = _table("tally", _text("name"), _millis("count"), key=("name",))
"""Counts over all processes of a site, and progress markers (`PLACE`)."""

PLACE: Final = "told:"
"""The prefix of names in `tally` that are progress markers, not counts."""

IMPOSITION: Final = _table("imposition", _text("cap"), _text("call"), _millis("at"), key=("cap", "call"))
"""The automatic blocks of the last hour, by the cap they count against."""

PERSON: Final = _table(
    "person",
    _text("name"),
    _text("role"),
    _text("password", null=True, secret=True),
    _text("lang", null=True),
    _millis("made_at"),
    _text("made_by"),
    _millis("disabled_at", null=True),
    key=("name",),
)
"""People who may use the console, each with an argon2id hash of the password."""

TOKEN: Final = _table(
    "token",
    _text("name"),
    _text("digest"),
    _text("role"),
    _flag("numbers"),
    _millis("made_at"),
    _text("made_by"),
    _millis("until", null=True),
    _millis("revoked_at", null=True),
    key=("name",),
)
"""Programs that may use the API, each with a hash of its token."""

SESSION: Final = _table(
    "session",
    _text("digest"),
    _text("person"),
    _text("csrf"),
    _millis("begun"),
    _millis("seen"),
    key=("digest",),
)
"""Console sessions; `digest` is the hash of the browser's cookie."""

EVENT: Final = Table(
    "event",
    METADATA,
    Column("id", Integer, primary_key=True),
    _site(),
    _millis("at"),
    _text("type"),
    _text("call", null=True),
    _text("caller", null=True),
    _text("data"),
    sqlite_autoincrement=True,
)
"""Announcements for other programs, kept for a week and written together with what they report. Ids rise."""

WEBHOOK: Final = _table(
    "webhook",
    _text("name"),
    _millis("position"),
    _millis("sent_at", null=True),
    _number("tries"),
    _millis("failing_since", null=True),
    _millis("next_at", null=True),
    _text("error"),
    key=("name",),
)
"""The progress of each subscription in `[events.webhooks]`, and the error that stops it."""

PARKED: Final = _table(
    "parked",
    _text("name"),
    _millis("event"),
    _millis("at"),
    _text("error"),
    _text("body"),
    key=("name", "event"),
)
"""Announcements that a subscription rejected for a day, kept until somebody sends them again."""

UNPUBLISHED: Final = _table("unpublished", _text("caller"), _number("version"), key=("caller",))
"""Callers with a standing that Redis may not have yet; written together with the change."""

OF_A_CALLER: Final = (STRIKE, BLOCK, PROPOSAL, APPEAL, GENUINE_REPORT, MISSED_CALL, WITHDRAWN)
"""The tables of a caller's record, beside the row in `caller`."""


def spell_conditions(dialect: str) -> None:
    """Set the conditions of partial indexes for one dialect.

    Each dialect has its own option for it, and naming a dialect loads it. PostgreSQL's would take a twelfth
    of every command's time, even on SQLite, although no command creates an index.
    """
    for table in METADATA.tables.values():
        for index in table.indexes:
            if _WHERE in index.info:
                index.dialect_options[dialect][_WHERE] = index.info[_WHERE]


@event.listens_for(METADATA, "before_create")
def _(_: MetaData, connection: Connection, **_kwargs: object) -> None:
    spell_conditions(connection.dialect.name)
