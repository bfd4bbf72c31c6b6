"""A site on which every command does its real work, and the signals that interrupt it at any moment.

Moments are counted from the first line of our code. Before it only the interpreter runs: a signal kills it,
or it prints KeyboardInterrupt, and no Python program can prevent that. Our code has begun once the process
catches SIGTERM (proc(5), SigCgt), which Python itself does not.
"""

import asyncio
import os
import pty
import random
import shlex
import signal
import sys
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from siaga112.app.desk import open_supervisor
from siaga112.app.records import open_store
from siaga112.core.model import DAY
from siaga112.service.ports import StoreDownError
from siaga112.service.recording import Recorder
from siaga112.service.supervisor import RefusedError
from siaga112.settings.loading import load
from siaga112.settings.schema import Settings
from tests.core.table import in_force
from tests.fakes.manager import Manager
from tests.fakes.meter import KeptMeter
from tests.fakes.outbox import MemoryOutbox
from tests.lab import ports
from tests.lab.redis_servers import RedisServer, home
from tests.printed import without_secrets
from tests.samples import CALLER, NOW, RULES, answered, entry, prank
from tests.waiting import until, within

GOLDEN: Final = Path(__file__).parents[1] / "golden"
NUMBER: Final = "081211111111"
PATIENCE_SECONDS: Final = 60.0
"""A command that has not ended by then hangs."""

PROGRAMS: Final = (
    (sys.executable, "-m", "siaga112"),
    (str(Path(sys.executable).with_name("siaga112")),),
)

COMMANDS: Final = {
    "run": "run",
    "check-config": "check-config",
    "mode": 'mode observe --reason "a test"',
    "backtest": "backtest {golden}/backtest/22/cel.csv {golden}/backtest/22/calls.ami",
    "blocks": "blocks",
    "block": f"block {NUMBER} --for 24h --reason test",
    "unblock": f"unblock {NUMBER} --reason test",
    "confirm": f"confirm {NUMBER} --reason test",
    "dismiss": f"dismiss {NUMBER} --reason test",
    "allowed": "allowed --json",
    "allow": f"allow {NUMBER} --reason test",
    "disallow": f"disallow {NUMBER}",
    "import": "import {golden}/lists/freepbx.txt --as block --permanent --reason test --apply",
    "appeal": f"appeal {NUMBER} --reason test",
    "appeals": "appeals",
    "why": f"why {NUMBER}",
    "callbacks": "callbacks",
    "subject": f"subject {NUMBER}",
    "hold": f"hold {NUMBER} --reason test",
    "holds": "holds",
    "privacy": "privacy",
    "void": "void 1.1 --reason test",
    "user": "user list",
    "token": "token list",
    "webhooks": "webhooks",
    "forget": f"forget {NUMBER} --reason test --yes",
    "record": "record {new}.ami",
    "replay": "replay {golden}/22/answered_goes_on.ami --explain",
    "doctor": "doctor",
    "report": "report --format html --output {new}.html",
    "export": "export --output {new}.csv",
    "files": "files --to {new}",
    "setup": "setup --plan --site lab --kept {new}",
    "acl": "acl",
    "calls": "calls --since 3d",
    "mark": "mark {call} prank",
    "audit": "audit",
    "top": "top",
    "backup": "backup {new}.zip",
    "restore": "restore {golden}/lab.zip --replace",
    "migrate": "migrate",
    "rebuild": "rebuild",
}
"""For each command, a command line with which it does its real work."""

ENDLESS: Final = {"run": b'"ami_connected"', "record": b"recording to", "top": b"calls in progress"}
"""Commands that run until they are stopped, each with the output that shows that it has started."""

LONGER: Final = 1.5
"""The moments for an endless command extend over its start-up time, multiplied by this."""


@dataclass
class Site:
    """A Redis with calls in it, a PBX's manager interface, and two configurations."""

    folder: Path
    manager: Manager
    lengths: dict[str, float] = field(default_factory=dict)
    """How long each command takes when nobody interrupts it, in seconds."""
    codes: dict[str, int] = field(default_factory=dict)
    """The exit code with which it then ends."""
    _made: int = 0

    def settings(self) -> Settings:
        """Return the settings that the commands read."""
        return load(self.folder / "siaga112.toml", {})

    def words(self, command: str) -> list[str]:
        """Return a command line; a file that the command creates gets a new name each time."""
        self._made += 1
        call = answered(2, NOW - 1_800_000).id
        text = COMMANDS[command].format(golden=GOLDEN, new=self.folder / f"new-{self._made}", call=call)
        config = "daemon.toml" if command == "run" else "siaga112.toml"
        return ["--config", str(self.folder / config), *shlex.split(text)]

    async def prepare(self, command: str) -> None:
        """Create what the command takes back, or take back what it can do only once."""
        if command not in {"unblock", "disallow", "hold", "appeal"}:
            return
        async with within(PATIENCE_SECONDS, f"the state that {command} needs"):
            while not await self._prepared(command):
                pass  # each try waits for Redis as long as a command does

    async def _prepared(self, command: str) -> bool:
        settings = self.settings()
        store = open_store(settings)
        supervisor = open_supervisor(settings, store, "test")
        try:
            with suppress(RefusedError):  # it is in that state already
                match command:
                    case "unblock":
                        await supervisor.block(CALLER, DAY, "test")
                    case "disallow":
                        await supervisor.allow(CALLER, "test")
                    case "hold":
                        await supervisor.release(CALLER, "test")
                    case _:
                        await supervisor.reject(CALLER, "test")
        except StoreDownError:  # a busy machine, which is not what these tests are about
            return False
        finally:
            await store.close()
        return True

    def left_behind(self) -> list[str]:
        """Return the processes that still run on the daemon's state directory."""
        found = []
        for place in Path("/proc").glob("[0-9]*/cmdline"):
            with suppress(OSError):
                if os.fsencode(self.folder / "state") in (line := place.read_bytes()):
                    found.append(f"{place.parent.name}: {line!r}")
        return found


CONFIG: Final = """\
site = "lab"
state_dir = "{folder}/state"
[redis]
url = "{redis}"
[ami]
port = {ami}
secret = "lab"
[agi]
port = {agi}
[metrics]
port = {metrics}
"""


@asynccontextmanager
async def site() -> AsyncIterator[Site]:
    """Run a site for as long as the block lasts."""
    manager = Manager()
    await manager.start()
    with home() as folder, RedisServer(folder / "redis") as redis:
        for name, url in (("siaga112", redis.url), ("daemon", "embedded")):
            agi, metrics = ports.free(), ports.free()
            text = CONFIG.format(folder=folder, redis=url, ami=manager.port, agi=agi, metrics=metrics)
            (folder / f"{name}.toml").write_text(text)
        made = Site(folder, manager)
        (folder / "state").mkdir(mode=0o700)
        store = open_store(made.settings())
        recorder = Recorder(MemoryOutbox(), store, in_force(policy=RULES), KeptMeter())
        for call in (prank(1, NOW - 3_600_000), answered(2, NOW - 1_800_000), prank(3, NOW - 2 * DAY, None)):
            await recorder.record([entry(call)])
        await store.close()
        yield made
        await manager.stop()


@dataclass(frozen=True, slots=True)
class Ended:
    """How a try ended."""

    code: int
    err: str
    seconds: float
    """From the signal to the end."""


@dataclass(frozen=True, slots=True)
class Plan:
    """The signal that a command gets, and when: `moment` is seconds after our first line."""

    moment: float
    number: signal.Signals = signal.SIGINT
    again: float | None = None
    """How long after the first signal it gets a second one."""
    program: tuple[str, ...] = PROGRAMS[0]


@dataclass
class _Running:
    """A running command in a session of its own. `told`: its standard error; `shown`: its terminal."""

    process: asyncio.subprocess.Process
    told: bytearray
    shown: bytearray
    reading: "asyncio.Task[int]"


@asynccontextmanager
async def _running(at: Site, command: str, program: tuple[str, ...]) -> AsyncIterator[_Running]:
    """Run a command on a terminal; yield it once our first line has run, and kill it when the block ends."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith("SIAGA112_")}
    ours, theirs = pty.openpty()
    loop = asyncio.get_running_loop()
    process = await asyncio.create_subprocess_exec(
        *program,
        *at.words(command),
        env={**environ, "TERM": "xterm"},
        stdin=theirs,
        stdout=theirs,
        stderr=asyncio.subprocess.PIPE,
        start_new_session=True,
    )
    told, shown = bytearray(), bytearray()

    async def read() -> int:
        assert process.stderr is not None
        while part := await process.stderr.read(65_536):  # ends: with the process, which is killed below
            told.extend(part)
        return await process.wait()  # ends: as above

    running = _Running(process, told, shown, asyncio.create_task(read()))
    loop.add_reader(ours, lambda: shown.extend(os.read(ours, 65_536)))
    try:
        await until(lambda: _is_ours(process.pid), PATIENCE_SECONDS)
        yield running
    finally:
        if process.returncode is None:
            process.kill()
            await running.reading
        loop.remove_reader(ours)
        os.close(ours)
        os.close(theirs)


def _is_ours(pid: int) -> bool:
    """Return whether our first line has run or the process has ended."""
    try:
        status = Path(f"/proc/{pid}/status").read_text("ascii")
    except FileNotFoundError:
        return True
    state, caught = (status.partition(f"{key}:\t")[2].split()[0] for key in ("State", "SigCgt"))
    return state in {"Z", "X"} or bool(int(caught, 16) >> (signal.SIGTERM - 1) & 1)


async def interrupt(at: Site, command: str, plan: Plan) -> Ended:
    """Run a command and interrupt it.

    Raises:
        TimeoutError: if the command does not end.

    """
    await at.prepare(command)
    loop = asyncio.get_running_loop()
    async with _running(at, command, plan.program) as running:
        await _passes(plan.moment, running.reading)
        signalled = loop.time()
        _press(running.process, plan.number)
        if plan.again is not None:
            await _passes(plan.again, running.reading)
            _press(running.process, plan.number)
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                code = await asyncio.shield(running.reading)
        except TimeoutError:
            raise TimeoutError(f"{command} does not end: {plan}, {running.told!r}") from None
    return Ended(code, without_secrets(running.told.decode()), loop.time() - signalled)


async def _passes(seconds: float, ending: "asyncio.Task[int]") -> None:
    """Wait for that time, or until the command ends."""
    await asyncio.wait({ending}, timeout=seconds)


def _press(process: asyncio.subprocess.Process, number: signal.Signals) -> None:
    """Send the signal to the process and its group, as a terminal does."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, number)


@dataclass
class Tally:
    """The results of the tries of one command."""

    tries: int = 0
    codes: Counter[int] = field(default_factory=Counter)
    slowest: float = 0.0
    wrong: list[str] = field(default_factory=list)


async def measure(at: Site, command: str) -> None:
    """Measure how long a command takes (only its start if it is endless), and note its usual exit code."""
    await at.prepare(command)
    loop = asyncio.get_running_loop()
    async with _running(at, command, PROGRAMS[0]) as running, asyncio.timeout(PATIENCE_SECONDS):
        began = loop.time()
        if sign := ENDLESS.get(command):
            await until(lambda: sign in running.told + running.shown, PATIENCE_SECONDS)
            at.lengths[command] = LONGER * (loop.time() - began)
            _press(running.process, signal.SIGINT)
            at.codes[command] = await running.reading
        else:
            at.codes[command] = await running.reading
            at.lengths[command] = loop.time() - began


async def attempt(
    at: Site, command: str, number: signal.Signals, chance: random.Random, tally: Tally
) -> None:
    """Interrupt a command once at a random moment, and record in the tally how it ended."""
    again = chance.uniform(0, 0.3) if chance.random() < 1 / 4 else None
    plan = Plan(chance.uniform(0, at.lengths[command]), number, again, chance.choice(PROGRAMS))
    ended = await interrupt(at, command, plan)
    tally.tries += 1
    tally.codes[ended.code] += 1
    tally.slowest = max(tally.slowest, ended.seconds)
    if why := _wrong(at, command, ended, number):
        tally.wrong.append(f"{why}: {command}, {plan}, {ended}")


def _wrong(at: Site, command: str, ended: Ended, number: signal.Signals) -> str:
    words = [line for line in ended.err.splitlines() if not line.startswith("{")]  # the daemon's log
    if ended.code not in {0, 128 + number, at.codes[command]}:
        return "a wrong exit code"
    if "Traceback" in ended.err or "KeyboardInterrupt" in ended.err:
        return "a traceback"
    told = 2 if command == "record" else 0 if command == "run" else 1
    if len(words) > told:
        return "too many words"
    if command == "run" and (left := at.left_behind()):
        return f"left behind {left}"
    return ""
