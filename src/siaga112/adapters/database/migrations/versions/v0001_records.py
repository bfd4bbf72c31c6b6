"""Version 0001: the first tables."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def _only(condition: str) -> dict[str, Any]:
    """Return the options of a partial index, in both dialects."""
    return {"sqlite_where": sa.text(condition), "postgresql_where": sa.text(condition)}


def upgrade() -> None:
    """Create the tables."""
    op.create_table(
        "site",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("epoch", sa.Text(), nullable=False),
        sa.Column("published", sa.BigInteger(), nullable=False),
        sa.Column("mode", sa.Text(), nullable=True),
        sa.Column("mode_at", sa.BigInteger(), nullable=True),
        sa.Column("mode_by", sa.Text(), nullable=True),
        sa.Column("mode_reason", sa.Text(), nullable=True),
        sa.Column("mode_via", sa.Text(), nullable=True),
        sa.Column("secret", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="site_key"),
        sa.UniqueConstraint("name"),
    )
    op.create_table(
        "audit",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("site", sa.Integer(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("by", sa.Text(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("via", sa.Text(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["site"], ["site.id"]),
        sa.PrimaryKeyConstraint("id", name="audit_key"),
        sa.UniqueConstraint("site", "digest"),
    )
    op.create_index("audit_by_site_at", "audit", ["site", "at"])
    op.create_index("audit_by_site_subject", "audit", ["site", "subject"])
    op.create_table(
        "appeal",
        sa.Column("site", sa.Integer(), nullable=False),
        sa.Column("caller", sa.Text(), nullable=False),
        sa.Column("nth", sa.Integer(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("by", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("due", sa.BigInteger(), nullable=False),
        sa.Column("suspends", sa.Boolean(), nullable=False),
        sa.Column("granted", sa.Boolean(), nullable=False),
        sa.Column("decided_at", sa.BigInteger(), nullable=True),
        sa.Column("decided_by", sa.Text(), nullable=True),
        sa.Column("decided_reason", sa.Text(), nullable=True),
        sa.Column("decided_forgives", sa.Boolean(), nullable=True),
        sa.Column("decided_mistake", sa.Boolean(), nullable=True),
        sa.ForeignKeyConstraint(["site"], ["site.id"]),
        sa.PrimaryKeyConstraint("site", "caller", "nth", name="appeal_key"),
        sqlite_with_rowid=False,
    )
    op.create_index("appeal_open", "appeal", ["site", "due", "caller"], **_only("decided_at IS NULL"))
    op.create_table(
        "block",
        sa.Column("site", sa.Integer(), nullable=False),
        sa.Column("caller", sa.Text(), nullable=False),
        sa.Column("nth", sa.Integer(), nullable=False),
        sa.Column("level", sa.Text(), nullable=False),
        sa.Column("since", sa.BigInteger(), nullable=False),
        sa.Column("until", sa.BigInteger(), nullable=True),
        sa.Column("origin", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("by", sa.Text(), nullable=False),
        sa.Column("calls", sa.Text(), nullable=False),
        sa.Column("step", sa.Integer(), nullable=False),
        sa.Column("lifted_at", sa.BigInteger(), nullable=True),
        sa.Column("lifted_by", sa.Text(), nullable=True),
        sa.Column("lifted_reason", sa.Text(), nullable=True),
        sa.Column("lifted_forgives", sa.Boolean(), nullable=True),
        sa.Column("lifted_mistake", sa.Boolean(), nullable=True),
        sa.ForeignKeyConstraint(["site"], ["site.id"]),
        sa.PrimaryKeyConstraint("site", "caller", "nth", name="block_key"),
        sqlite_with_rowid=False,
    )
    op.create_index(
        "block_by_site_lifted_at", "block", ["site", "lifted_at"], **_only("lifted_at IS NOT NULL")
    )
    op.create_index("block_by_site_since", "block", ["site", "since"])
    op.create_index(
        "block_permanent", "block", ["site", "caller"], **_only("level = 'permanent' AND lifted_at IS NULL")
    )
    op.create_table(
        "call",
        sa.Column("site", sa.Integer(), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("started", sa.BigInteger(), nullable=False),
        sa.Column("ended", sa.BigInteger(), nullable=False),
        sa.Column("caller", sa.Text(), nullable=True),
        sa.Column("raw_caller", sa.Text(), nullable=False),
        sa.Column("identified", sa.Boolean(), nullable=False),
        sa.Column("trunk", sa.Text(), nullable=False),
        sa.Column("attested", sa.Boolean(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("queue", sa.Text(), nullable=True),
        sa.Column("verdict", sa.Text(), nullable=True),
        sa.Column("mark", sa.Text(), nullable=True),
        sa.Column("operator", sa.Text(), nullable=True),
        sa.Column("handed_to", sa.Text(), nullable=True),
        sa.Column("kind", sa.Text(), nullable=True),
        sa.Column("district", sa.Text(), nullable=True),
        sa.Column("recording", sa.Text(), nullable=True),
        sa.Column("strike", sa.Boolean(), nullable=False),
        sa.Column("spared", sa.Text(), nullable=True),
        sa.Column("ivr", sa.BigInteger(), nullable=True),
        sa.Column("wait", sa.BigInteger(), nullable=True),
        sa.Column("ring", sa.BigInteger(), nullable=True),
        sa.Column("talk", sa.BigInteger(), nullable=True),
        sa.Column("facts", sa.Text(), nullable=False),
        sa.Column("deciding", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["site"], ["site.id"]),
        sa.PrimaryKeyConstraint("site", "id", name="call_key"),
    )
    op.create_index(
        "call_by_site_caller_started", "call", ["site", "caller", "started"], **_only("caller IS NOT NULL")
    )
    op.create_index("call_by_site_started", "call", ["site", "started"])
    op.create_index("call_by_site_outcome_started", "call", ["site", "outcome", "started"])
    op.create_index(
        "call_by_site_mark_started", "call", ["site", "mark", "started"], **_only("mark IS NOT NULL")
    )
    op.create_index(
        "call_by_site_operator_started",
        "call",
        ["site", "operator", "started"],
        **_only("operator IS NOT NULL"),
    )
    op.create_table(
        "caller",
        sa.Column("site", sa.Integer(), nullable=False),
        sa.Column("caller", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("reached", sa.BigInteger(), nullable=False),
        sa.Column("allow_at", sa.BigInteger(), nullable=True),
        sa.Column("allow_by", sa.Text(), nullable=True),
        sa.Column("allow_reason", sa.Text(), nullable=True),
        sa.Column("hold_at", sa.BigInteger(), nullable=True),
        sa.Column("hold_by", sa.Text(), nullable=True),
        sa.Column("hold_reason", sa.Text(), nullable=True),
        sa.Column("dropped", sa.Text(), nullable=True),
        sa.Column("attempt_by", sa.Text(), nullable=True),
        sa.Column("attempt_at", sa.BigInteger(), nullable=True),
        sa.Column("attempt_tries", sa.BigInteger(), nullable=True),
        sa.Column("attempt_note", sa.Text(), nullable=True),
        sa.Column("expires", sa.BigInteger(), nullable=True),
        sa.Column("level", sa.Text(), nullable=True),
        sa.Column("since", sa.BigInteger(), nullable=False),
        sa.Column("until", sa.BigInteger(), nullable=True),
        sa.Column("warn_until", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["site"], ["site.id"]),
        sa.PrimaryKeyConstraint("site", "caller", name="caller_key"),
        sqlite_with_rowid=False,
    )
    op.create_index(
        "caller_by_site_allow_at", "caller", ["site", "allow_at"], **_only("allow_at IS NOT NULL")
    )
    op.create_index("caller_by_site_hold_at", "caller", ["site", "hold_at"], **_only("hold_at IS NOT NULL"))
    op.create_index("caller_by_site_expires", "caller", ["site", "expires"], **_only("expires IS NOT NULL"))
    op.create_index(
        "caller_by_site_level_until", "caller", ["site", "level", "until"], **_only("level IS NOT NULL")
    )
    op.create_index("caller_by_site_since", "caller", ["site", "since"], **_only("level IS NOT NULL"))
    op.create_table(
        "forgotten",
        sa.Column("site", sa.Integer(), nullable=False),
        sa.Column("mark", sa.Text(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("ends", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["site"], ["site.id"]),
        sa.PrimaryKeyConstraint("site", "mark", name="forgotten_key"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "genuine_report",
        sa.Column("site", sa.Integer(), nullable=False),
        sa.Column("caller", sa.Text(), nullable=False),
        sa.Column("call", sa.Text(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["site"], ["site.id"]),
        sa.PrimaryKeyConstraint("site", "caller", "call", name="genuine_report_key"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "handover",
        sa.Column("site", sa.Integer(), nullable=False),
        sa.Column("call", sa.Text(), nullable=False),
        sa.Column("nth", sa.Integer(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("how", sa.Text(), nullable=False),
        sa.Column("target", sa.Text(), nullable=False),
        sa.Column("agency", sa.Text(), nullable=False),
        sa.Column("reached", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["site"], ["site.id"]),
        sa.PrimaryKeyConstraint("site", "call", "nth", name="handover_key"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "imposition",
        sa.Column("site", sa.Integer(), nullable=False),
        sa.Column("cap", sa.Text(), nullable=False),
        sa.Column("call", sa.Text(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["site"], ["site.id"]),
        sa.PrimaryKeyConstraint("site", "cap", "call", name="imposition_key"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "missed_call",
        sa.Column("site", sa.Integer(), nullable=False),
        sa.Column("caller", sa.Text(), nullable=False),
        sa.Column("call", sa.Text(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("wait", sa.BigInteger(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["site"], ["site.id"]),
        sa.PrimaryKeyConstraint("site", "caller", "call", name="missed_call_key"),
        sqlite_with_rowid=False,
    )
    op.create_index("missed_call_by_site_at", "missed_call", ["site", "at"])
    op.create_table(
        "proposal",
        sa.Column("site", sa.Integer(), nullable=False),
        sa.Column("caller", sa.Text(), nullable=False),
        sa.Column("nth", sa.Integer(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("cause", sa.Text(), nullable=False),
        sa.Column("span", sa.BigInteger(), nullable=True),
        sa.Column("step", sa.Integer(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("calls", sa.Text(), nullable=False),
        sa.Column("confirmed", sa.Boolean(), nullable=False),
        sa.Column("decided_at", sa.BigInteger(), nullable=True),
        sa.Column("decided_by", sa.Text(), nullable=True),
        sa.Column("decided_reason", sa.Text(), nullable=True),
        sa.Column("decided_forgives", sa.Boolean(), nullable=True),
        sa.Column("decided_mistake", sa.Boolean(), nullable=True),
        sa.ForeignKeyConstraint(["site"], ["site.id"]),
        sa.PrimaryKeyConstraint("site", "caller", "nth", name="proposal_key"),
        sqlite_with_rowid=False,
    )
    op.create_index("proposal_open", "proposal", ["site", "caller"], **_only("decided_at IS NULL"))
    op.create_table(
        "strike",
        sa.Column("site", sa.Integer(), nullable=False),
        sa.Column("caller", sa.Text(), nullable=False),
        sa.Column("call", sa.Text(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("begun", sa.BigInteger(), nullable=True),
        sa.Column("trunk", sa.Text(), nullable=False),
        sa.Column("attested", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(["site"], ["site.id"]),
        sa.PrimaryKeyConstraint("site", "caller", "call", name="strike_key"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "person",
        sa.Column("site", sa.Integer(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("password", sa.Text(), nullable=True),
        sa.Column("lang", sa.Text(), nullable=True),
        sa.Column("made_at", sa.BigInteger(), nullable=False),
        sa.Column("made_by", sa.Text(), nullable=False),
        sa.Column("disabled_at", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["site"], ["site.id"]),
        sa.PrimaryKeyConstraint("site", "name", name="person_key"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "token",
        sa.Column("site", sa.Integer(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("numbers", sa.Boolean(), nullable=False),
        sa.Column("made_at", sa.BigInteger(), nullable=False),
        sa.Column("made_by", sa.Text(), nullable=False),
        sa.Column("until", sa.BigInteger(), nullable=True),
        sa.Column("revoked_at", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["site"], ["site.id"]),
        sa.PrimaryKeyConstraint("site", "name", name="token_key"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "session",
        sa.Column("site", sa.Integer(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("person", sa.Text(), nullable=False),
        sa.Column("csrf", sa.Text(), nullable=False),
        sa.Column("begun", sa.BigInteger(), nullable=False),
        sa.Column("seen", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["site"], ["site.id"]),
        sa.PrimaryKeyConstraint("site", "digest", name="session_key"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "event",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("site", sa.Integer(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("call", sa.Text(), nullable=True),
        sa.Column("caller", sa.Text(), nullable=True),
        sa.Column("data", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["site"], ["site.id"]),
        sa.PrimaryKeyConstraint("id", name="event_key"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "webhook",
        sa.Column("site", sa.Integer(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("sent_at", sa.BigInteger(), nullable=True),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("failing_since", sa.BigInteger(), nullable=True),
        sa.Column("next_at", sa.BigInteger(), nullable=True),
        sa.Column("error", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["site"], ["site.id"]),
        sa.PrimaryKeyConstraint("site", "name", name="webhook_key"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "parked",
        sa.Column("site", sa.Integer(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("event", sa.BigInteger(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("error", sa.Text(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["site"], ["site.id"]),
        sa.PrimaryKeyConstraint("site", "name", "event", name="parked_key"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "tally",
        sa.Column("site", sa.Integer(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("count", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["site"], ["site.id"]),
        sa.PrimaryKeyConstraint("site", "name", name="tally_key"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "unpublished",
        sa.Column("site", sa.Integer(), nullable=False),
        sa.Column("caller", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["site"], ["site.id"]),
        sa.PrimaryKeyConstraint("site", "caller", name="unpublished_key"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "withdrawn",
        sa.Column("site", sa.Integer(), nullable=False),
        sa.Column("caller", sa.Text(), nullable=False),
        sa.Column("call", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["site"], ["site.id"]),
        sa.PrimaryKeyConstraint("site", "caller", "call", name="withdrawn_key"),
        sqlite_with_rowid=False,
    )
