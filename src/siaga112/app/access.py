"""Secrets that are shown once, with the digest that we store; and changes of people's rights."""

import hashlib
import secrets
from collections.abc import Callable, Sequence
from typing import Final

from siaga112.core.access import Permission, Person
from siaga112.core.model import AuditEntry
from siaga112.errors import SiagaError
from siaga112.service.ports import People
from siaga112.words import say

TOKEN: Final = "s112_"  # noqa: S105 - a token's prefix, so that secret scanners find tokens


def digest(secret: str) -> str:
    """Return the digest that we store of a random secret."""
    return hashlib.sha256(secret.encode()).hexdigest()


def new_token() -> str:
    """Return a new token."""
    return TOKEN + secrets.token_urlsafe(32)


async def change_rights(
    people: People, name: str, change: Callable[[Person], Person], line: AuditEntry
) -> Person | None:
    """Change a person's role, password or admission, and log the person out everywhere.

    Return the new person; None if there is none of that name.

    Raises:
        SiagaError: if nobody would be left who can let others in.

    """

    def checked(held: Person, others: Sequence[Person]) -> Person:
        new = change(held)
        if held.may(Permission.PEOPLE) and not any(one.may(Permission.PEOPLE) for one in (*others, new)):
            raise SiagaError(say("no admin would be left: make somebody else an admin first"))
        return new

    return await people.change_person(name, checked, line, log_out=True)
