"""The targets, and whether a run meets them.

"Nothing worse than logarithmic": no cost may grow faster than the logarithm of the size.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from benchmarks.book import Book
from benchmarks.verdicts import PEERS

_Value = Callable[[Book], float | None]


@dataclass(frozen=True, slots=True)
class Target:
    """One target: `value` must be at most `limit`, or at least. `guarded`: `--check` compares it."""

    name: str
    text: str
    limit: float
    value: _Value
    unit: str = " times"
    at_least: bool = False
    guarded: bool = False

    def met(self, book: Book) -> bool | None:
        """Return whether it is met; None if it was not measured."""
        value = self.value(book)
        if value is None:
            return None
        return value >= self.limit if self.at_least else value <= self.limit


def best(book: Book, figure: str, *, largest: bool) -> str:
    """Return the name of the best peer's figure."""
    names = [name for peer in PEERS if (name := f"fastagi.{peer}.{figure}") in book.values]
    pick = max if largest else min
    return pick(names, key=lambda name: book.median(name) or 0.0, default="")


def _ratio(over: str, under: str) -> _Value:
    return lambda book: book.ratio(over, under)


def _median(name: str) -> _Value:
    return lambda book: book.median(name)


def _millis(name: str) -> _Value:
    """Return a figure in µs as ms."""

    def value(book: Book) -> float | None:
        micros = book.median(name)
        return None if micros is None else micros / 1e3

    return value


def _longest(name: str) -> _Value:
    return lambda book: max(book.values[name]) if name in book.values else None


def _growth(prefix: str, first: int, last: int, figure: str) -> _Value:
    return lambda book: book.ratio(f"growth.{prefix}.{last}.{figure}", f"growth.{prefix}.{first}.{figure}")


def _each(prefix: str, first: int, last: int, figure: str) -> _Value:
    """Return the bytes that one more takes, from a figure in MB."""
    small, large = (f"growth.{prefix}.{size}.{figure}" for size in (first, last))

    def value(book: Book) -> float | None:
        less, more = book.median(small), book.median(large)
        return None if less is None or more is None else (more - less) * 1e6 / (last - first)

    return value


def _lookup(book: Book) -> float | None:
    return book.ratio("fastagi.siaga112.64.rate", best(book, "64.rate", largest=True))


def _tail(book: Book) -> float | None:
    return book.ratio("fastagi.siaga112.64.p99", best(book, "64.p99", largest=False))


COMMANDS: Final = (
    ("report_month", "`report` of a month, 53,794 calls", 0.9),
    ("report_year", "`report` of a year, 650,000 calls", 3.0),
    ("calls_table", "`calls` of a month", 5.0),
    ("calls_json", "`calls --json` of a month", 3.0),
    ("why", "`why` of a caller with 400 calls, in a ledger of 1,000,000", 0.7),
    ("calls_number", "`calls --number` of such a caller", 0.7),
)
"""Commands by name, with a description and the seconds that the whole command may take."""

TARGETS: Final = (
    Target(
        "verdict_peer", "1. 64 at once: sessions/s ÷ the best Python peer with Redis", 3.0, _lookup,
        at_least=True, guarded=True,
    ),
    Target(
        "verdict_c", "1. 64 at once: sessions/s ÷ the C server with Redis", 1.0,
        _ratio("fastagi.siaga112.64.rate", "fastagi.c.64.rate"), at_least=True, guarded=True,
    ),
    Target("verdict_p99", "1. 64 at once: p99 ÷ the best peer's", 0.25, _tail),
    Target(
        "verdict_p50", "1. one at a time: p50 ÷ the C server's", 0.9,
        _ratio("fastagi.siaga112.1.p50", "fastagi.c.1.p50"),
    ),
    Target(
        "million", "1. 1,000,000 blocked numbers ÷ the empty list: p50 of a caller who is not blocked", 1.1,
        _ratio("fastagi.siaga112_full.1.p50", "fastagi.siaga112.1.p50"),
    ),
    Target(
        "replica_memory", "2. the replica of 1,000,000 numbers", 150, _median("replica.mb"), unit=" MB"
    ),
    *(
        Target(
            f"replica_{name}_{kind}",
            f"2. p99 of a {kind} caller's verdict, Redis {name} ÷ well", 1.25,
            _ratio(f"replica.{name}.{kind}.p99", f"replica.well.{kind}.p99"),
        )
        for name in ("slow", "frozen", "gone")
        for kind in ("stranger", "blocked")
    ),
    *(
        Target(
            f"replica_{change}", f"2. `{change}` known to verdicts after, the longest", 1,
            _longest(f"replica.known.{change}_s"), unit=" s",
        )
        for change in ("unblock", "allow", "mode")
    ),
    Target(
        "ami_full", "3. CPU an event, everything the PBX says ÷ panoramisk", 0.1,
        _ratio("ami.full.siaga112.cpu", "ami.full.panoramisk.cpu"), guarded=True,
    ),
    Target(
        "ami_filtered", "3. CPU an event, through the shipped filter ÷ panoramisk", 0.15,
        _ratio("ami.filtered.siaga112.cpu", "ami.filtered.panoramisk.cpu"), guarded=True,
    ),
    Target(
        "ami_live", "3. CPU an event, a real Asterisk at 20 calls/s ÷ panoramisk", 0.33,
        _ratio("pbx.ami.siaga112.cpu", "pbx.ami.panoramisk.cpu"),
    ),
    Target(
        "ami_kinds", "3. 200 kinds of event known ÷ 13", 1.05,
        _ratio("ami.full.siaga112_200.cpu", "ami.full.siaga112.cpu"), guarded=True,
    ),
    Target(
        "whole", "3. ended calls a second, stored, on one core", 3_000, _median("whole.filtered.rate"),
        unit=" calls/s", at_least=True,
    ),
    Target("lag", "3. at 10,000 events/s: p99 from socket to tracker", 5, _median("ami.lag.p99"), unit=" ms"),
    Target(
        "burst", "3. a verdict's p99 in a burst of 2,500 events, both halves in one process", 2,
        _millis("halves.burst.p99"), unit=" ms",
    ),
    Target(
        "scraped", "3. a verdict's p99 with two scrapes a second ÷ without", 2,
        _ratio("halves.scraped.p99", "halves.alone.p99"),
    ),
    Target(
        "agi", "4. mean AGI() in a real dialplan ÷ the C server's", 1.1,
        _ratio("pbx.agi.siaga112", "pbx.agi.c"),
    ),
    *(
        Target(
            f"setup_{figure}_{rate}", f"4. set-up time added at {rate} calls/s, {figure}", limit,
            _median(f"pbx.setup.{rate}.added_{figure}"), unit=" ms",
        )
        for rate in (1, 20, 100)
        for figure, limit in (("p50", 2), ("p99", 20))
    ),
    Target(
        "blocked", "5. blocked numbers 10³ → 10⁶: CPU a verdict", 2,
        _growth("blocked", 1_000, 1_000_000, "cpu"),
    ),
    Target(
        "calls", "5. calls in progress 1,000 → 10,000: CPU an event", 4 / 3,
        _growth("calls", 1_000, 10_000, "event_us"),
    ),
    Target(
        "ledger", "5. rows of the ledger 10⁴ → 10⁶: to record a call", 1.5,
        _growth("ledger", 10_000, 1_000_000, "record_us"),
    ),
    Target(
        "number", "5. a blocked number in Redis", 160, _each("blocked", 1_000, 1_000_000, "redis_mb"),
        unit=" B",
    ),
    Target(
        "call", "5. a call of the centre's month in the ledger, with its indexes", 450,
        _median("commands.call_b"), unit=" B",
    ),
    Target(
        "row", "5. an answered call of an operator with a long name, with all of its rows but events", 450,
        _each("ledger", 10_000, 1_000_000, "disk_mb"), unit=" B",
    ),
    *(
        Target(f"memory_{half}", f"5. memory at rest, the {text} half", most, _median(f"memory.{half}_mb"),
               unit=" MB")
        for half, text, most in (("screen", "screening", 55), ("track", "tracking", 90))
    ),
    Target("start", "5. start to ready", 0.8, _median("start.s"), unit=" s"),
    Target("help", "5. `siaga112 --help`", 0.15, _median("help.s"), unit=" s"),
    *(
        Target(f"command_{name}", f"5. {text}", most, _median(f"commands.{name}.s"), unit=" s")
        for name, text, most in COMMANDS
    ),
    Target(
        "report_memory", "5. the most that a report takes", 90, _longest("commands.report_year.mb"),
        unit=" MB",
    ),
    Target("scrape", "6. a scrape of /metrics", 10, _median("scrape.ms"), unit=" ms"),
)  # fmt: skip


GUARDED: Final = (
    *(target for target in TARGETS if target.guarded),
    Target(
        "verdict_cpu", "64 at once: CPU a session ÷ asyncio streams'", 1,
        _ratio("fastagi.siaga112.64.cpu", "fastagi.streams.64.cpu"),
    ),
)  # fmt: skip
"""What is compared with the recorded run: rates and processor time. Latencies change with other load."""


def table(book: Book) -> str:
    """Return the table of all targets."""
    words = {True: "met", False: "**not met**", None: "not measured"}
    rows = ["| target | goal | measured | |", "|---|---|---|---|"]
    for target in TARGETS:
        value = target.value(book)
        sign = "≥" if target.at_least else "≤"
        measured = "-" if value is None else f"{value:,.3g}{target.unit}"
        goal = f"{sign} {target.limit:,.4g}{target.unit}"
        rows.append(f"| {target.text} | {goal} | {measured} | {words[target.met(book)]} |")
    return "\n".join(rows)
