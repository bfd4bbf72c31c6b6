"""`user`, `token`, `webhooks`: who may use the console and the API, and which programs get events."""

import sys
from collections.abc import Callable
from dataclasses import replace
from enum import StrEnum
from typing import Annotated, Final

import typer

from siaga112.adapters import passwords
from siaga112.adapters.database.records import DatabaseRecords
from siaga112.app.access import change_rights, digest, new_token
from siaga112.app.records import now
from siaga112.cli.options import ByOption, JsonOption, span
from siaga112.cli.site import settings, speaker, with_records
from siaga112.core.access import Person, Role, Token, named
from siaga112.core.model import AuditEntry
from siaga112.errors import Said, SiagaError, UsageError, saying
from siaga112.terminal import labels, printing, rows, tables
from siaga112.terminal.rows import Row
from siaga112.words import say


class UserAction(StrEnum):
    """What to do with a user."""

    LIST = "list"
    ADD = "add"
    ROLE = "role"
    PASSWORD = "password"  # noqa: S105 - the word
    DISABLE = "disable"
    ENABLE = "enable"


class TokenAction(StrEnum):
    """What to do with a token."""

    LIST = "list"
    ADD = "add"
    REVOKE = "revoke"


NameArgument = Annotated[str, typer.Argument(help="The name.", metavar="NAME")]
RoleOption = Annotated[Role | None, typer.Option("--role", help="The role.", show_default=False)]

_USER_COLUMNS: Final = ("name", "role", "disabled", "password", "since", "by")
_TOKEN_COLUMNS: Final = ("name", "role", "numbers", "until", "revoked", "since", "by")


def user(
    action: Annotated[UserAction, typer.Argument(help="What to do.", metavar="ACTION")],
    by: ByOption,
    name: NameArgument = "",
    role: RoleOption = None,
    json: JsonOption = False,
) -> None:
    """Manage who may use the console: list, add, role, password, disable, enable.

    The password is asked for at the terminal, or read from the standard input. Roles: viewer, operator,
    supervisor, privacy, admin.

    Example: siaga112 user add Ratna --role supervisor
    """
    if action is UserAction.LIST:
        listed = [_user_row(one) for one in with_records(lambda records: records.people())]
        nobody = say("the console has no users (siaga112 user add)")
        tables.listing(listed, _USER_COLUMNS, nobody, json=json, t=speaker())
        return
    called, t = _named(name), speaker()
    match action:
        case UserAction.ADD:
            if role is None:
                raise _no_role(called)
            new = Person(called, role, _password(), None, now(), by)
            with_records(lambda records: _add(records, new, by))
            as_ = labels.word(role, t)
            printing.wrapped(
                t("{who} may use the console as {role}: {where}", who=called, role=as_, where=_where())
            )
        case UserAction.ROLE:
            if role is None:
                raise _no_role(called)
            new_role = role
            with_records(
                lambda records: _change(
                    records, called, lambda held: replace(held, role=new_role), f"role {new_role}", by
                )
            )
            as_ = labels.word(role, t)
            printing.wrapped(t("{who} is {role} now, and logged out everywhere", who=called, role=as_))
        case UserAction.PASSWORD:
            hashed = _password()
            with_records(
                lambda records: _change(
                    records, called, lambda held: replace(held, password=hashed), "password", by
                )
            )
            printing.wrapped(t("{who} has a new password, and is logged out everywhere", who=called))
        case _:
            keep_out = action is UserAction.DISABLE
            at, told = (now(), "disabled") if keep_out else (None, "enabled")
            with_records(
                lambda records: _change(records, called, lambda held: replace(held, disabled_at=at), told, by)
            )
            said = say("{who} can no longer log in") if keep_out else say("{who} may use the console again")
            printing.wrapped(t(said, who=called))


def _user_row(one: Person) -> Row:
    zone = settings().zone
    return {
        "name": one.name,
        "role": one.role,
        "since": rows.instant(one.made_at, zone),
        "by": one.made_by,
        "disabled": rows.instant(one.disabled_at, zone),
        "password": one.password is not None,
    }


def _no_role(called: str) -> UsageError:
    roles = ", ".join(Role)
    return UsageError(say("--role says what {who} may do: {roles}"), who=called, roles=roles)


def _named(name: str) -> str:
    try:
        return named(name)
    except ValueError as error:
        raise UsageError(Said("NAME: {why}", why=saying(error))) from None


def _password() -> str:
    """Ask for a new password, twice at a terminal; return its hash."""
    if sys.stdin.isatty():
        t = speaker()
        given = str(typer.prompt(t("password"), hide_input=True, confirmation_prompt=True))
    else:
        given = sys.stdin.readline().rstrip("\n")
    try:
        return passwords.hashed(given)
    except ValueError as error:
        raise SiagaError(saying(error)) from None


def _where() -> str:
    console = settings().console
    return console.address or f"http://{console.host}:{console.port}/"


async def _add(records: DatabaseRecords, new: Person, by: str) -> None:
    if await records.person(new.name):
        raise SiagaError(say("user {who} already exists"), who=new.name)
    await records.keep_person(new, AuditEntry(now(), by, "user added", new.name, new.role.value))


async def _change(
    records: DatabaseRecords, name: str, change: Callable[[Person], Person], told: str, by: str
) -> None:
    line = AuditEntry(now(), by, "user changed", name, told)
    if await change_rights(records, name, change, line) is None:
        raise SiagaError(say("there is no user {who} (siaga112 user list)"), who=name)


def token(  # noqa: PLR0917 - one parameter an option
    action: Annotated[TokenAction, typer.Argument(help="What to do.", metavar="ACTION")],
    by: ByOption,
    name: NameArgument = "",
    role: RoleOption = None,
    for_: Annotated[
        str | None, typer.Option("--for", help='How long it is valid, like "365d".', metavar="DURATION")
    ] = None,
    numbers: Annotated[bool, typer.Option("--numbers", help="The program may see numbers in full.")] = False,
    json: JsonOption = False,
) -> None:
    """Manage which programs may use the API: list, add, revoke.

    A token is shown once, when it is made.

    Example: siaga112 token add dispatch --role operator --for 365d
    """
    if action is TokenAction.LIST:
        listed = [_token_row(one) for one in with_records(lambda records: records.tokens())]
        none = say("there are no API tokens (siaga112 token add)")
        tables.listing(listed, _TOKEN_COLUMNS, none, json=json, t=speaker())
        return
    called = _named(name)
    if action is TokenAction.REVOKE:
        with_records(lambda records: _revoke(records, called, by))
        t = speaker()
        printing.wrapped(t("{who} can no longer log in", who=called))
        return
    if role is None:
        raise _no_role(called)
    held = new_token()
    until = None if for_ is None else now() + span(for_, "--for")
    new = Token(called, digest(held), role, numbers, now(), by, until)
    with_records(lambda records: _add_token(records, new, by))
    printing.plain(held)


def _token_row(one: Token) -> Row:
    zone = settings().zone
    return {
        "name": one.name,
        "role": one.role,
        "numbers": one.numbers,
        "since": rows.instant(one.made_at, zone),
        "by": one.made_by,
        "until": rows.instant(one.until, zone),
        "revoked": rows.instant(one.revoked_at, zone),
    }


async def _add_token(records: DatabaseRecords, new: Token, by: str) -> None:
    if any(one.name == new.name for one in await records.tokens()):
        raise SiagaError(say("token {who} already exists"), who=new.name)
    await records.keep_token(new, AuditEntry(now(), by, "token added", new.name, new.role.value))


async def _revoke(records: DatabaseRecords, name: str, by: str) -> None:
    held = next((one for one in await records.tokens() if one.name == name), None)
    if held is None:
        raise SiagaError(say("there is no token {who} (siaga112 token list)"), who=name)
    await records.keep_token(replace(held, revoked_at=now()), AuditEntry(now(), by, "token revoked", name))


def webhooks(
    again: Annotated[
        str, typer.Option("--again", help="Send this one its parked events again.", metavar="NAME")
    ] = "",
    json: JsonOption = False,
) -> None:
    """List the configured webhooks: how far each has been sent, what holds it up, what is parked.

    Example: siaga112 webhooks --again dispatch
    """
    config = settings().events.webhooks
    if again:
        if again not in config:
            there = Said("there are: {known}", known=", ".join(config)) if config else Said("there are none")
            said = say("there is no webhook {name} in [events.webhooks] ({there})")
            raise SiagaError(said, name=again, there=there)
        count = with_records(lambda records: records.unpark_all(again))
        printing.wrapped(
            speaker().many(
                "{count} parked event is sent again, by the console",
                "{count} parked events are sent again, by the console",
                count,
            )
        )
        return
    listed = with_records(_told)
    columns = ("name", "behind", "parked", "sent", "tries", "next", "error", "url")
    none = say("no webhook is configured ([events.webhooks])")
    tables.listing(listed, columns, none, json=json, t=speaker())


async def _told(records: DatabaseRecords) -> list[Row]:
    zone, config = settings().zone, settings().events.webhooks
    last, parked = await records.last_announced(), await records.parked()
    told = {one.name: one for one in await records.webhooks()}
    listed: list[Row] = []
    for name, hook in config.items():
        one = told.get(name)
        listed.append(
            {
                "name": name,
                "url": hook.url,
                "behind": max(0, last - one.position) if one else None,
                "sent": rows.instant(one.sent_at, zone) if one else None,
                "tries": one.tries if one else 0,
                "next": rows.instant(one.next_at, zone) if one else None,
                "error": one.error or None if one else None,
                "parked": sum(held.name == name for held in parked),
            }
        )
    return listed
