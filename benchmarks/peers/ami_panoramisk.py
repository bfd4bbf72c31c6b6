"""panoramisk as an AMI client: processor time for EXPECTED events of the names given.

ami_panoramisk.py PORT EXPECTED NAME…; prints "ready" once logged in, then seconds of processor time.
"""

import asyncio
import sys
import time
from typing import Any

from panoramisk import Manager


async def main(port: int, expected: int, names: list[str]) -> None:
    """Follow the stream until this many of these events have come."""
    manager = Manager(host="127.0.0.1", port=port, username="bench", secret="bench")  # noqa: S106 - a lab of our own
    done = asyncio.Event()
    seen = 0

    def count(_manager: Any, _event: Any) -> None:
        nonlocal seen
        seen += 1
        if seen == expected:
            done.set()

    for name in names:
        manager.register_event(name, count)
    await manager.connect()
    await manager.authenticated_future
    began = time.process_time()
    print("ready", flush=True)
    await done.wait()  # ends: whoever started this ends it
    print(time.process_time() - began, flush=True)
    manager.close()


asyncio.run(main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3:]))
