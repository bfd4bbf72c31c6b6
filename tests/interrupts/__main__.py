"""Interrupt every command 200 times, and print the table: `python -m tests.interrupts [TRIES [COMMAND…]]`."""

import asyncio
import logging
import random
import secrets
import signal
import sys

import structlog

from tests.interrupts.trying import COMMANDS, Tally, attempt, measure, site

SIDE_BY_SIDE = 3


async def tally(command: str, tries: int, chance: random.Random) -> Tally:
    """Interrupt one command many times, on several sites side by side; return the tally."""
    found = Tally()

    async def some(count: int) -> None:
        async with site() as at:
            await measure(at, command)
            for _ in range(count):
                await attempt(at, command, signal.SIGINT, chance, found)

    share, rest = divmod(tries, SIDE_BY_SIDE)
    await asyncio.gather(*(some(share + (number < rest)) for number in range(SIDE_BY_SIDE)))
    return found


async def main(tries: int, commands: list[str]) -> int:
    """Print the table; return 1 if any try ended wrongly."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    seed = secrets.randbits(32)
    chance = random.Random(seed)
    print(f"seed {seed}\n\n| command | tries | exit codes | slowest end, s | wrong |\n|---|---|---|---|---|")
    wrong = []
    for command in commands:
        found = await tally(command, tries, chance)
        codes = ", ".join(f"{code}: {count}" for code, count in sorted(found.codes.items()))
        print(
            f"| {command} | {found.tries} | {codes} | {found.slowest:.2f} | {len(found.wrong)} |", flush=True
        )
        wrong += found.wrong
    print("\n".join(["", *wrong]))
    return int(bool(wrong))


if __name__ == "__main__":
    given = sys.argv[1:]
    raise SystemExit(asyncio.run(main(int(given[0]) if given else 200, given[1:] or list(COMMANDS))))
