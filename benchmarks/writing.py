"""The results of a run: README.md, the charts, and recorded.json for `make bench-check`."""

import datetime as dt
import importlib.metadata
import json
import os
import platform
import re
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from benchmarks import build, charts
from benchmarks.book import Book
from benchmarks.targets import COMMANDS, GUARDED, Target, best, table
from benchmarks.verdicts import AT_ONCE

FOLDER: Final = Path(__file__).parent
RECORDED: Final = FOLDER / "recorded.json"
TEMPLATE: Final = FOLDER / "page.md"
_PLACE: Final = re.compile(r"\{\{(.*?)\}\}")
SLACK: Final = 0.25
"""A guarded ratio may be worse than the recorded one by this share."""

_OURS: Final = ("uvloop", "redis", "hiredis", "panoramisk", "h11", "prometheus-client")

AMI: Final = (
    ("client", "no filter", "shipped filter", "a real Asterisk, 20 calls/s, no filter"),
    (
        ("**siaga112**", "ami.full.siaga112.cpu", "ami.filtered.siaga112.cpu", "pbx.ami.siaga112.cpu"),
        ("**siaga112**, 200 kinds known", "ami.full.siaga112_200.cpu", "ami.filtered.siaga112_200.cpu", ""),
        ("the least: no event loop", "ami.full.least.cpu", "ami.filtered.least.cpu", "pbx.ami.least.cpu"),
        ("panoramisk", "ami.full.panoramisk.cpu", "ami.filtered.panoramisk.cpu", "pbx.ami.panoramisk.cpu"),
    ),
)
WHOLE: Final = (
    ("stream", "ended calls/s", "processor time a call, µs"),
    (
        ("shipped filter", "whole.filtered.rate", "whole.filtered.cpu"),
        ("no filter", "whole.full.rate", "whole.full.cpu"),
        ("the least, shipped filter", "whole.filtered.least_rate", "whole.filtered.least_cpu"),
        ("the least, no filter", "whole.full.least_rate", "whole.full.least_cpu"),
    ),
)
ANNOUNCED: Final = {
    "as_is": "as it is: one event row, in the call's own transaction",
    "live": "and the three that tell of a call while it goes on, a transaction a batch",
    "silent": "without event rows",
    "bare": "without event rows and without the indexes of outcome, mark and operator",
}
VARIANTS: Final = {
    "as_is": "as it is",
    "look_up": 'each verdict asks Redis with redis-py, as with `stale_after = "0s"`',
    "one_trip": "each asks over one connection that all share, made for this",
    "one_line": "as it is, but one `SET VARIABLE` instead of two",
    "bare": "the least in Python: a Protocol that does not read the request",
}
SERVERS: Final = {
    "nothing": "C, epoll, no look-up: the load generator's own limit",
    "c": "C, epoll, one Redis GET",
    "c_two": "C, the same, two SET VARIABLE, one after the other",
    "siaga112": "**siaga112**, nobody blocked",
    "siaga112_full": "**siaga112**, 1,000,000 blocked, callers who are not",
    "siaga112_blocked": "**siaga112**, 1,000,000 blocked, callers who are: five SET VARIABLE",
    "siaga112_asking": '**siaga112** with `stale_after = "0s"`: a look-up each time',
    "least": "the least in Python: a Protocol that does not read the request, with uvloop",
    "streams": "asyncio streams + redis-py",
    "panoramisk": "panoramisk.fast_agi + redis-py",
    "pystrix": "pystrix + redis-py",
}


def record(measured: Book) -> None:
    """Replace a section's figures in recorded.json, and write the page and the charts again."""
    book = read() if RECORDED.exists() else Book()
    book.values |= measured.values
    recorded = {
        "ratios": {t.name: round(value, 4) for t in GUARDED if (value := t.value(book))},
        "figures": {
            name: [float(f"{value:.5g}") for value in held] for name, held in sorted(book.values.items())
        },
    }
    text = json.dumps(recorded, indent=1, ensure_ascii=False)
    # One line for each figure, with all its rounds.
    text = re.sub(r"\[[^\]]*\]", lambda found: " ".join(found[0].split()), text)
    RECORDED.write_text(text + "\n", "utf-8")
    write()


def write() -> None:
    """Write the page and the charts from recorded.json."""
    book = read()
    charts.draw(book, FOLDER)
    (FOLDER / "README.md").write_text(page(book), "utf-8")


def read() -> Book:
    """Return the recorded run."""
    return Book(json.loads(RECORDED.read_text("utf-8"))["figures"])


def check(book: Book, recorded: dict[str, float] | None = None) -> int:
    """Compare the guarded ratios with the recorded ones; return 1 if one is worse by more than the slack."""
    known = json.loads(RECORDED.read_text("utf-8"))["ratios"] if recorded is None else recorded
    worse = 0
    for target in GUARDED:
        value = target.value(book)
        if value is not None and target.name in known:
            is_worse = _is_worse(target, value, known[target.name])
            worse += is_worse
            verdict = "WORSE" if is_worse else "ok"
            print(f"{verdict:6}{target.text}: {value:.3g}, recorded {known[target.name]:.3g}")
    return 1 if worse else 0


def _is_worse(target: Target, value: float, recorded: float) -> bool:
    return value < recorded / (1 + SLACK) if target.at_least else value > recorded * (1 + SLACK)


def machine() -> dict[str, str]:
    """Return what the machine is, and which versions were measured."""
    model = re.search(r"model name\s*: (.+)", Path("/proc/cpuinfo").read_text())
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
    return {
        "processor": f"{model[1] if model else platform.machine()}, {os.cpu_count()} cores, {memory:.0f} GB",
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "redis": _first_line("redis-server", "--version").partition("v=")[2].partition(" ")[0],
        "cc": _first_line("cc", "--version"),
        "siaga112 with": ", ".join(f"{name} {importlib.metadata.version(name)}" for name in _OURS),
        "peers": ", ".join(f"{name} {version}" for name, version in build.peer_versions().items()),
    }


def _first_line(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=120).stdout.partition(
        "\n"
    )[0]


def _machine() -> str:
    return "\n".join(["| | |", "|---|---|", *(f"| {name} | {value} |" for name, value in machine().items())])


def page(book: Book) -> str:
    """Return the filled template: `{{name form}}` is a figure, `{{@name}}` a table."""
    parts: dict[str, Callable[[], str]] = {
        "date": lambda: f"{dt.datetime.now(dt.UTC):%Y-%m-%d}",
        "machine": _machine,
        "targets": lambda: table(book),
        "verdicts": lambda: _verdicts(book),
        "variants": lambda: _variants(book),
        "replica": lambda: _replica(book),
        "wrong": lambda: (
            f"{sum(sum(book.values[name]) for name in book.values if name.endswith('.wrong')):.0f}"
        ),
        "ami": lambda: _rows(book, *AMI, ",.1f"),
        "whole": lambda: _rows(book, *WHOLE, ",.0f"),
        "announced": lambda: _announced(book),
        "setup": lambda: _setup(book),
        "growth": lambda: _growth(book),
        "commands": lambda: _commands(book),
    }

    def fill(found: re.Match[str]) -> str:
        name, _, form = found[1].partition(" ")
        return parts[name[1:]]() if name.startswith("@") else book.shown(name, form or ",.0f")

    return _PLACE.sub(fill, TEMPLATE.read_text("utf-8"))


def _rows(book: Book, head: Sequence[str], rows: Sequence[Sequence[str]], form: str) -> str:
    lines = [f"| {' | '.join(head)} |", f"|{'---|' * len(head)}"]
    for first, *names in rows:
        lines.append(f"| {first} | {' | '.join(book.shown(name, form) for name in names)} |")
    return "\n".join(lines)


def _announced(book: Book) -> str:
    """Return each way of recording compared with that without event rows, round by round."""
    compared = Book()
    for kind in ANNOUNCED:
        for figure in ("rate", "cpu"):
            name = f"announced.{kind}.{figure}"
            for ratio in book.ratios(name, f"announced.silent.{figure}"):
                compared.add(name, ratio)
    lines = ["| recording | calls/s | ÷ | processor time a call, µs | ÷ |", "|---|---|---|---|---|"]
    for kind, text in ANNOUNCED.items():
        rate, cpu = f"announced.{kind}.rate", f"announced.{kind}.cpu"
        cells = (
            book.shown(rate, ",.0f"), compared.shown(rate, ",.2f"),
            book.shown(cpu, ",.0f"), compared.shown(cpu, ",.2f"),
        )  # fmt: skip
        lines.append(f"| {text} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _verdicts(book: Book) -> str:
    head = ("server", "1: p50 µs", "1: p99 µs", "16: /s", "64: /s", "64: p99 µs", "64: CPU µs/session")
    figures = ("1.p50", "1.p99", "16.rate", "64.rate", "64.p99", "64.cpu")
    rows = [(text, *(f"fastagi.{name}.{figure}" for figure in figures)) for name, text in SERVERS.items()]
    failed = sum(
        sum(book.values.get(f"fastagi.{name}.{at_once}.failed", ()))
        for name in SERVERS
        for at_once in AT_ONCE
    )
    peer = best(book, "64.rate", largest=True)
    ratios = {name: book.ratio(f"fastagi.{name}.64.rate", peer) for name in SERVERS}
    parts = [f"{SERVERS[name].strip('*')} {ratio:.2f}" for name, ratio in ratios.items() if ratio]
    told = f"64 at once, sessions/s ÷ the best Python peer's: {'; '.join(parts)}."
    return (
        f"{_rows(book, head, rows, ',.0f')}\n\n{told}\n\nSessions that failed, of all servers: {failed:.0f}."
    )


def _variants(book: Book) -> str:
    head = ("variant", "1: p50 µs", "64: sessions/s", "64: p99 µs", "CPU µs/session")
    figures = ("1.p50", "64.rate", "64.p99", "64.cpu")
    rows = [(text, *(f"variants.{name}.{figure}" for figure in figures)) for name, text in VARIANTS.items()]
    return _rows(book, head, rows, ",.0f")


def _replica(book: Book) -> str:
    states = ("well", "slow", "frozen", "gone")
    rows = [
        (text, *(f"replica.{state}.{kind}.p99" for state in states))
        for text, kind in (("a caller who is not blocked", "stranger"), ("a blocked caller", "blocked"))
    ]
    return _rows(book, ("p99 µs", *(f"Redis {state}" for state in states)), rows, ",.0f")


def _setup(book: Book) -> str:
    names = ("not screened", "siaga112", "added", "the C server", "rejected")
    head = ("calls/s", *(f"{figure}: {name}" for figure in ("p50", "p99") for name in names))
    kinds = ("unscreened", "screened", "added", "by_c", "rejected")
    rows = [
        (f"{rate}", *(f"pbx.setup.{rate}.{kind}_{figure}" for figure in ("p50", "p99") for kind in kinds))
        for rate in (1, 20, 100)
    ]
    return _rows(book, head, rows, ",.2f")


def _commands(book: Book) -> str:
    rows = [(text, f"commands.{name}.s", f"commands.{name}.mb") for name, text, _ in COMMANDS]
    return _rows(book, ("whole command", "s", "MB at most"), rows, ",.3g")


def _growth(book: Book) -> str:
    parts = (
        ("blocked numbers", "blocked", ("cpu", "p50", "p99", "redis_mb", "daemon_mb"),
         ("CPU µs a verdict", "p50 µs", "p99 µs", "Redis MB", "daemon MB")),
        ("calls in progress", "calls", ("event_us",), ("CPU µs an event",)),
        ("rows of the ledger", "ledger", ("record_us", "calls_s", "disk_mb"),
         ("to record a call, µs", "`siaga112 calls` of the last two days, s", "disk MB")),
    )  # fmt: skip
    tables = []
    for title, prefix, figures, heads in parts:
        sizes = charts.sizes(book, prefix)
        rows = [(f"{size:,}", *(f"growth.{prefix}.{size}.{figure}" for figure in figures)) for size in sizes]
        tables.append(_rows(book, (title, *heads), rows, ",.3g"))
    return "\n\n".join(tables)
