"""The mode in force, from the configuration, the last switch by a person, and the file `off`.

If the configuration or the file `off` says off, the mode is off. Otherwise the last switch takes precedence
over the configuration. These functions are pure, so the daemon, the commands and `siaga112 top` agree.
"""

from dataclasses import dataclass
from typing import Final

from siaga112.core.model import AuditEntry, Millis, Mode, Via

SITE: Final = "site"
"""The audit trail's subject for what concerns the whole site."""

MILDEST_FIRST: Final = (Mode.OFF, Mode.OBSERVE, Mode.ENFORCE)


@dataclass(frozen=True, slots=True)
class Switch:
    """A mode that somebody switched to. `at` is 0 if the time is unknown; it then counts as the oldest."""

    mode: Mode
    at: Millis = 0
    by: str = ""
    reason: str = ""
    via: Via = Via.CLI


def in_force(configured: Mode, switched: Switch | None, *, held_off: bool = False) -> Mode:
    """Return the mode in force. `held_off`: this machine's state directory contains the file `off`."""
    if held_off or configured is Mode.OFF:
        return Mode.OFF
    return switched.mode if switched else configured


def prevailing(kept: Switch | None, stored: Switch | None) -> Switch | None:
    """Return the switch in force, given the last one this machine knows (`kept`) and the one in the store.

    Each switch is later than all that its author could see (see `later`), so a newer one in the store wins.
    If the store's switch is not newer, the store has lost data or a clock is behind: the milder mode wins.
    """
    if kept is None or stored is None:
        return kept or stored
    if stored.at > kept.at:
        return stored
    return min(kept, stored, key=lambda one: MILDEST_FIRST.index(one.mode))


def later(now: Millis, *known: Switch | None) -> Millis:
    """Return the time of a new switch: now, or later if a known switch is already later than now."""
    return max([now, *(one.at + 1 for one in known if one)])


def told(switch: Switch, instead_of: Mode) -> AuditEntry:
    """Return the audit trail's line about a switch."""
    detail = f"{instead_of} → {switch.mode}"
    return AuditEntry(switch.at, switch.by, "mode", SITE, detail, switch.reason, switch.via)
