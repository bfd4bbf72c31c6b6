"""Asterisk's uniqueid of a channel."""

import re
from typing import Final

from siaga112.core.model import SECOND, Millis

_UNIQUEID: Final = re.compile(r"(?:.*-)?([0-9]{1,11})\.[0-9]+")
"""An Asterisk uniqueid: optional system name, epoch second, sequence number."""


def made(uniqueid: str) -> Millis | None:
    """Return when the PBX created a channel, by its clock, to the second; None if the id has no time."""
    found = _UNIQUEID.fullmatch(uniqueid)
    return int(found[1]) * SECOND if found else None
