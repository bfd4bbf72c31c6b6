"""`make dashboards-check`: a day of real calls, a real Prometheus, and every query of every dashboard."""

import asyncio
import sys

from tests.grafana.asking import NAMES
from tests.grafana.checking import Tried, check, summary
from tests.grafana.day import played


async def run() -> bool:
    """Print each dashboard's panels with their queries; return whether all have data."""
    print(
        "a day of real calls on a real Asterisk 22, scraped by a real Prometheus: about a minute", flush=True
    )
    tried: list[Tried] = []
    async with played() as view:
        for name in NAMES:
            print(f"\n{name}")
            async for one in check(name, view):
                tried.append(one)
                mark = "FAIL" if one.faults else "ok"
                print(
                    f"  {mark:<4} {one.title:<42} {one.queries} {'query' if one.queries == 1 else 'queries'}"
                )
                for fault in one.faults:
                    print(f"       {fault}")
    print(f"\n{summary(tried)}")
    return not any(one.faults for one in tried)


if __name__ == "__main__":
    sys.exit(0 if asyncio.run(run()) else 1)
