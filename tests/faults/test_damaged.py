"""A byte that the disk got wrong, in what the private Redis keeps: the line goes on, and it is said."""

import json
from pathlib import Path

import pytest

from tests.faults.conftest import NUMBER, Switchboard
from tests.faults.figures import Measured
from tests.faults.test_forgotten import done
from tests.lab.agi_client import ask
from tests.lab.daemon import running
from tests.waiting import within

pytestmark = pytest.mark.redis


def flip(state: Path, part: str, at: bytes) -> None:
    """Flip all bits of a byte: where that stands for the last time, else the last but four."""
    (file,) = (state / "redis" / "appendonlydir").glob(part)
    content = bytearray(file.read_bytes())
    content[content.rindex(at) if at else len(content) - 5] ^= 0xFF
    file.write_bytes(content)


@pytest.mark.fault("flipped")
@pytest.mark.parametrize(
    ("part", "at", "only"),
    [
        ("*.incr.aof", b"*", ""),
        ("*.incr.aof", b"$3", "screen"),
        ("*.base.rdb", b"", "screen"),
        ("*.manifest", b"", ""),
    ],
)
async def test_a_flipped_byte_is_survived_said_and_counted(
    part: str, at: bytes, only: str, measured: Measured
) -> None:
    """The daemon starts and screens; the log, a metric and `doctor` say what was set aside, and where."""
    pbx = Switchboard()
    await pbx.manager.start()
    try:
        async with running(pbx) as daemon:
            await done(daemon, "block", NUMBER, "--permanent", "--reason", "threats")
            assert await daemon.stop() == 0
            state = daemon.folder / "state"
            flip(state, part, at)
            since = len(daemon.lines)
            await daemon.start(*(("--only", only) if only else ()))
            await daemon.ready(only, since=since)
            said = await daemon.event("redis_damaged", since=since)
            answers = [await ask(pbx.agi_port, f"0812333{n:05}") for n in range(20)]
            measured("calls without a verdict", sum(one.verdict != "ALLOW" for one in answers), at_most=0)
            async with within(20, "the count"):
                while 'outbox_lost_total{site="lab"} 0.0' in await daemon.metrics():
                    pass  # each look is a question to the daemon
            doctor = json.loads((await daemon.command("doctor", "--json")).out)
            assert [line["health"] for line in doctor if said["set_aside"] in line["found"]] == ["warn"]
    finally:
        await pbx.manager.stop()
