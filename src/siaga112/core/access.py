"""Who may do what: people and programs have one role each, and a role has permissions.

A permission is what one route, page or command asks for. The table here is all there is to it.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from siaga112.core.model import Millis
from siaga112.errors import WrongValueError


class Role(StrEnum):
    """What somebody is at the centre."""

    VIEWER = "viewer"
    OPERATOR = "operator"
    SUPERVISOR = "supervisor"
    PRIVACY = "privacy"
    ADMIN = "admin"


class Permission(StrEnum):
    """What may be seen or done."""

    WALL = "wall"
    """What goes on now, and the day's figures, without a number."""
    SHIFT = "shift"
    """The calls of this shift, the cards of their callers, one's own last call."""
    MARK = "mark"
    CALLBACK = "callback"
    CALLS = "calls"
    """The whole ledger, and who is blocked, proposed or allowed."""
    APPEAL = "appeal"
    """Note a caller's objection; to decide it is `decide`."""
    DECIDE = "decide"
    """Block, unblock, confirm, dismiss, allow, disallow, take a strike back."""
    MODE = "mode"
    REPORT = "report"
    RECORDING = "recording"
    EXPORT = "export"
    AUDIT = "audit"
    SUBJECT = "subject"
    """All that is held on one caller; and how much is held of each kind, which names nobody."""
    FORGET = "forget"
    HOLD = "hold"
    """Keep what is held on a caller as evidence, and end that; see for whom it is kept."""
    PEOPLE = "people"
    """Users, tokens and webhooks."""
    SETTINGS = "settings"
    """The configuration as understood, and the doctor."""


_OPERATOR: Final = frozenset({Permission.WALL, Permission.SHIFT, Permission.MARK, Permission.CALLBACK})
_SUPERVISOR: Final = _OPERATOR | {
    Permission.CALLS,
    Permission.APPEAL,
    Permission.DECIDE,
    Permission.MODE,
    Permission.REPORT,
    Permission.RECORDING,
    Permission.EXPORT,
    Permission.AUDIT,
    Permission.HOLD,
}

MAY: Final[dict[Role, frozenset[Permission]]] = {
    Role.VIEWER: frozenset({Permission.WALL}),
    Role.OPERATOR: _OPERATOR,
    Role.SUPERVISOR: _SUPERVISOR,
    Role.PRIVACY: frozenset(
        {
            *(Permission.WALL, Permission.APPEAL, Permission.AUDIT, Permission.SUBJECT, Permission.FORGET),
            Permission.HOLD,
        }
    ),
    Role.ADMIN: frozenset({Permission.WALL, Permission.PEOPLE, Permission.SETTINGS}),
}

NAME_LONGEST: Final = 64


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who may use the console. `password` is its hash, None until one is set."""

    name: str
    role: Role
    password: str | None = None
    lang: str | None = None
    made_at: Millis = 0
    made_by: str = ""
    disabled_at: Millis | None = None

    def may(self, permission: Permission) -> bool:
        """Say whether the role has a permission, and the person is not disabled."""
        return self.disabled_at is None and permission in MAY[self.role]


@dataclass(frozen=True, slots=True)
class Token:
    """A program that may use the API until then (None: for good). `numbers`: it may see them in full."""

    name: str
    digest: str
    role: Role
    numbers: bool = False
    made_at: Millis = 0
    made_by: str = ""
    until: Millis | None = None
    revoked_at: Millis | None = None

    def holds_at(self, now: Millis) -> bool:
        """Say whether it is good at that instant."""
        return self.revoked_at is None and (self.until is None or now < self.until)


@dataclass(frozen=True, slots=True)
class Session:
    """A browser that is logged in. `digest`: of what it holds; `csrf`: what its forms hold."""

    digest: str
    person: str
    csrf: str
    begun: Millis
    seen: Millis


def named(text: str) -> str:
    """Read the name of a person or a program.

    Raises:
        WrongValueError: in words for the user.

    """
    name = " ".join(text.split())
    if not name or len(name) > NAME_LONGEST or not name.isprintable():
        raise WrongValueError("a name has 1 to {most} letters that can be seen", most=NAME_LONGEST)
    return name
