"""The centre's first month as a ledger: 53,794 calls in the published proportions.

    period       total   answered  abandoned  IVR-prank  sum
    11-28 Feb    35,486  4,840     2,264      29,484     36,588
    1-11 Mar     18,308  2,855     618        15,133     18,606

The published categories add up to more than the published totals (by 1,102 and 298), which a ledger cannot
do. This one keeps the totals, and the answered and abandoned calls, since an operator or a queue must be seen
to count those; the rest are IVR-prank calls. 14 of the answered calls were genuine, the others pranks.
The distribution over days, hours and callers is invented, but always the same.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from itertools import accumulate, islice
from random import Random
from typing import Final
from zoneinfo import ZoneInfo

from siaga112.core.changes import Change, replacement
from siaga112.core.decisions import lift
from siaga112.core.model import (
    DAY,
    SECOND,
    Call,
    Caller,
    CallId,
    Entry,
    Fact,
    FactKind,
    HandedOver,
    Handover,
    Mark,
    Millis,
    Outcome,
)
from siaga112.core.outcome import ClassifierRules, classify
from siaga112.core.policy import add_strike, strike_for
from siaga112.core.record import CallerRecord, Lift
from siaga112.core.regulation import PolicyRules
from siaga112.service.ports import Recording

ZONE: Final = ZoneInfo("Asia/Jakarta")
FOREVER: Final = 40_000 * DAY
"""How long to keep the calls: a real Redis expires them by today's clock."""
RULES: Final = PolicyRules(keep=FOREVER)
NUMBERS: Final = 9_000
"""How many callers misuse the line; few of them often."""
HOURS: Final = (22, 14, 9, 6, 5, 7, 14, 24, 36, 46, 52, 56, 60, 62, 60, 62, 68, 74, 80, 84, 82, 70, 52, 34)
"""The relative number of calls in each hour of the day."""


@dataclass(frozen=True, slots=True)
class Share:
    """The published figures of a period, and how many genuine reports it had."""

    first: date
    last: date
    total: int
    answered: int
    abandoned: int
    ivr_prank: int
    genuine: int

    @property
    def rest(self) -> int:
        """The IVR-prank calls: those of the total that were neither answered nor abandoned."""
        return self.total - self.answered - self.abandoned


FEBRUARY: Final = Share(date(2019, 2, 11), date(2019, 2, 28), 35_486, 4_840, 2_264, 29_484, genuine=9)
MARCH: Final = Share(date(2019, 3, 1), date(2019, 3, 11), 18_308, 2_855, 618, 15_133, genuine=5)
SHARES: Final = (FEBRUARY, MARCH)

_Seen = list[tuple[float, FactKind, str]]


def entries(shares: tuple[Share, ...] = SHARES, seed: int = 112) -> Iterator[Entry]:
    """Yield the ledger's rows, oldest first."""
    random = Random(seed)
    callers = [Caller(f"+62{random.choice(('812', '813', '857', '896'))}{n}") for n in _subscribers(random)]
    weights = list(accumulate(1 / (rank + 25) ** 1.05 for rank in range(NUMBERS)))
    number = 0
    for share in shares:
        kinds = (
            ["genuine"] * share.genuine
            + ["prank"] * (share.answered - share.genuine)
            + ["abandoned"] * share.abandoned
            + ["ivr_prank"] * share.rest
        )
        random.shuffle(kinds)
        starts = sorted(_start(share, random) for _ in kinds)
        for start, kind in zip(starts, kinds, strict=True):
            number += 1
            caller: Caller | None = random.choices(callers, cum_weights=weights)[0]
            if kind == "genuine":
                caller = Caller(f"+62811{random.randrange(10**6, 10**7)}")
            elif random.random() < 0.02:
                caller = None
            yield _entry(_call(number, start, caller, kind, random))


def _subscribers(random: Random) -> list[int]:
    return random.sample(range(10**6, 10**8), NUMBERS)


def _start(share: Share, random: Random) -> Millis:
    days = [share.first + timedelta(days=n) for n in range((share.last - share.first).days + 1)]
    # Children call more on days without school.
    day = random.choices(days, [1.35 if day.weekday() >= 5 else 0.85 + day.day % 7 / 20 for day in days])[0]
    hour = random.choices(range(24), HOURS)[0]
    moment = datetime(day.year, day.month, day.day, hour, random.randrange(60), tzinfo=ZONE)
    return int(moment.timestamp()) * SECOND + random.randrange(60 * SECOND)


def _call(number: int, start: Millis, caller: Caller | None, kind: str, random: Random) -> Call:
    facts = _facts(kind, random)
    return Call(
        id=CallId(f"{start // SECOND}.{number}"),
        raw_caller=f"0{caller[3:]}" if caller else "anonymous",
        caller=caller,
        identified=caller is not None,
        facts=tuple(Fact(start + int(seconds * SECOND), what, detail) for seconds, what, detail in facts),
    )


def _facts(kind: str, random: Random) -> _Seen:
    seen: _Seen = [
        (0, FactKind.ARRIVED, "siaga112-incoming"),
        (0.003, FactKind.SCREENED, "ALLOW"),
        (0.006, FactKind.SCREENED, "ALLOW not_blocked"),
        (0.15, FactKind.MENU, "siaga112-ivr"),
    ]
    chosen = random.uniform(3.1, 14)
    if kind == "ivr_prank":
        seen.append((chosen, FactKind.LEFT_MENU, "siaga112-ivr"))
        return [*seen, (chosen + 0.01, FactKind.ENDED, "16")]
    seen += [(chosen, FactKind.QUEUED, "siaga112"), (chosen + 0.4, FactKind.RINGING, "101")]
    if kind == "abandoned":
        gone = chosen + 1 + random.expovariate(1 / 18)
        return [*seen, (gone, FactKind.LEFT_QUEUE, "siaga112"), (gone + 0.01, FactKind.ENDED, "0")]
    waited = random.uniform(2, 9.8) if random.random() < 0.9 else 10.1 + random.expovariate(1 / 14)
    talked = random.uniform(60, 240) if kind == "genuine" else random.expovariate(1 / 12) + 2
    seen += [
        (chosen + waited, FactKind.CONNECTED, "101"),
        (chosen + waited + talked * 0.9, FactKind.MARKED, Mark(kind).value),
        (chosen + waited + talked, FactKind.PARTED, ""),
    ]
    return [*seen, (chosen + waited + talked + 0.01, FactKind.ENDED, "16")]


def _entry(call: Call) -> Entry:
    finding = classify(call, ClassifierRules())
    return Entry(finding, strike_for(finding, RULES) is not None)


def handled(rows: Iterable[Entry], seed: int = 119) -> Iterator[Entry]:
    """Yield the same rows, with invented details for answered calls, since nobody published any.

    The details are who answered, the mark and, for genuine reports, the kind, district and hand-overs.
    """
    random = Random(seed)
    for row in rows:
        finding, started = row.finding, row.finding.call.started
        if finding.outcome is not Outcome.ANSWERED:
            yield row
            continue
        mark = random.choice((None, Mark.GENUINE, Mark.INFORMATION, Mark.SILENT, Mark.PRANK))
        finding = replace(finding, operator=random.choice((None, "Ani", "Budi", "Budi", "Citra")), mark=mark)
        if mark is Mark.GENUINE:
            handovers = tuple(
                Handover(
                    started + random.randrange(20, 400) * 100 + random.randrange(100),
                    random.choice(list(HandedOver)),
                    *random.choice(
                        (("113", "Damkar"), ("119", "PSC"), ("119", "PSC"), ("0811", ""), ("0812", ""))
                    ),
                    random.choice((None, 0, 4_250)),
                )
                for _ in range(random.choice((0, 1, 1, 2)))
            )
            finding = replace(
                finding,
                kind=random.choice((None, "fire", "medical", "medical")),
                district=random.choice((None, "Serang", "Kasemen")),
                handovers=handovers,
            )
        yield replace(row, finding=finding)


def records(rows: list[Entry]) -> list[CallerRecord]:
    """Return the records of the callers whom the policy would have blocked in mode observe.

    A supervisor has lifted three of the blocks, one as a mistake.
    """
    held: dict[Caller, CallerRecord] = {}
    for row in rows:
        caller, strike = row.finding.call.caller, strike_for(row.finding, RULES)
        if caller and strike:
            held[caller] = add_strike(held.get(caller, CallerRecord(caller)), strike, RULES)
    blocked = [record for record in held.values() if record.blocks]
    stolen = [n for n, record in enumerate(blocked) if len(record.blocks) == 1][:3]
    for n in stolen:
        at = blocked[n].blocks[0].since + SECOND
        lifting = Lift(at, "supervisor", "the phone was stolen", mistake=n == stolen[0])
        blocked[n] = lift(blocked[n], lifting)
    return blocked


async def write(records: Recording, rows: Iterable[Entry]) -> None:
    """Write rows to the ledger, many at once."""
    for page in _pages(rows, 1_000):
        await records.write([Change(entry=row) for row in page])


async def write_records(records: Recording, held: Iterable[CallerRecord], now: Millis) -> None:
    """Write callers' records to a store."""
    await records.write(
        [Change(replacement(CallerRecord(record.caller), record, 0, now, RULES)) for record in held]
    )


def _pages(rows: Iterable[Entry], length: int) -> Iterator[list[Entry]]:
    waiting = iter(rows)
    while page := list(islice(waiting, length)):
        yield page
