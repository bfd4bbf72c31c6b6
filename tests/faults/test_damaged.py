"""A damaged byte in the files of the private Redis: the daemon screens, and reports the damage."""

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
    """Flip all bits of one byte: the first of the last `at`, or the fifth from the end if `at` is empty."""
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
async def test_a_flipped_byte_is_survived_and_nothing_is_lost(
    part: str, at: bytes, only: str, measured: Measured
) -> None:
    """After a flipped byte in Redis's files, the daemon starts, screens, and restores the block list."""
    pbx = Switchboard()
    await pbx.manager.start()
    try:
        async with running(pbx) as daemon:
            await done(daemon, "block", NUMBER, "--permanent", "--reason", "threats")
            assert await daemon.stop() == 0
            flip(daemon.folder / "state", part, at)
            since = len(daemon.lines)
            await daemon.start(*(("--only", only) if only else ()))
            await daemon.ready(only, since=since)
            await daemon.event("redis_damaged", since=since)
            answers = [await ask(pbx.agi_port, f"0812333{n:05}") for n in range(20)]
            measured("calls without a verdict", sum(one.verdict != "ALLOW" for one in answers), at_most=0)
            if only:
                assert "whole: 1 caller" in await done(daemon, "rebuild")
            async with within(20, "the block in force again"):
                while (await ask(pbx.agi_port, NUMBER)).verdict != "BLOCK":
                    pass  # no sleep: each check asks for a verdict
    finally:
        await pbx.manager.stop()
