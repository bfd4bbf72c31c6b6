"""Make up a year of calls like the made-up month, with numbers that lapse and are sold again.

    python -m tests.backtest.year > docs/backtest-year.md

The month is `tests.backtest.month`, thirteen times with different seeds. Further assumptions, as nobody knows
these facts about Serang:

- one in twenty of the misusing numbers lapses each month, and its user continues with another number;
- a lapsed number is silent for 60 days and then sold again (Permenkominfo 14/2018);
- its new owner has one emergency, at any time within the following half year, and calls twice, 60 s apart.

The last is far more than is likely: the year shows what a policy does to a new owner who needs help, not how
often that happens.
"""

import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from heapq import merge
from operator import attrgetter
from random import Random
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from siaga112.backtest.history import Past, Source, slim
from siaga112.backtest.simulation import Backtest, Result
from siaga112.core.model import DAY, SECOND, Call, Caller, CallId, Fact, FactKind, Level, Mark, Millis
from siaga112.core.outcome import ClassifierRules, classify
from siaga112.core.regulation import PRESETS, PolicyRules
from tests.backtest import month

MONTHS: Final = 13
MONTH: Final[Millis] = month.DAYS * DAY
LAPSES: Final = 0.05
"""The share of the misusing numbers that lapse each month."""
SILENT: Final[Millis] = 60 * DAY
WITHIN: Final[Millis] = 180 * DAY
RULES: Final = ClassifierRules()
ZONE: Final = ZoneInfo("Asia/Jakarta")

POLICIES: Final = {
    "reviews off": PRESETS["permenkominfo-2016"],
    "quiet 60d": replace(PolicyRules(), review_quiet=60 * DAY),
    "quiet 60d, review 180d": replace(PolicyRules(), review_quiet=60 * DAY, review=180 * DAY),
}

_KINDS: Final = {
    "menu": FactKind.LEFT_MENU,
    "early": FactKind.LEFT_ARRIVAL,
    "left_queue": FactKind.LEFT_QUEUE,
    "answered": FactKind.CONNECTED,
}


class Made(NamedTuple):
    """A made-up call: when, which kind, whose, and whether it is a real emergency."""

    at: Millis
    kind: str
    number: str
    genuine: bool = False


def offenders() -> tuple[list[Made], list[Made]]:
    """Return the year's calls: those of the months, and those of the numbers' new owners."""
    random, calls, owners = Random(112), [], []
    spelled: dict[str, str] = {}  # caller → the number that the person has now
    for nth in range(MONTHS):
        for one in month.calls(seed=112 + nth):
            at = int(one.start * SECOND) + nth * MONTH
            number = spelled.setdefault(one.number, one.number)
            calls.append(Made(at, one.kind, number, one.report))
        end = int(month.BEGIN.timestamp() * SECOND) + (nth + 1) * MONTH
        for person, number in spelled.items():
            if person.startswith("08121") and random.random() < LAPSES:
                owners.append(
                    Made(end + SILENT + int(random.random() * WITHIN), "answered", number, genuine=True)
                )
                spelled[person] = f"0857{random.randrange(10**7, 10**8)}"
    last = calls[-1].at
    return calls, sorted(one for one in owners if one.at < last)


def pasts(calls: list[Made], owners: list[Made]) -> Iterator[Past]:
    """Return the calls as past calls, in order."""
    again = [one._replace(at=one.at + 60 * SECOND) for one in owners]
    for number, made in enumerate(merge(calls, owners, again, key=attrgetter("at"))):
        yield _past(number, made)


def _past(number: int, made: Made) -> Past:
    facts = [Fact(made.at, FactKind.ARRIVED)]
    if made.kind in {"menu", "left_queue", "answered"}:
        facts.append(Fact(made.at + 100, FactKind.MENU, "ivr-112"))
    if made.kind in {"left_queue", "answered"}:
        facts.append(Fact(made.at + 5 * SECOND, FactKind.QUEUED, "112"))
    facts.append(Fact(made.at + 12 * SECOND, _KINDS[made.kind]))
    if made.kind == "answered":
        mark = Mark.GENUINE if made.genuine else Mark.PRANK
        facts += [Fact(made.at + 20 * SECOND, FactKind.MARKED, mark.value)]
        facts += [Fact(made.at + 30 * SECOND, FactKind.PARTED)]
    facts.append(Fact(made.at + 40 * SECOND, FactKind.ENDED))
    caller = Caller(f"+62{made.number[1:]}")
    call = Call(CallId(f"{made.at // SECOND}.{number}"), "", caller, identified=True, facts=tuple(facts))
    return Past(slim(classify(call, RULES)), Source.CEL)


class Turned(NamedTuple):
    """The new owners whose first call was rejected, and whose second was too."""

    owners: int
    first: int
    both: int


def turned(result: Result, owners: list[Made]) -> Turned:
    """Count the new owners who were rejected."""
    away = {(one.caller, one.started) for one in result.price if one.mark is Mark.GENUINE}
    spelled = [(Caller(f"+62{one.number[1:]}"), one.at) for one in owners]
    first = [one for one in spelled if one in away]
    both = [one for one in first if (one[0], one[1] + 60 * SECOND) in away]
    return Turned(len(spelled), len(first), len(both))


def year() -> tuple[dict[str, Result], dict[str, Turned]]:
    """Run the policies over the year."""
    calls, owners = offenders()
    results = {
        name: Backtest(name, rules, ZONE).run(pasts(calls, owners)) for name, rules in POLICIES.items()
    }
    return results, {name: turned(result, owners) for name, result in results.items()}


def page() -> str:
    """Return the text of docs/backtest-year.md."""
    results, found = year()
    (owners,) = {one.owners for one in found.values()}
    calls = next(iter(results.values())).calls
    rows: dict[str, Callable[[str], int]] = {
        "permanent blocks imposed": lambda name: results[name].blocks[Level.PERMANENT],
        "unblocked because the number was quiet": lambda name: results[name].released,
        "came up for review": lambda name: results[name].reviews,
        "**permanent blocks in force at the end**": lambda name: results[name].standing,
        f"**new owners rejected** (of {owners:,})": lambda name: found[name].first,
        "other genuine callers rejected": lambda name: (
            results[name].genuine - found[name].first - found[name].both
        ),
        "calls rejected, all": lambda name: results[name].rejected.total(),
    }
    head = f"| | {' | '.join(POLICIES)} |\n|---|{'---:|' * len(POLICIES)}\n"
    table = "".join(
        f"| {said} | {' | '.join(f'{count(name):,}' for name in POLICIES)} |\n"
        for said, count in rows.items()
    )
    return _PAGE.format(calls=calls, table=head + table)


_PAGE: Final = """\
# A year, with and without reviews of permanent blocks

{calls:,} calls: the [generated month](backtest-month.md) thirteen times, with the policy
`permenkominfo-2016`. Numbers lapse and are resold: one in twenty a month of those that misuse the line; 60
days of silence; then a new owner, who has one emergency within the next half year. **These are nobody's
real calls**, with far more emergencies of new owners than are likely: the table shows what reviews do for
them, not how many there are. A back-test has no supervisor: a block that comes up for review stays.

{table}
`quiet` is `[citizen] review_quiet`, `review` is `[citizen] review`. `python -m tests.backtest.year` generates
this page, and a nightly test compares them; the assumptions are in `tests/backtest/year.py`.
"""


if __name__ == "__main__":
    sys.stdout.write(page())
