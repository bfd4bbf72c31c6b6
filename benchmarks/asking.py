"""The dialplan's side of `benchmarks.scale`, in a process of its own: it asks and prints the times.

    python -m benchmarks.asking PORT SECONDS RATE SPREAD STEP

RATE 0: sixteen at once, as fast as they are answered. Callers are numbers below SPREAD, times STEP.
"""

import asyncio
import json
import sys
import time
from random import Random
from statistics import quantiles

from tests.lab.agi_client import ask

AT_ONCE = 16


async def asking(port: int, seconds: float, rate: float, spread: int, step: int) -> dict[str, float]:
    """Ask for this long; return how many were answered, and the quantiles of the time in seconds."""
    chance, took = Random(1), list[float]()
    unanswered = 0

    async def one() -> None:
        nonlocal unanswered
        number = f"0812{chance.randrange(spread) * step:08d}"
        answer = await ask(port, number)
        took.append(answer.seconds)
        unanswered += answer.reason not in {"blocked", "not_blocked"}

    async def on_and_on() -> None:
        while time.monotonic() < began + seconds:
            await one()

    began = time.monotonic()
    if rate:
        calls = set[asyncio.Task[None]]()
        for order in range(int(seconds * rate)):
            await asyncio.sleep(began + order / rate - time.monotonic())
            calls.add(asyncio.create_task(one()))
        await asyncio.gather(*calls)
    else:
        await asyncio.gather(*(on_and_on() for _ in range(AT_ONCE)))
    if len(took) < 2:
        raise SystemExit(f"{len(took)} answers in {seconds:g} s from port {port}")
    cuts = quantiles(took, n=100)
    return {"asked": len(took), "unanswered": unanswered, "p50": cuts[49], "p99": cuts[98]}


if __name__ == "__main__":
    arguments = sys.argv[1:]
    found = asyncio.run(
        asking(
            int(arguments[0]), float(arguments[1]), float(arguments[2]), int(arguments[3]), int(arguments[4])
        )
    )
    print(json.dumps(found))
