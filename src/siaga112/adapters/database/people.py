"""Users of the console and the API: people, their sessions, and programs' tokens."""

import secrets
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import Connection, delete, select, update

from siaga112.adapters.database.rows import Values, read
from siaga112.adapters.database.schema import PERSON, SESSION, SITE, TOKEN
from siaga112.adapters.database.site import Site
from siaga112.core.access import Person, Role, Session, Token
from siaga112.core.model import AuditEntry, Millis


class People(Site):
    """The rows of `person`, `session` and `token`."""

    async def people(self) -> Sequence[Person]:
        """Return all people, ordered by name."""
        found = await self.select(PERSON, select(PERSON).order_by(PERSON.c.name))
        return [one for row in found for one in self.readable(row.name, lambda it: read(it, _person), row)]

    async def person(self, name: str) -> Person | None:
        """Return the person of that name, whatever its capitals; None if there is none."""
        return next((one for one in await self.people() if one.name.casefold() == name.casefold()), None)

    async def keep_person(self, person: Person, line: AuditEntry) -> None:
        """Insert or replace a person, with the line for the audit trail."""

        def act(connection: Connection) -> None:
            self.upsert(connection, PERSON, [_person_values(person)])
            self.note(connection, line)

        await self.act(act)

    async def change_person(
        self,
        name: str,
        change: Callable[[Person, Sequence[Person]], Person],
        line: AuditEntry,
        *,
        log_out: bool = False,
    ) -> Person | None:
        """Change a person in one transaction; see `service.ports.People.change_person`."""

        def act(connection: Connection) -> Person | None:
            found = connection.execute(select(PERSON).where(PERSON.c.site == self.site)).all()
            people = [
                one for row in found for one in self.readable(row.name, lambda it: read(it, _person), row)
            ]
            held = next((one for one in people if one.name.casefold() == name.casefold()), None)
            if held is None:
                return None
            new = change(held, [one for one in people if one is not held])
            self.upsert(connection, PERSON, [_person_values(new)])
            if log_out:
                whose = SESSION.c.site == self.site, SESSION.c.person == new.name
                connection.execute(delete(SESSION).where(*whose))
            self.note(connection, replace(line, subject=held.name))
            return new

        return await self.act(act)

    async def tokens(self) -> Sequence[Token]:
        """Return all tokens, ordered by name."""
        found = await self.select(TOKEN, select(TOKEN).order_by(TOKEN.c.name))
        return [one for row in found for one in self.readable(row.name, lambda it: read(it, _token), row)]

    async def token(self, digest: str) -> Token | None:
        """Return the token with that digest; None if there is none or it cannot be read."""
        found = await self.select(TOKEN, select(TOKEN).where(TOKEN.c.digest == digest))
        read_ = [one for row in found for one in self.readable(row.name, lambda it: read(it, _token), row)]
        return read_[0] if read_ else None

    async def keep_token(self, token: Token, line: AuditEntry) -> None:
        """Insert or replace a token, with the line for the audit trail."""

        def act(connection: Connection) -> None:
            self.upsert(connection, TOKEN, [_token_values(token)])
            self.note(connection, line)

        await self.act(act)

    async def session(self, digest: str) -> tuple[Session, Person] | None:
        """Return the session with that digest and its person; None if there is none or it cannot be read."""

        def ask(connection: Connection) -> tuple[Session, Person] | None:
            mine = SESSION.c.site == self.site, SESSION.c.digest == digest
            held = connection.execute(select(SESSION).where(*mine)).one_or_none()
            if held is None:
                return None
            whose = PERSON.c.site == self.site, PERSON.c.name == held.person
            person = connection.execute(select(PERSON).where(*whose)).one_or_none()
            if person is None:
                return None
            both = self.readable(
                person.name, lambda it: (read(it[0], _session), read(it[1], _person)), (held, person)
            )
            return both[0] if both else None

        return await self.ask(ask)

    async def keep_session(self, session: Session, line: AuditEntry | None = None) -> None:
        """Insert or replace a session, with the audit line of a login."""

        def act(connection: Connection) -> None:
            self.upsert(connection, SESSION, [_session_values(session)])
            if line:
                self.note(connection, line)

        await self.act(act)

    async def session_seen(self, digest: str, at: Millis) -> None:
        """Note that a session was used, if it has not been ended meanwhile."""

        def act(connection: Connection) -> None:
            mine = SESSION.c.site == self.site, SESSION.c.digest == digest
            connection.execute(update(SESSION).where(*mine).values(seen=at))

        await self.act(act)

    async def end_sessions(self, *, digest: str = "", person: str = "", before: Millis = 0) -> None:
        """End one session, all of a person, or all that were idle since `before`."""
        which = SESSION.c.seen < before
        if digest or person:
            which = SESSION.c.digest == digest if digest else SESSION.c.person == person

        def act(connection: Connection) -> None:
            connection.execute(delete(SESSION).where(SESSION.c.site == self.site, which))

        await self.act(act)

    async def secret(self) -> bytes:
        """Return the site's own secret; create it on first use."""

        def act(connection: Connection) -> str:
            held = connection.execute(select(SITE.c.secret).where(SITE.c.id == self.site)).scalar()
            if held is None:
                held = secrets.token_hex(32)
                connection.execute(update(SITE).where(SITE.c.id == self.site).values(secret=held))
            return str(held)

        return bytes.fromhex(await self.act(act))


def _person_values(one: Person) -> Values:
    return {
        "name": one.name,
        "role": one.role.value,
        "password": one.password,
        "lang": one.lang,
        "made_at": one.made_at,
        "made_by": one.made_by,
        "disabled_at": one.disabled_at,
    }


def _person(row: Any) -> Person:
    return Person(row.name, Role(row.role), row.password, row.lang, row.made_at, row.made_by, row.disabled_at)


def _token_values(one: Token) -> Values:
    return {
        "name": one.name,
        "digest": one.digest,
        "role": one.role.value,
        "numbers": one.numbers,
        "made_at": one.made_at,
        "made_by": one.made_by,
        "until": one.until,
        "revoked_at": one.revoked_at,
    }


def _token(row: Any) -> Token:
    return Token(
        row.name,
        row.digest,
        Role(row.role),
        row.numbers,
        row.made_at,
        row.made_by,
        row.until,
        row.revoked_at,
    )


def _session_values(one: Session) -> Values:
    return {
        "digest": one.digest,
        "person": one.person,
        "csrf": one.csrf,
        "begun": one.begun,
        "seen": one.seen,
    }


def _session(row: Any) -> Session:
    return Session(row.digest, row.person, row.csrf, row.begun, row.seen)
