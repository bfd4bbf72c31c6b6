"""Who holds the FastAGI port, as `doctor` reports it."""

import asyncio
import os
import socket
from dataclasses import replace

import pytest

from siaga112.doctor.host import agi_round_trip
from siaga112.doctor.lines import Health
from siaga112.doctor.looking.daemon import stranger
from siaga112.doctor.observations import AgiSeen
from tests.core.test_doctor import NOTHING
from tests.lab import ports
from tests.waiting import killed, until

HOLD = "import socket, sys; s=socket.create_server(('127.0.0.1', int(sys.argv[1]))); input()"


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to be somebody else")
async def test_the_user_who_holds_the_port_is_named() -> None:
    """Another user who holds the port is named; the one who asks, an expected user and nobody are not."""
    port = ports.free()
    assert stranger(port) == ""
    with socket.create_server(("127.0.0.1", port)):
        assert stranger(port) == ""
    held = await asyncio.create_subprocess_exec(
        *("/usr/bin/python3", "-c", HOLD, str(port)), user="nobody", cwd="/", stdin=asyncio.subprocess.PIPE
    )
    try:
        await until(lambda: stranger(port) == "nobody", 20, "somebody else at the port")
        assert stranger(port, ("nobody",)) == ""
    finally:
        await killed(held)


def test_doctor_says_who_answers_in_our_place() -> None:
    """A right answer from another user's process is a failure, as its next answer may be wrong."""
    agi = AgiSeen({"SIAGA_VERDICT": "ALLOW", "SIAGA_REASON": "withheld"}, 1, "mallory")
    (line,) = agi_round_trip(replace(NOTHING, agi=agi))
    assert line.health is Health.FAIL
    assert "user mallory" in line.found
