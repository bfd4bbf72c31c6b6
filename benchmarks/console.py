"""What the console and the API cost, and how much they delay verdicts.

    python -m benchmarks.console FOLDER [SECTION[=SECONDS] …]      pages memory api browsers harm

SECONDS: how long a turn of `browsers` and `harm` is; `browsers=150` is ten minutes on the wall in all.
FOLDER has the records (`python -m benchmarks.large`), or gets them. `siaga112 run` is the real one, with the
console as its own process and its private Redis; a fake manager interface plays calls. One machine serves,
asks and measures, so absolute figures are those of all that together.
"""

import contextlib
import http.client
import json
import logging
import os
import re
import secrets
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any, Final
from urllib.parse import urlencode

import structlog

from benchmarks import large, load, mix
from benchmarks.feeder import Feeder, GoneError
from benchmarks.servers import Running, said, started
from tests.lab import ports

CONFIG: Final = """\
site = "{site}"
mode = "enforce"
state_dir = "{folder}"
[ami]
port = {ami}
secret = "bench"
[agi]
port = {agi}
deadline_ms = 900
[metrics]
port = {metrics}
[console]
port = {console}
[operators]
"101" = "Budi"
"""
ROUNDS: Final = 100
VERDICTS: Final = 100.0
"""Verdicts a second, while something else happens."""
_EVENT_PIECE: Final = 16


@dataclass
class Room:
    """The daemon, its console, and the credentials for it."""

    daemon: Running
    console: Running
    folder: Path
    token: str
    password: str
    rest: float
    """Megabytes that the console used before the first request."""
    cookie: str = ""
    held: http.client.HTTPConnection | None = field(default=None, repr=False)

    def get(self, path: str, **headers: str) -> tuple[int, bytes]:
        """Send a request over one kept connection."""
        if self.held is None:
            self.held = http.client.HTTPConnection("127.0.0.1", self.console.port, timeout=120)
        self.held.request("GET", path, headers={"Cookie": self.cookie, **headers})
        answer = self.held.getresponse()
        return answer.status, answer.read()

    def api(self, path: str) -> tuple[int, bytes]:
        """Send the API a request."""
        return self.get(f"/api/v1/{path}", Authorization=f"Bearer {self.token}", Cookie="")

    def login(self) -> None:
        """Log in as the supervisor."""
        asked = http.client.HTTPConnection("127.0.0.1", self.console.port, timeout=120)
        form = urlencode({"name": "Ratna", "password": self.password})
        asked.request("POST", "/login", form, {"Content-Type": "application/x-www-form-urlencoded"})
        answer = asked.getresponse()
        if answer.status != 303:
            raise SystemExit(f"nobody is let in: {answer.status} {answer.read()[-300:]!r}")
        self.cookie = (answer.headers["Set-Cookie"] or "").partition(";")[0]
        asked.close()


@contextmanager
def room(folder: Path) -> Iterator[Room]:
    """Run everything on these records."""
    large.fill(folder)  # unless it is there
    with Feeder() as feeder, ExitStack() as stack:
        agi, metrics, console = ports.free(), ports.free(), ports.free()
        config = folder / "siaga112.toml"
        config.write_text(
            CONFIG.format(
                site=large.SITE, folder=folder, ami=feeder.port, agi=agi, metrics=metrics, console=console
            )
        )
        ours: list[str | Path] = [sys.executable, "-m", "siaga112", "--config", config]
        password = secrets.token_hex(12)
        name = f"bench {secrets.token_hex(4)}"
        _told([*ours, "user", "add", "Ratna", "--role", "supervisor"], password, (0, 1))
        _told([*ours, "user", "password", "Ratna"], password)
        token = _told([*ours, "token", "add", name, "--role", "supervisor"])
        daemon = stack.enter_context(started([*ours, "run"], agi))
        _until(lambda: _listens(console), "the console")
        rest = Running(_child(daemon.pid), console).memory()
        made = Room(daemon, Running(_child(daemon.pid), console), folder, token.strip(), password, rest)
        _until(lambda: made.get("/readyz")[0] == 200, "the console's readiness")
        made.login()
        feeder.await_client()
        playing = threading.Event()
        player = threading.Thread(target=_play, args=(feeder, playing), daemon=True)
        player.start()
        try:
            yield made
        finally:
            playing.set()
            player.join(30)
            if made.held:
                made.held.close()


def _told(command: list[str | Path], given: str = "", codes: tuple[int, ...] = (0,)) -> str:
    done = subprocess.run(
        command, input=f"{given}\n", capture_output=True, text=True, timeout=120, check=False
    )
    if done.returncode not in codes:
        raise SystemExit(f"{command!r}: {done.stderr}")
    return done.stdout


def _play(feeder: Feeder, ended: threading.Event) -> None:
    """Play a call a second, piece by piece, at the pace of a queue call."""
    made = mix.Mix(mix.FILTERED)
    number = int(time.time())
    with contextlib.suppress(GoneError):
        while not ended.is_set():
            messages = made.call(number).split(b"\r\n\r\n")[:-1]
            for at in range(0, len(messages), _EVENT_PIECE):
                piece = messages[at : at + _EVENT_PIECE]
                feeder.send(b"\r\n\r\n".join(piece) + b"\r\n\r\n")
                if ended.wait(_EVENT_PIECE / len(messages)):
                    return
            number += 1


def _listens(port: int) -> bool:
    return f":{port:04X} 00000000:0000 0A" in Path("/proc/net/tcp").read_text()


def _child(parent: int) -> int:
    """Return the pid of the console that the daemon runs."""
    for child in Path(f"/proc/{parent}/task/{parent}/children").read_text().split():
        if b"console" in Path(f"/proc/{child}/cmdline").read_bytes():
            return int(child)
    raise SystemExit("the daemon has no console")


def _until(there: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError, http.client.HTTPException):
            if there():
                return
        time.sleep(0.05)
    raise SystemExit(f"{what}: not within 120 s")


@contextmanager
def looking(*words: object) -> Iterator[dict[str, float]]:
    """Run `benchmarks.looking` during the block; its result is in the dictionary afterwards."""
    told: dict[str, float] = {}
    command = [sys.executable, "-m", "benchmarks.looking", *map(str, words)]
    if words[0] == "streams":  # real browsers are on other machines, and take no processor time from verdicts
        command = ["nice", "-n", "19", *command]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdin is not None
    try:
        if said(process) != "ready":
            raise SystemExit(f"{words[0]} did not begin")
        yield told
        process.stdin.close()
        told |= json.loads(said(process))
    finally:
        process.stdin.close()
        process.kill()
        process.wait(10)
        if process.stdout:
            process.stdout.close()


# ── the sections ─────────────────────────────────────────────────────────────────────────────────


def addresses(at: Room) -> dict[str, str]:
    """Return the pages that are measured, some with filters, some far down a list."""
    _, blocks = at.get("/blocks")
    _, calls = at.get("/calls")
    reference = re.search(rb'href="/caller/([^"/]+)"', blocks)
    further = re.search(rb'href="(/calls\?[^"]*cursor=[^"]+)"', calls)
    one = re.search(rb'href="(/calls/[^"?]+)"', calls)
    if not (reference and further and one):
        raise SystemExit("the pages do not have the links that are looked for")
    number = large.caller(4_321)
    month = time.strftime("%Y-%m", time.gmtime(time.time() - 100 * 86_400))
    return {
        "wall": "/wall",
        "calls": "/calls",
        "calls, next page": further[1].decode().replace("&amp;", "&"),
        "calls of an outcome": "/calls?outcome=answered",
        "calls of a reason": "/calls?reason=invalid_choice",
        "calls with a mark": "/calls?mark=genuine",
        "calls of an operator": "/calls?operator=Budi",
        "calls of 100 days ago": f"/calls?until={month}-01",
        "calls of a caller": f"/calls?of={reference[1].decode()}",
        "a call": one[1].decode(),
        "a caller": f"/caller/{reference[1].decode()}",
        "blocks": "/blocks",
        "what waits": "/waiting",
        "call-backs": "/callbacks",
        "shift": "/shift",
        "hand-over": "/handover",
        "audit": "/audit",
        "audit of a person": "/audit?by=Ratna",
        "API: calls": "/api/v1/calls?limit=50",
        "API: blocks": "/api/v1/blocks?limit=50",
        "API: a caller": f"/api/v1/callers/{number.replace('+', '%2B')}",
    }


def pages(at: Room) -> None:
    """Time each page, one at a time, in a random order."""
    asked = addresses(at)
    took: dict[str, list[float]] = {name: [] for name in asked}
    turns = [name for name in asked for _ in range(ROUNDS)]
    Random(1).shuffle(turns)
    for name in (*asked, *turns):
        path = asked[name]
        more = {"Authorization": f"Bearer {at.token}", "Cookie": ""} if path.startswith("/api") else {}
        began = time.perf_counter()
        status, body = at.get(path, **more)
        took[name].append((time.perf_counter() - began) * 1e3)
        if status != 200:
            raise SystemExit(f"{path}: {status} {body[-300:]!r}")
    print("\n| page | p50 ms | p99 ms | longest ms |\n|---|---|---|---|")
    for name, held in took.items():
        print(f"| {name} | {_cut(held[1:], 0.5)} | {_cut(held[1:], 0.99)} | {max(held):.1f} |")
    everything = [value for held in took.values() for value in held[1:]]
    print(f"| all of them | {_cut(everything, 0.5)} | {_cut(everything, 0.99)} | {max(everything):.1f} |")


def _cut(values: list[float], share: float) -> str:
    return f"{load.quantile(values, share):.1f}"


def memory(at: Room) -> None:
    """Print the console's memory when it has begun, now, and with 50 browsers."""
    print(f"\nThe console when it has begun, {at.rest:.0f} MB; now, {at.console.memory():.0f} MB; ", end="")
    with looking("streams", at.console.port, at.cookie, 50):
        time.sleep(10)
        held = at.console.memory()
    print(f"with 50 browsers on the wall, {held:.0f} MB (resident, shared pages included).")


def api(at: Room) -> None:
    """Read one call as fast as possible, sixteen at once; the reader has the other core."""
    _, listed = at.api("calls?limit=1")
    call = json.loads(listed)["items"][0]["call"]
    cores = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(at.console.pid, {cores[0]})
    os.sched_setaffinity(at.daemon.pid, {cores[-1]})
    rates, used = [], []
    for _ in range(5):
        before, began = at.console.cpu(), time.monotonic()
        command = [sys.executable, "-m", "benchmarks.looking", "reads", at.console.port, at.token]
        words = [*map(str, command), f"/api/v1/calls/{call}", "16", "5"]
        if len(cores) > 1:
            words = ["taskset", "-c", str(cores[-1]), *words]
        out = subprocess.run(words, capture_output=True, text=True, check=True, timeout=60).stdout
        told = json.loads(out.splitlines()[-1])
        if set(told) != {"200", "rate"}:
            raise SystemExit(f"not all were answered: {told}")
        rates.append(told["rate"])
        used.append((at.console.cpu() - before) / (time.monotonic() - began))
    for process in (at.console.pid, at.daemon.pid):
        os.sched_setaffinity(process, set(cores))
    print(f"\nAPI, one call, 16 at once: {_spread(rates, ',.0f')} reads/s, {_spread(used, '.2f')} of a core.")


def _spread(values: list[float], form: str) -> str:
    middle = load.quantile(values, 0.5)
    return f"{middle:{form}} ({min(values):{form}} to {max(values):{form}})"


def browsers(at: Room, seconds: float = 10.0, rounds: int = 4) -> None:
    """Measure verdicts with 50 browsers on the wall and, half as long, without, in turn."""
    found: dict[str, list[float]] = {"without": [], "with": [], "cpu": [], "ratio": []}
    for _ in range(rounds):
        alone = load.sessions(at.daemon.port, seconds / 2, rate=VERDICTS).micros(0.99)
        with looking("streams", at.console.port, at.cookie, 50) as told:
            before, began = at.console.cpu(), time.monotonic()
            beside = load.sessions(at.daemon.port, seconds, rate=VERDICTS).micros(0.99)
            found["cpu"].append(100 * (at.console.cpu() - before) / (time.monotonic() - began))
        if told.get("cut"):
            raise SystemExit(f"{told['cut']} browsers were cut off")
        found["without"].append(alone)
        found["with"].append(beside)
        found["ratio"].append(beside / alone)
    print(
        f"\n50 browsers on the wall, a call a second, {rounds} x {seconds:g} s: the console uses "
        f"{_spread(found['cpu'], '.1f')} % of a core; verdicts at "
        f"{VERDICTS:g}/s, p99: {_spread(found['with'], ',.0f')} µs beside them, "
        f"{_spread(found['without'], ',.0f')} µs without, ratio {_spread(found['ratio'], '.2f')}."
    )


def harm(at: Room, seconds: float = 8.0, rounds: int = 3) -> None:
    """Measure verdicts while the console is flooded, frozen and killed, each after an undisturbed turn."""
    harms: Mapping[str, Callable[[], Any]] = {
        "flooded with 1,000 logins/s": lambda: looking("logins", at.console.port, 1_000),
        "frozen": lambda: _frozen(_child(at.daemon.pid)),
        "killed again and again": lambda: _killed(at.daemon.pid),
    }
    print("\n| the console is | p99 µs | in peace, before | ratio | later than 50 ms | failed |")
    print("|---|---|---|---|---|---|")
    for name, harmed in harms.items():
        with_, without, ratio, late, failed = [], [], [], 0, 0
        told: dict[str, float] = {}
        for _ in range(rounds):
            peace = load.sessions(at.daemon.port, seconds, rate=VERDICTS)
            with harmed() as found:
                felt = load.sessions(at.daemon.port, seconds, rate=VERDICTS)
            told |= found
            without.append(peace.micros(0.99))
            with_.append(felt.micros(0.99))
            ratio.append(with_[-1] / without[-1])
            late += sum(took > 0.05 for _, took in felt.samples) - sum(
                took > 0.05 for _, took in peace.samples
            )
            failed += felt.failed
        figures = (_spread(with_, ",.0f"), _spread(without, ",.0f"), _spread(ratio, ".2f"), f"{late:+d}")
        print(f"| {name} | {' | '.join(figures)} | {failed} |")
        if told:
            print(f"\n(the last flood: {told})\n")


@contextmanager
def _frozen(pid: int) -> Iterator[dict[str, float]]:
    os.kill(pid, signal.SIGSTOP)
    try:
        yield {}
    finally:
        os.kill(pid, signal.SIGCONT)


@contextmanager
def _killed(daemon: int) -> Iterator[dict[str, float]]:
    ended = threading.Event()

    def kill() -> None:
        while not ended.wait(1.0):
            with contextlib.suppress(SystemExit, OSError):
                os.kill(_child(daemon), signal.SIGKILL)

    killer = threading.Thread(target=kill, daemon=True)
    killer.start()
    try:
        yield {}
    finally:
        ended.set()
        killer.join(10)


SECTIONS: Final[Mapping[str, Callable[..., None]]] = {
    "memory": memory,
    "pages": pages,
    "api": api,
    "browsers": browsers,
    "harm": harm,
}


def main() -> None:
    """Run these sections, or all."""
    folder, *names = sys.argv[1:]
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    with room(Path(folder).absolute()) as at:
        for given in names or SECTIONS:
            name, _, seconds = given.partition("=")
            SECTIONS[name](at, **({"seconds": float(seconds)} if seconds else {}))
    print(f"\n({os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, Python {sys.version.split()[0]})")


if __name__ == "__main__":
    main()
