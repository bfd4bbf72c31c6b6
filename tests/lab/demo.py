"""`make demo`: a day at the centre in miniature, on a real PBX, to watch."""

import asyncio
import os
import shlex
import signal
import sys
import time
from collections import Counter
from pathlib import Path

from tests.lab import Asterisk, find
from tests.lab.daemon import Daemon, running
from tests.lab.day import CONFIG, PRANKER, Day, Row, centre

ROOT = Path(__file__).parents[2]
SPARE = "081355555555"
"""A number that has not called yet."""

NAMES = {
    "answered": "answered", "abandoned": "abandoned", "unserved": "unserved",
    "ivr_prank": "IVR-prank", "blocked": "blocked", "unknown": "unknown",
}  # fmt: skip


def say(text: str = "") -> None:
    """Print at once, also into a pipe."""
    print(text, flush=True)


def show(row: Row, began: float) -> None:
    """Print a row."""
    mark = "ok  " if row.ok else "FAIL"
    say(f"{time.monotonic() - began:5.1f}s {mark} {row.what:<47} {row.pbx:<48} {row.decided}")
    if not row.ok:
        say(f"            expected: {row.expected}")


async def day_table(daemon: Daemon) -> bool:
    """Print the day's figures from the ledger; return whether they add up and agree with the metrics."""
    ledger = (await daemon.command("calls", "--json")).json
    counts = Counter(row["outcome"] for row in ledger)
    marks = Counter(row["mark"] for row in ledger if row["mark"])
    say("\nthe day")
    for outcome, name in NAMES.items():
        note = (
            f"  ({', '.join(f'{n} {mark}' for mark, n in sorted(marks.items()))})"
            if outcome == "answered"
            else ""
        )
        say(f"  {name:<12}{counts[outcome]:>5}{note}")
    say(f"  {'total':<12}{len(ledger):>5}")
    counted = await _counted(daemon)
    say(f"  {'in /metrics':<12}{counted:>5}")
    return sum(counts[outcome] for outcome in NAMES) == len(ledger) == counted


async def _counted(daemon: Daemon) -> int:
    lines = (await daemon.metrics()).splitlines()
    return sum(
        int(float(line.rsplit(" ", 1)[1])) for line in lines if line.startswith("siaga112_calls_total{")
    )


async def stay(pbx: Asterisk, daemon: Daemon) -> None:
    """Keep everything running until Ctrl-C, and print how to look around."""
    # The secret goes into the daemon's own file, so that each command works as it is printed.
    config = daemon.config.read_text("utf-8")
    daemon.config.chmod(0o600)
    daemon.config.write_text(config.replace("[ami]\n", f'[ami]\nsecret = "{pbx.siaga_secret}"\n', 1), "utf-8")
    for name, command in (
        ("siaga112", ("env", f"SIAGA112_CONFIG={daemon.config}", sys.executable, "-m", "siaga112")),
        ("pbx", pbx.console_command),
        ("call", ("env", f"PYTHONPATH={ROOT}", sys.executable, "-m", "tests.lab.caller", str(pbx.sip_port))),
    ):
        script = daemon.folder / name
        script.write_text(f'#!/bin/sh\nexec {shlex.join(command)} "$@"\n', "utf-8")
        script.chmod(0o755)
    say("\nall of it keeps running; Ctrl-C here ends it. Look around in another terminal:")
    for line, what in (
        (f"cd {daemon.folder}", ""),
        ("./siaga112 top", "the line, live; q ends it"),
        ("./siaga112 calls", "what became of each call"),
        (f"./siaga112 why {PRANKER}", "a caller's story"),
        (
            f"./call {SPARE}",
            "one more caller; with a 1 behind it, one who speaks",
        ),
        (f"./siaga112 calls --number {SPARE}", "that caller's calls"),
        (f"./siaga112 why {SPARE}", "the story so far"),
        ("./pbx -rvvv", "the PBX's console; exit ends it"),
        (f"curl -s {daemon.metrics_url}", "what Prometheus reads"),
    ):
        say(f"  {line:<36} {f'# {what}' if what else ''}".rstrip())
    await console(daemon)
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await stop.wait()  # ends: at Ctrl-C


USERS = {"Ratna": "supervisor", "Budi": "operator", "Adi": "admin"}


async def console(daemon: Daemon) -> None:
    """Let three people and a program in, and print how they get in."""
    passwords = {name: await daemon.add_user(name, role) for name, role in USERS.items()}
    token = await daemon.add_token("demo", "supervisor", "--for", "1d")
    await daemon.event("console")
    say(f"\nthe console, in a browser: {daemon.console_url}/")
    for name, password in passwords.items():
        say(f"  {name:<8}{USERS[name]:<12}{password}")
    say("the API, for a program:")
    say(f"  curl -s -H 'Authorization: Bearer {token}' {daemon.console_url}/api/v1/calls")
    say(f"  SIAGA112_TOKEN={token} ./siaga112 --api {daemon.console_url} callbacks")


async def demo() -> bool:
    """Play the day; return whether every row came out as expected."""
    began = time.monotonic()
    root = find("22", lambda line: say(f"      {line}"))
    async with centre(root) as (pbx, phone), await pbx.observe() as seen:
        took = time.monotonic() - began
        say(f"{took:5.1f}s      Asterisk {pbx.version} takes calls, with our asterisk/ files")
        async with running(pbx, CONFIG) as daemon:
            say(f"{time.monotonic() - began:5.1f}s      siaga112 follows it, mode enforce, embedded Redis\n")
            day = Day(pbx, daemon, seen, phone)
            good = True
            async for row in day.rows():
                show(row, began)
                good &= row.ok
            good &= await day_table(daemon)
            for command in (f"why {PRANKER}", "callbacks", "audit"):
                say(f"\n$ siaga112 {command}")
                say((await daemon.command(*command.split())).out.rstrip())
            say(f"\nmetrics: {daemon.metrics_url}")
            say("every row as expected" if good else "NOT every row as expected")
            if os.environ.get("KEEP", "") not in {"", "0"}:
                await stay(pbx, daemon)
            else:
                say("to look around afterwards: make demo KEEP=1")
    return good


def main() -> int:
    """Run the demo; 0 only if every row came out as expected."""
    try:
        return 0 if asyncio.run(demo()) else 1
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
