"""Whom nothing may be taken of: callers that somebody keeps as evidence."""

from collections.abc import Collection

from sqlalchemy import Connection, select

from siaga112.adapters.database.schema import CALLER


def kept_as_evidence(connection: Connection, site: int) -> Collection[str]:
    """Name them: as few as there are open cases, and found by an index of their own."""
    asked = select(CALLER.c.caller).where(CALLER.c.site == site, CALLER.c.hold_at.is_not(None))
    return set(connection.execute(asked).scalars())
