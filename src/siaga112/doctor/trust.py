"""Checks of trust in numbers: whether the dialplan knows it, and whether trunks share calls."""

from collections.abc import Iterator
from typing import Final

from siaga112.doctor.lines import Line, fail, ok, unchecked, warn
from siaga112.doctor.observations import (
    DatabaseSeen,
    Examined,
    PbxInside,
    PbxSeen,
    Shipped,
    Wanted,
)

VOUCHES: Final = "SIAGA_ATTESTED="
ASKS: Final = "SIAGA_TRUST=verstat"

MANY: Final = 3
"""This many numbers over several trunks are no accident: the trunks share calls, or somebody spoofs."""


def vouched_for(_: PbxSeen, inside: PbxInside, wanted: Wanted, shipped: Shipped) -> Iterator[Line]:
    """Compare the policy for unattested numbers with what the dialplan can know."""
    own = {name: held for name, held in inside.contexts.items() if name not in shipped.contexts}
    steps = [step for held in own.values() for steps in held.extensions.values() for step in steps]
    asks = inside.trust == "verstat" or any(ASKS in str(step) for step in steps)
    tells = asks or any(VOUCHES in str(step) for step in steps)
    remedy = (
        f"in extensions.conf [globals]: {ASKS}, if the carrier writes verstat; else in [policy.trust] of "
        f"{wanted.config}: unattested = 1.0"
    )
    less = wanted.unattested < 1
    if less and not tells and not wanted.unattested:
        yield fail(
            "nobody ever gets a strike: unattested is 0, and the dialplan lets nobody vouch for a number",
            remedy,
        )
    elif less and not tells:
        yield warn(
            f"every call weighs {wanted.unattested:g}: the dialplan lets nobody vouch for a number", remedy
        )
    elif less:
        yield ok("the dialplan says whose number is vouched for")
    else:
        yield ok("numbers are believed, vouched for or not ([policy.trust] unattested = 1)")


def trunks(seen: Examined) -> Iterator[Line]:
    """Check for numbers whose misuses come over several trunks, which makes them not count."""
    wanted = seen.wanted
    found = seen.database.trunks if isinstance(seen.database, DatabaseSeen) else None
    if found is None:
        yield unchecked("the records cannot be read")
    elif not wanted.trunk_burst:
        yield ok("of one number's calls over several trunks each counts ([policy.trust] burst is 0s)")
    elif found.numbers >= MANY:
        yield warn(
            f"the misuses of {found.numbers} numbers came over several trunks ({', '.join(found.names)}) in "
            "the last 7 days: those close together count for nothing",
            f'in [policy.trust] of {wanted.config}: burst = "0s", if these trunks share the calls of one '
            "exchange; else ask the carriers who writes these numbers",
        )
    else:
        yield ok("one number's misuses come over one trunk")
