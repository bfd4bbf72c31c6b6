"""A line of the doctor's: how it is, what was found, and what to put where."""

from dataclasses import dataclass
from enum import StrEnum


class Health(StrEnum):
    """How a thing is."""

    OK = "ok"
    WARN = "warn"
    """It works, but not as well or as safely as it should."""
    FAIL = "fail"
    """siaga112 cannot do its work, or a guarantee does not hold."""
    UNCHECKED = "-"
    """Could not be seen from here."""


@dataclass(frozen=True, slots=True)
class Line:
    """One thing that was checked. `remedy` is the exact line to put where; '' if there is nothing to do."""

    health: Health
    found: str
    remedy: str = ""
    check: str = ""


def ok(found: str) -> Line:
    """Say that a thing is as it should be."""
    return Line(Health.OK, found)


def warn(found: str, remedy: str) -> Line:
    """Say that a thing could be better, and how."""
    return Line(Health.WARN, found, remedy)


def fail(found: str, remedy: str) -> Line:
    """Say that a thing is broken, and how to mend it."""
    return Line(Health.FAIL, found, remedy)


def unchecked(why: str, remedy: str = "") -> Line:
    """Say why a thing could not be seen, and how to see it."""
    return Line(Health.UNCHECKED, f"not checked: {why}", remedy)


def unread() -> Line:
    """Say that Asterisk does not read its configuration files to us."""
    return unchecked(
        "Asterisk's function AST_CONFIG is missing",
        "on the PBX, for as long as doctor runs: asterisk -rx 'module load func_config.so'",
    )
