"""A line of the doctor: health, finding and remedy."""

from dataclasses import dataclass
from enum import StrEnum


class Health(StrEnum):
    """The health of what was checked."""

    OK = "ok"
    WARN = "warn"
    """It works, but not as well or as safely as it should."""
    FAIL = "fail"
    """siaga112 cannot work, or a guarantee does not hold."""
    UNCHECKED = "-"
    """Could not be seen from here."""


@dataclass(frozen=True, slots=True)
class Line:
    """One check's result. `remedy` is the exact line and where to put it; '' if there is nothing to do."""

    health: Health
    found: str
    remedy: str = ""
    check: str = ""


def ok(found: str) -> Line:
    """Return a line for what is as it should be."""
    return Line(Health.OK, found)


def warn(found: str, remedy: str) -> Line:
    """Return a line for what could be better, and how."""
    return Line(Health.WARN, found, remedy)


def fail(found: str, remedy: str) -> Line:
    """Return a line for what is broken, and how to mend it."""
    return Line(Health.FAIL, found, remedy)


def unchecked(why: str, remedy: str = "") -> Line:
    """Return a line for what could not be seen: why, and how to see it."""
    return Line(Health.UNCHECKED, f"not checked: {why}", remedy)


def unread() -> Line:
    """Return a line saying that Asterisk does not let us read its configuration files."""
    return unchecked(
        "Asterisk's function AST_CONFIG is missing",
        "on the PBX, for as long as doctor runs: asterisk -rx 'module load func_config.so'",
    )
