"""Which mode is in force: what is configured, what somebody switched to, and the switch that needs nobody.

`off` wins, whoever says it. Else the last switch holds before the configuration. Pure, so that the daemon,
the commands and `siaga112 top` cannot differ.
"""

from dataclasses import dataclass
from typing import Final

from siaga112.core.model import AuditEntry, Millis, Mode, Via

SITE: Final = "site"
"""The subject of a deed that concerns everybody."""

MILDEST_FIRST: Final = (Mode.OFF, Mode.OBSERVE, Mode.ENFORCE)


@dataclass(frozen=True, slots=True)
class Switch:
    """A mode that somebody switched to. `at` 0: nobody knows when, so it is older than all others."""

    mode: Mode
    at: Millis = 0
    by: str = ""
    reason: str = ""
    via: Via = Via.CLI


def in_force(configured: Mode, switched: Switch | None, *, held_off: bool = False) -> Mode:
    """Give the mode in force. `held_off`: the file `off` is in this machine's state directory."""
    if held_off or configured is Mode.OFF:
        return Mode.OFF
    return switched.mode if switched else configured


def prevailing(kept: Switch | None, stored: Switch | None) -> Switch | None:
    """Give the switch that holds, of the last that a machine knows and the one that the store tells of.

    Each switch is later than the ones that its maker could see (`later`), so the newer holds. A store that
    tells of an older one has lost something, or somebody's clock is behind: the milder of the two holds.
    """
    if kept is None or stored is None:
        return kept or stored
    if stored.at > kept.at:
        return stored
    return min(kept, stored, key=lambda one: MILDEST_FIRST.index(one.mode))


def later(now: Millis, *known: Switch | None) -> Millis:
    """Give the time of a new switch: now, but after all that are known, wherever their clocks were."""
    return max([now, *(one.at + 1 for one in known if one)])


def told(switch: Switch, instead_of: Mode) -> AuditEntry:
    """Give the line of the audit trail on a switch: the same for whoever writes it."""
    detail = f"{instead_of} → {switch.mode}"
    return AuditEntry(switch.at, switch.by, "mode", SITE, detail, switch.reason, switch.via)
