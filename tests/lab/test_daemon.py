"""The lab's daemon leaves nothing behind."""

import os
import signal
from pathlib import Path

import pytest

from tests.faults.conftest import Switchboard
from tests.lab.daemon import running

pytestmark = pytest.mark.redis


async def test_a_killed_daemons_private_redis_is_ended_with_the_test() -> None:
    """The lab ends the redis-server that a killed daemon leaves running."""
    pbx = Switchboard()
    await pbx.manager.start()
    try:
        async with running(pbx) as daemon:
            pid = int((await daemon.event("redis_started"))["pid"])
            await daemon.stop(signal.SIGKILL)
            os.kill(pid, 0)  # still running
    finally:
        await pbx.manager.stop()
    assert not running_now(pid)


def running_now(pid: int) -> bool:
    """Return whether a process runs; one that has ended and not been waited for does not."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text("ascii")
    except FileNotFoundError:
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"
