"""`backtest`."""

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from siaga112.cli.root import JsonOption, app, settings
from siaga112.core import durations
from siaga112.core.model import Outcome
from siaga112.core.text import whole
from siaga112.errors import SiagaError

if TYPE_CHECKING:
    from siaga112.backtest.history import History
    from siaga112.backtest.reading import FileReport
    from siaga112.backtest.simulation import Result
    from siaga112.core.policy import PolicyRules
    from siaga112.settings.schema import Settings
    from siaga112.terminal.progress import Bar

MAX_SWEEP = 50
"""How many values one sweep may have."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A policy to be tried, by the name that the tables give it."""

    name: str
    rules: "PolicyRules"


@app.command()
def backtest(  # noqa: PLR0917 - one parameter an option
    files: Annotated[
        list[Path],
        typer.Argument(help="queue_log, CEL or CDR as CSV, or captures; any number.", metavar="FILE…"),
    ],
    policy: Annotated[
        list[str] | None,
        typer.Option("--policy", help="A preset instead of the configuration's; repeatable.", metavar="NAME"),
    ] = None,
    compare: Annotated[
        tuple[Path, Path] | None,
        typer.Option("--compare", help="The policies of two configuration files.", metavar="A B"),
    ] = None,
    sweep: Annotated[
        str | None,
        typer.Option("--sweep", help='One key with many values: "threshold=3..10".', metavar="KEY=VALUES"),
    ] = None,
    handling: Annotated[
        str,
        typer.Option("--handling", help="What a call costs an operator beyond its talk.", metavar="DURATION"),
    ] = "0s",
    calls: Annotated[
        bool, typer.Option("--calls", help="List each call, with the lines of its file that decided.")
    ] = False,
    outcome: Annotated[
        Outcome | None, typer.Option("--outcome", help="With --calls: only calls that ended so.")
    ] = None,
    reveal: Annotated[bool, typer.Option("--reveal", help="Show numbers in full.")] = False,
    json: JsonOption = False,
) -> None:
    """Say what a policy would have done to past calls.

    Example: siaga112 backtest cel.csv queue_log --policy permenkominfo-2016 --policy serang-2019
    """
    from siaga112.backtest import show as backtest_show  # noqa: PLC0415
    from siaga112.backtest.simulation import Backtest  # noqa: PLC0415
    from siaga112.terminal import tables  # noqa: PLC0415

    config = settings()
    candidates = _candidates(config, policy or [], compare, sweep)
    try:
        extra = durations.parse(handling)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--handling") from error
    if outcome and not calls:
        raise typer.BadParameter("goes with --calls", param_hint="--outcome")
    reports, history = _read(files, config)
    if not len(history):
        raise SiagaError(
            "no call of ours in these files; are [pbx] trunk_contexts, ivr_contexts and queues right?"
        )
    if calls:
        backtest_show.calls(history, config.zone, outcome, reveal=reveal, json=json)
        return
    results: list[Result] = [
        Backtest(tried.name, tried.rules, config.zone, extra).run(history.in_order(), history.reached)
        for tried in candidates
    ]
    if json:
        tables.as_json(backtest_show.objects(reports, history, results, config.zone, reveal=reveal))
    else:
        backtest_show.page(reports, history, results, config.zone, reveal=reveal, chart=sweep is not None)


def _read(files: Sequence[Path], config: "Settings") -> "tuple[list[FileReport], History]":
    from siaga112.backtest import files as past_files  # noqa: PLC0415
    from siaga112.backtest.columns import Clock  # noqa: PLC0415
    from siaga112.backtest.reading import Site  # noqa: PLC0415
    from siaga112.backtest.store import PastStore  # noqa: PLC0415
    from siaga112.settings.schema import COUNTABLE  # noqa: PLC0415
    from siaga112.terminal.progress import Bar  # noqa: PLC0415

    # Whether there was a surge is always asked: a policy that knows none does not listen.
    policy = replace(config.policy_rules(), surge=config.service_level.answer_within)
    site = Site(config.dialplan(), config.classifier_rules(), policy)
    clock = Clock(config.zone)
    countable = frozenset(str(name) for name in COUNTABLE)
    reports, history = [], PastStore()
    size = sum(file.stat().st_size for file in files if file.is_file())
    with Bar("reading") as bar:
        advance = _pace(bar, size)
        for file in files:
            # Each for itself: what makes one file doubtful does not make another.
            alone = history if len(files) == 1 else PastStore()
            report, _ = past_files.read(file, site, clock, countable, advance, history=alone)
            reports.append(report)
            if alone is not history:
                history.join(alone)
    return reports, history


def _pace(bar: "Bar", size: int) -> Callable[[int, int], None]:
    """Give what counts rows and bytes read, of so many bytes, and shows how fast that goes."""
    began, rows, done = time.monotonic(), 0, 0

    def advance(more: int, read: int) -> None:
        nonlocal rows, done
        rows, done = rows + more, done + read
        rate = rows / max(time.monotonic() - began, 1e-3)
        bar(min(1.0, done / max(size, 1)), f"{rows:,} rows, {rate:,.0f} rows/s")

    return advance


# ── which policies ───────────────────────────────────────────────────────────────────────────────


def _candidates(
    config: "Settings", presets: Sequence[str], compare: tuple[Path, Path] | None, sweep: str | None
) -> list[Candidate]:
    if sum(map(bool, (presets, compare))) > 1 or (sweep and compare) or (sweep and len(presets) > 1):
        raise typer.BadParameter("choose one of --policy, --compare and --sweep (--sweep takes one --policy)")
    if compare:
        from siaga112.settings.schema import load  # noqa: PLC0415

        return [Candidate(path.stem, load(path).policy_rules()) for path in compare]
    bases = [_preset(config, name) for name in presets] or [config]
    if sweep:
        return _swept(bases[0], sweep)
    return [Candidate(_name(base.policy_rules()), base.policy_rules()) for base in bases]


def _name(rules: "PolicyRules") -> str:
    """Name a policy shortly, for the head of a column: by its preset, if that stands."""
    from siaga112.core.policy import OWN_RULE  # noqa: PLC0415

    return OWN_RULE if rules.title.startswith(OWN_RULE) else rules.title


def _preset(config: "Settings", name: str) -> "Settings":
    from siaga112.core.policy import PRESETS  # noqa: PLC0415
    from siaga112.settings.schema import Policy  # noqa: PLC0415

    if name not in PRESETS:
        raise typer.BadParameter(f"there are {', '.join(PRESETS)}", param_hint="--policy")
    return config.model_copy(update={"policy": Policy(preset=name)})


def _swept(config: "Settings", text: str) -> list[Candidate]:
    from pydantic import ValidationError  # noqa: PLC0415

    from siaga112.settings.schema import Policy  # noqa: PLC0415

    key, equals, values = text.partition("=")
    if not equals or key not in Policy.model_fields or key == "preset":
        known = ", ".join(sorted(Policy.model_fields.keys() - {"preset"}))
        raise typer.BadParameter(f'write KEY=VALUES, like "threshold=3..10" ({known})', param_hint="--sweep")
    given = {
        name: value for name, value in config.policy.model_dump(mode="json").items()
        if name in config.policy.model_fields_set
    }  # fmt: skip
    found = []
    for value in _values(values):
        try:
            changed = Policy.model_validate({**given, key: value})
        except ValidationError as error:
            why = error.errors()[0]["msg"].removeprefix("Value error, ")
            raise typer.BadParameter(f"{key} = {value}: {why}", param_hint="--sweep") from error
        rules = config.model_copy(update={"policy": changed}).policy_rules()
        found.append(Candidate(f"{key}={value}", rules))
    return found


def _values(text: str) -> Iterable[str]:
    """Read `3..10`, `1d..7d`, or a list: `1d,3d,7d`."""
    first, dots, last = text.partition("..")
    if not dots:
        values = text.split(",")
    else:
        unit = last.lstrip("0123456789")
        low, high = first.removesuffix(unit) if unit else first, last.removesuffix(unit)
        begin, end = whole(low), whole(high)
        if begin is None or end is None:
            raise typer.BadParameter('a range is written "3..10" or "1d..7d"', param_hint="--sweep")
        values = [f"{value}{unit}" for value in range(begin, min(end, begin + MAX_SWEEP) + 1)]
    if not 1 <= len(values) <= MAX_SWEEP:
        raise typer.BadParameter(f"1 to {MAX_SWEEP} values, the lower one first", param_hint="--sweep")
    return values
