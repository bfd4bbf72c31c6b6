"""Asks as the dialplan does, RATE times a second for SECONDS; prints as JSON what became of the calls."""

import asyncio
import json
import sys
import time
from collections import Counter

REQUEST = (
    b"agi_network: yes\nagi_network_script: screen\nagi_request: agi://127.0.0.1/screen\n"
    b"agi_uniqueid: 1.1\nagi_callerid: unknown\nagi_callingpres: 32\n\n"
)
GUARD = 2.0
"""How long the dialplan waits, in seconds."""


async def ask(told: Counter[str], took: list[float]) -> None:
    """Ask for one call; count what became of it."""
    began, said = time.monotonic(), b""
    try:
        async with asyncio.timeout(GUARD):
            reader, writer = await asyncio.open_connection("127.0.0.1", 4573)
            writer.write(REQUEST)
            said = await reader.read()  # ends: within the guard
            writer.close()
        told["allow" if b'SIAGA_VERDICT "ALLOW"' in said else "closed" if not said else "other"] += 1
    except TimeoutError:
        told["guard"] += 1
    except ConnectionRefusedError:
        told["refused"] += 1
    except OSError:
        told["closed"] += 1
    took.append(time.monotonic() - began)


async def main(rate: float, seconds: float) -> None:
    """Ask for all calls; print the counts."""
    told: Counter[str] = Counter()
    took: list[float] = []
    began = time.monotonic()
    async with asyncio.TaskGroup() as calls:
        for number in range(int(rate * seconds)):
            await asyncio.sleep(max(0.0, began + number / rate - time.monotonic()))
            calls.create_task(ask(told, took))
    print(json.dumps({**told, "slowest": max(took)}))


if __name__ == "__main__":
    asyncio.run(main(float(sys.argv[1]), float(sys.argv[2])))
