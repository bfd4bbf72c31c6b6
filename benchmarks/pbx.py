"""On a real Asterisk 22: AGI() in the dialplan, set-up and rejection times, AMI at 20 calls/s."""

import asyncio
import subprocess
import sys
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Final

from benchmarks import build, load, people
from benchmarks.book import Book
from benchmarks.servers import Running, redis, said, siaga112, started
from benchmarks.sip import Callers
from siaga112.core.ami.parser import WANTED
from tests.lab import ports
from tests.lab.ami import Observer
from tests.lab.asterisk import Asterisk
from tests.lab.unpack import find
from tests.waiting import reap

TIMES: Final = 400
"""How often one loop of the dialplan asks in one run."""

RATES: Final = ((1, 24.0), (20, 15.0), (100, 12.0))
"""Calls a second, and for how many seconds. A quarter of the calls are of each kind."""

SCREENED: Final = "112"
UNSCREENED: Final = "113"
BY_C: Final = "114"
_PEERS: Final = Path(__file__).parent / "peers"

_LOOP: Final = """
exten => {name},1,Set(N=0)
 same => n,UserEvent(BenchBegin,Of: {name})
 same => n(again),{ask}
 same => n,Set(N=$[${{N}} + 1])
 same => n,GotoIf($[${{N}} < {times}]?again)
 same => n,UserEvent(BenchEnd,Of: {name})
 same => n,Hangup()
"""
_INCOMING: Final = f"""
[bench-incoming]
exten => {SCREENED},1,Gosub(siaga112-screen,s,1)
 same => n,Hangup(17)
exten => {UNSCREENED},1,Hangup(17)
exten => {BY_C},1,Set(SIAGA_AGI=agi://127.0.0.1:C_PORT/screen)
 same => n,Goto({SCREENED},1)
"""
_MANAGER: Final = {"manager.conf": "\n[bench]\nsecret = bench\nread = all\nwrite = all\n"}


def measure(book: Book, *, quick: bool, say: Callable[[str], None]) -> None:
    """Start everything, then take one measurement after the other."""
    with ExitStack() as stack:
        store = stack.enter_context(redis())
        store.load(people.blocked(1_000))
        servers = {"siaga112": stack.enter_context(siaga112(store.url, only="screen"))}
        port = ports.free()
        program: list[str | Path] = [build.program("agi_server"), *map(str, (port, store.port, 1))]
        asked: dict[str, Running] = {**servers, "c": stack.enter_context(started(program, port))}
        port = ports.free()
        least: list[str | Path] = [sys.executable, "-m", "benchmarks.variants", "bare", str(port), "0"]
        asked["least"] = stack.enter_context(started(least, port))
        for name in ("streams", "panoramisk"):
            port = ports.free()
            script: list[str | Path] = [
                build.peers(),
                _PEERS / f"fastagi_{name}.py",
                str(port),
                str(store.port),
            ]
            asked[name] = stack.enter_context(started(script, port))
        asyncio.run(_on(asked, book, quick=quick, say=say))


async def _on(asked: dict[str, Running], book: Book, *, quick: bool, say: Callable[[str], None]) -> None:
    number = f"0{load.NOT_BLOCKED}"
    asks = {name: f"AGI(agi://127.0.0.1:{server.port}/screen,{number})" for name, server in asked.items()}
    loops = "".join(
        _LOOP.format(name=name, ask=ask, times=TIMES) for name, ask in {"nothing": "NoOp()", **asks}.items()
    )
    url = f"agi://127.0.0.1:{asked['siaga112'].port}/screen"
    incoming = _INCOMING.replace("C_PORT", str(asked["c"].port))
    async with (
        Asterisk.start(
            find("22", say),
            context="bench-incoming",
            dialplan=f"{incoming}\n[bench-loops]{loops}",
            globals_={"SIAGA_AGI": url},
            more=_MANAGER,
        ) as pbx,
        await pbx.observe() as observer,
    ):
        say("AGI() in the dialplan")
        for _ in range(3 if quick else 7):
            idle = await _loop(observer, "nothing")
            for name in asks:
                book.add(f"pbx.agi.{name}", (await _loop(observer, name)) - idle)
        callers = await Callers.at(pbx.sip_port)
        for rate, seconds in RATES[1:] if quick else RATES:
            say(f"set-up at {rate} calls/s")
            await _knock(callers, book, rate, 3.0 if quick else seconds)
        say("AMI at 20 calls/s")
        await _live(callers, pbx, observer, book, 4.0 if quick else 15.0)
        callers.close()


async def _loop(observer: Observer, name: str) -> float:
    """Run one loop; return the µs of one turn, by the PBX's clock."""
    mark = observer.mark()
    order = {"Action": "Originate", "Channel": f"Local/{name}@bench-loops/n", "Async": "true"}
    await observer.action({**order, "Application": "Wait", "Data": "60"})
    begin = await observer.wait_for(lambda e: e["UserEvent"] == "BenchBegin", since=mark)
    end = await observer.wait_for(lambda e: e["UserEvent"] == "BenchEnd", since=mark, timeout=60)
    return (float(end["Timestamp"]) - float(begin["Timestamp"])) / TIMES * 1e6


async def _knock(callers: Callers, book: Book, rate: int, seconds: float) -> None:
    """Call at this rate, in turn: screened by us, not screened, screened by the C server, rejected."""
    kinds = (
        ("screened", f"0{load.NOT_BLOCKED}", SCREENED, 486),
        ("unscreened", f"0{load.NOT_BLOCKED}", UNSCREENED, 486),
        ("by_c", f"0{load.NOT_BLOCKED}", BY_C, 486),
        ("rejected", people.number(7), SCREENED, 403),
    )
    calls = []
    loop = asyncio.get_running_loop()
    due = loop.time()
    for number in range(int(rate * seconds)):
        kind = kinds[number % len(kinds)]
        calls.append((kind, asyncio.create_task(callers.knock(*kind[1:3]))))
        due += 1 / rate
        await asyncio.sleep(max(0.0, due - loop.time()))
    took: dict[str, list[float]] = {kind[0]: [] for kind in kinds}
    for kind, call in calls:
        status, spent = await call
        if status != kind[3]:
            raise SystemExit(f"a {kind[0]} call ended with {status}")
        took[kind[0]].append(spent * 1e3)
    for figure, share in (("p50", 0.5), ("p99", 0.99)):
        values = {kind: load.quantile(spent, share) for kind, spent in took.items()}
        book.add_all(f"pbx.setup.{rate}", {f"{kind}_{figure}": value for kind, value in values.items()})
        book.add(f"pbx.setup.{rate}.added_{figure}", values["screened"] - values["unscreened"])


async def _live(callers: Callers, pbx: Asterisk, observer: Observer, book: Book, seconds: float) -> None:
    """Let all clients follow the same calls, without a filter."""
    names = sorted(name.decode() for name in WANTED)
    port, never = str(pbx.ami_port), str(10**9)
    commands: dict[str, list[str | Path]] = {
        "siaga112": [sys.executable, "-m", "benchmarks.ami_siaga112", port, never, "0"],
        "least": [sys.executable, "-m", "benchmarks.least_ami", port, never],
        "panoramisk": [build.peers(), str(_PEERS / "ami_panoramisk.py"), port, never, *names],
    }
    clients = {}
    for name, command in commands.items():
        process = subprocess.Popen(  # noqa: ASYNC220 - it only starts here
            command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        pbx.before_stop(_ender(process))
        await asyncio.to_thread(said, process)
        clients[name] = Running(process.pid, 0)
    before = {name: client.cpu() for name, client in clients.items()}
    mark = observer.mark()
    await _knock(callers, Book(), 20, seconds)
    events = observer.mark() - mark
    if not events:
        raise SystemExit("the PBX told of no event while it was called")
    for name, client in clients.items():
        book.add(f"pbx.ami.{name}.cpu", (client.cpu() - before[name]) / events * 1e6)
    book.add("pbx.ami.events", events)


def _ender(process: subprocess.Popen[str]) -> Callable[[], "asyncio.Future[None]"]:
    def end() -> "asyncio.Future[None]":
        reap(process)
        return asyncio.ensure_future(asyncio.sleep(0))

    return end
