"""Access control: a person or program has one role, and a role has permissions.

Each route, page or command requires one permission. The table `MAY` is the only place that grants them.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from siaga112.core.model import Millis
from siaga112.errors import WrongValueError


class Role(StrEnum):
    """The role of a person or a program."""

    VIEWER = "viewer"
    OPERATOR = "operator"
    SUPERVISOR = "supervisor"
    PRIVACY = "privacy"
    ADMIN = "admin"


class Permission(StrEnum):
    """What a role allows to see or do."""

    WALL = "wall"
    """The live view and the day's figures, without numbers."""
    SHIFT = "shift"
    """The calls of this shift, their callers' cards, and one's own last call."""
    MARK = "mark"
    CALLBACK = "callback"
    CALLS = "calls"
    """The whole ledger, the blocks, the proposals and the allow list."""
    APPEAL = "appeal"
    """Record a caller's appeal. Deciding it takes `decide`."""
    DECIDE = "decide"
    """Block, unblock, confirm, dismiss, allow, disallow, take a strike back."""
    MODE = "mode"
    REPORT = "report"
    RECORDING = "recording"
    EXPORT = "export"
    AUDIT = "audit"
    SUBJECT = "subject"
    """All data about one caller, and the amount of stored data by kind, which names nobody."""
    FORGET = "forget"
    HOLD = "hold"
    """Hold a caller's record as evidence, release it, and list the held records."""
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
    """A person who may use the console. `password`: its hash, None until one is set."""

    name: str
    role: Role
    password: str | None = None
    lang: str | None = None
    made_at: Millis = 0
    made_by: str = ""
    disabled_at: Millis | None = None

    def may(self, permission: Permission) -> bool:
        """Return whether the role has a permission and the person is not disabled."""
        return self.disabled_at is None and permission in MAY[self.role]


@dataclass(frozen=True, slots=True)
class Token:
    """A program that may use the API. `until`: when it expires, or None. `numbers`: it sees full numbers."""

    name: str
    digest: str
    role: Role
    numbers: bool = False
    made_at: Millis = 0
    made_by: str = ""
    until: Millis | None = None
    revoked_at: Millis | None = None

    def holds_at(self, now: Millis) -> bool:
        """Return whether the token is valid at that instant."""
        return self.revoked_at is None and (self.until is None or now < self.until)


@dataclass(frozen=True, slots=True)
class Session:
    """A logged-in browser. `digest`: the digest of its cookie's secret; `csrf`: the token in its forms."""

    digest: str
    person: str
    csrf: str
    begun: Millis
    seen: Millis


def named(text: str) -> str:
    """Parse the name of a person or a program.

    Raises:
        WrongValueError: in words for the user, if it is not a valid name.

    """
    name = " ".join(text.split())
    if not name or len(name) > NAME_LONGEST or not name.isprintable():
        raise WrongValueError("a name needs 1 to {most} visible characters", most=NAME_LONGEST)
    return name
