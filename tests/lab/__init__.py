"""A real Asterisk, real SIP callers and an independent AMI witness, for tests and the demo.

By hand, from the repository's root::

    python -m tests.lab.roots 22 16   # unpack both PBXs into the cache folder, once
    python -m tests.lab 22            # start one, print its ports, run until Ctrl-C

In a test::

    async with Asterisk.start(find("22")) as pbx, await pbx.observe() as seen:
        call = await place_call(pbx, number="081234567890", presses="1")
        joined = await seen.wait_for(lambda e: e.name == "QueueCallerJoin")
        await call.hang_up()
        assert (await call.ended()).status == 200

Rules of the lab: loopback only; ports chosen at run time; one temporary folder per PBX; no waiting by
sleeping; the lab ends only processes that it started, by their pids.
"""

from tests.lab.agi_stub import agi_stub
from tests.lab.ami import Event, Observer
from tests.lab.asterisk import Asterisk
from tests.lab.sipp import Call, Ending, place_call
from tests.lab.unpack import AsteriskRoot, Version, find

__all__ = [
    "Asterisk",
    "AsteriskRoot",
    "Call",
    "Ending",
    "Event",
    "Observer",
    "Version",
    "agi_stub",
    "find",
    "place_call",
]
