"""What the shipped Asterisk files promise a PBX admin, tried with real calls on both PBXs."""

import re
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import get_args

import pytest

from tests.lab import Asterisk, Event, Observer, Version, agi_stub, find, place_call
from tests.lab.agi_stub import BLOCK_AND_REJECT

pytestmark = pytest.mark.pbx
CALLER = "081234567890"

# Screens, then tells what is left of the channel's own settings, and waits.
PROBE = """
[probe]
exten => 112,1,Set(TIMEOUT(absolute)=${PROBE_TIMEOUT})
 same => n,Gosub(siaga112-screen,s,1)
 same => n,Set(PROBE_LEFT=${TIMEOUT(absolute)})
 same => n,Set(PROBE_AGIEXITONHANGUP=${AGIEXITONHANGUP})
 same => n,Set(PROBE_QUEUE_PRIO=${QUEUE_PRIO})
 same => n,Answer()
 same => n,Wait(60)
"""


@pytest.fixture(params=get_args(Version))
def version(request: pytest.FixtureRequest) -> Version:
    """Both PBXs, one suite."""
    found: Version = request.param
    return found


@asynccontextmanager
async def lab(version: Version, **variables: str) -> AsyncIterator[tuple[Asterisk, Observer]]:
    """Give a PBX whose trunk leads to our sample centre, and a witness."""
    async with Asterisk.start(find(version), globals_=variables) as pbx, await pbx.observe() as seen:
        yield pbx, seen


@asynccontextmanager
async def probe(version: Version, timeout: int = 300) -> AsyncIterator[tuple[Asterisk, Observer]]:
    """Give a PBX whose trunk leads to PROBE, and a witness."""
    root = find(version)
    async with (
        Asterisk.start(root, context="probe", dialplan=PROBE, globals_={"PROBE_TIMEOUT": str(timeout)}) as pbx,
        await pbx.observe() as seen,
    ):
        yield pbx, seen


def variable(name: str) -> "Wanted":
    """Tell the setting of this variable from other events."""
    return lambda e: e.name == "VarSet" and e["Variable"] == name


Wanted = "Callable[[Event], bool]"


async def screening_seconds(seen: Observer) -> float:
    """Give how long the AGI line of the dialplan took, by the PBX's own clock."""
    began = await seen.wait_for(lambda e: e.name == "Newexten" and e["Application"] == "AGI")
    ended = await seen.wait_for(lambda e: e.name == "VarSet" and e["Variable"] == "PROBE_LEFT")
    return float(ended["Timestamp"]) - float(began["Timestamp"])
