"""What the parts of a verdict cost: µs of processor time each, without sockets.

python -m benchmarks.parts
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Final

import uvloop

from siaga112.app.metrics import open_metrics
from siaga112.app.records import now
from siaga112.core.agi import Conversation, Request, commands
from siaga112.core.caller_id import canonical
from siaga112.core.model import Mode
from siaga112.core.rules import InForce
from siaga112.core.standing import NOBODY, verdict
from siaga112.settings.schema import Settings
from tests.lab.agi_client import request

TIMES: Final = 20_000
REQUEST: Final = request("081234567890")


def _spent(work: Callable[[], object]) -> float:
    began = time.process_time()
    for _ in range(TIMES):
        work()
    return (time.process_time() - began) / TIMES * 1e6


async def _awaited(work: Callable[[], Awaitable[object]]) -> float:
    began = time.process_time()
    for _ in range(TIMES):
        await work()
    return (time.process_time() - began) / TIMES * 1e6


async def _deadline() -> None:
    async with asyncio.timeout(1.5):  # noqa: ASYNC100 - it is what is measured
        pass


async def main() -> None:
    """Measure and print the parts."""
    settings = Settings()
    metrics, rules, plan = (
        open_metrics(settings, InForce(settings.rules())),
        settings.policy_rules(),
        settings.number_plan(),
    )
    answer = verdict(NOBODY, Mode.ENFORCE, now(), rules)
    [request] = [m for m in Conversation().receive(REQUEST) if isinstance(m, Request)]
    loop = asyncio.get_running_loop()

    async def nothing() -> None:
        pass

    numbers = iter(range(10**12))
    parts = {
        "reading the request": _spent(lambda: list(Conversation().receive(REQUEST))),
        "the number, one often seen": _spent(lambda: canonical(request.number, plan)),
        "the number, one never seen": _spent(lambda: canonical(f"0812{next(numbers):08d}", plan)),
        "the decision": _spent(lambda: verdict(NOBODY, Mode.ENFORCE, now(), rules)),
        "the commands": _spent(lambda: commands(answer)),
        "counting it": _spent(lambda: metrics.screened(answer, 0.001)),
        "a deadline": await _awaited(_deadline),
        "a task": await _awaited(lambda: loop.create_task(nothing())),
    }
    for name, micros in parts.items():
        print(f"{micros:6.1f} {name}")


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main())
