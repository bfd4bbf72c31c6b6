"""The callers kept as evidence, of whom nothing may be deleted."""

from collections.abc import Collection

from sqlalchemy import Connection, select

from siaga112.adapters.database.schema import CALLER


def kept_as_evidence(connection: Connection, site: int) -> Collection[str]:
    """Return their numbers; there are as few as open cases, and an index of their own finds them."""
    asked = select(CALLER.c.caller).where(CALLER.c.site == site, CALLER.c.hold_at.is_not(None))
    return set(connection.execute(asked).scalars())
