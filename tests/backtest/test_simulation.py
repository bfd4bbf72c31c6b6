"""Simulating a policy on past calls, with the live code."""

from dataclasses import replace
from random import Random
from typing import Final
from zoneinfo import ZoneInfo

import pytest

from siaga112.backtest.history import Past, Source, slim
from siaga112.backtest.simulation import TOGETHER, Backtest, Paid, Price, Result
from siaga112.captures import capture
from siaga112.captures.replay import Replay
from siaga112.core.model import (
    DAY,
    SECOND,
    Call,
    Caller,
    CallId,
    Fact,
    FactKind,
    Level,
    Mark,
    Millis,
    Outcome,
    Treatment,
)
from siaga112.core.outcome import ClassifierRules, classify
from siaga112.core.regulation import PRESETS, PolicyRules
from siaga112.core.rules import Rules
from tests.backtest.recorded import FOLDER, VERSIONS, live

ZONE: Final = ZoneInfo("Asia/Jakarta")
HOUR: Final[Millis] = 3_600 * SECOND
START: Final[Millis] = 1_795_000_000_000
CALLER: Final = Caller("+6281211111111")
RULES: Final = PolicyRules()


def past(number: int, at: Millis, kind: FactKind, caller: Caller | None = CALLER, mark: str = "") -> Past:
    """Return a past call of 20 s with this outcome, with 10 s of talk if it was answered."""
    facts = [Fact(at, FactKind.ARRIVED), Fact(at + 10 * SECOND, kind)]
    facts += [Fact(at + 11 * SECOND, FactKind.MARKED, mark)] if mark else []
    facts += [Fact(at + 20 * SECOND, FactKind.PARTED)] if kind is FactKind.CONNECTED else []
    facts.append(Fact(at + 20 * SECOND, FactKind.ENDED))
    call = Call(CallId(f"{number}.1"), "", caller, identified=caller is not None, facts=tuple(facts))
    return Past(slim(classify(call, ClassifierRules())), Source.CEL)


def pranks(count: int, begin: Millis = START, every: Millis = HOUR) -> list[Past]:
    """Return calls that ended in the menu, one per hour."""
    return [past(n, begin + n * every, FactKind.LEFT_MENU) for n in range(count)]


def run(calls: list[Past], rules: PolicyRules = RULES, handling: Millis = 0) -> Result:
    """Run one policy over calls."""
    return Backtest(rules.name, rules, ZONE, handling).run(
        sorted(calls, key=lambda p: p.finding.call.started)
    )


def test_the_sixth_misuse_blocks_and_the_next_call_is_rejected() -> None:
    """Six misuses block for a day; a rejected call gives no strike."""
    result = run(pranks(10))
    assert result.strikes == 6
    assert result.blocks == {Level.TEMPORARY: 1}
    assert result.rejected == {Outcome.IVR_PRANK: 4}
    assert not result.price


def test_the_first_misuse_after_the_block_is_for_good() -> None:
    """The first misuse after a block of a day, which ends 24 hours after the sixth, blocks permanently."""
    result = run([*pranks(6), past(6, START + 6 * HOUR + DAY, FactKind.LEFT_MENU)])
    assert result.numbers("permanent") == 1
    proposed = run([*pranks(6), *pranks(12, START + 9 * DAY, 2 * DAY)], PRESETS["serang-2019"])
    assert (proposed.numbers("permanent"), proposed.numbers("proposed")) == (0, 1)


def test_the_price_is_the_answered_calls_that_would_have_been_rejected() -> None:
    """The price is the answered calls rejected, except marked pranks; talk and handling is time saved."""
    after = START + 7 * HOUR
    calls = [
        *pranks(6),
        past(50, after, FactKind.CONNECTED),
        past(51, after + HOUR, FactKind.CONNECTED, mark="genuine"),
        past(52, after + 2 * HOUR, FactKind.CONNECTED, mark="prank"),
        past(53, after + 3 * HOUR, FactKind.LEFT_QUEUE),
    ]
    result = run(calls, handling=5 * SECOND)
    assert [str(paid.call) for paid in result.price] == ["50.1", "51.1"]
    assert result.genuine == 1
    assert result.saved == 3 * (10 + 5) * SECOND
    assert result.rejected == {Outcome.ANSWERED: 3, Outcome.ABANDONED: 1}


def test_a_call_that_begins_where_the_sixth_ends_is_rejected_and_one_before_makes_it_doubtful() -> None:
    """A call that begins when the sixth misuse ends is rejected; one that overlaps it makes it doubtful."""
    calls = pranks(6)
    sixth = calls[-1].finding.call
    after = past(51, sixth.ended, FactKind.CONNECTED)
    assert [str(paid.call) for paid in run([*calls, after]).price] == ["51.1"]
    during = past(50, sixth.ended - 1, FactKind.CONNECTED)
    assert not run([*calls, during]).price
    assert run([*calls, during]).strikes == 5


def test_nobody_is_never_rejected() -> None:
    """Calls without a blockable number get no strike and are never rejected."""
    result = run([past(n, START + n * HOUR, FactKind.LEFT_MENU, caller=None) for n in range(20)])
    assert (result.strikes, result.rejected.total()) == (0, 0)


def test_who_is_challenged_is_not_rejected() -> None:
    """A challenged call is not rejected, and its outcome counts."""
    rules = replace(RULES, treatment=dict.fromkeys(Level, Treatment.CHALLENGE))
    result = run(pranks(8), rules)
    assert result.rejected.total() == 0
    assert result.served_otherwise == 2
    assert result.strikes == 8


def test_let_through_spares_the_second_call() -> None:
    """A caller who calls again within `let_through` of a rejection gets through."""
    rules = replace(RULES, let_through=5 * 60 * SECOND)
    soon = [past(50 + n, START + 6 * HOUR + n * 60 * SECOND, FactKind.CONNECTED) for n in range(2)]
    result = run([*pranks(6), *soon], rules)
    assert (result.rejected.total(), result.served_otherwise) == (1, 1)


def test_the_hours_cap_makes_proposals() -> None:
    """Beyond `blocks_per_hour` a block is only proposed, and rejects nobody."""
    others = [Caller(f"+62812000000{n:02d}") for n in range(4)]
    calls = [
        past(100 * n + m, START + m * 60 * SECOND + n * SECOND, FactKind.LEFT_MENU, caller=caller)
        for n, caller in enumerate(others)
        for m in range(6)
    ]
    result = run(calls, replace(RULES, cap=3))
    assert (result.numbers("temporary"), result.numbers("proposed")) == (3, 1)


def test_a_surge_that_was_recorded_spares_everybody() -> None:
    """A call spared in a recorded surge gives no strike, unless the policy has no surge rule."""
    spared = [replace(one, surge=True) for one in pranks(10)]
    assert run(spared).strikes == 0
    assert run(spared, replace(RULES, surge=0)).strikes == 6


def test_a_genuine_report_protects() -> None:
    """A caller with a recent genuine report is not blocked; the block is only proposed, as live."""
    report = past(50, START - HOUR, FactKind.CONNECTED, mark=Mark.GENUINE.value)
    result = run([report, *pranks(8)])
    assert (result.numbers("temporary"), result.numbers("proposed")) == (0, 1)


def test_days_are_the_sites_days() -> None:
    """A call at 17:30 UTC counts for the next day in Jakarta, and the days add up."""
    result = run([past(1, 1_795_109_400_000, FactKind.LEFT_MENU), *pranks(30)])
    assert sum(day.calls for day in result.days.values()) == 31
    assert sum(day.rejected for day in result.days.values()) == result.rejected.total()
    assert "2026-11-20" in result.days


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("rules", [*PRESETS.values(), replace(RULES, thresholds=(3,))], ids=lambda r: r.name)
def test_of_a_capture_it_is_what_the_line_did(version: str, rules: PolicyRules) -> None:
    """Strikes, blocks and proposals equal those of a replay, as long as nobody would have been rejected."""
    rules = replace(rules, surge=0, treatment=dict.fromkeys(Level, Treatment.DEPRIORITISE))
    first, *rest = capture.messages((FOLDER / version / "calls.ami").read_bytes())
    header = capture.read_header(first)
    replay = Replay(Rules(header.dialplan, header.rules, rules))
    struck = sum(entry.strike for entry in replay.run(map(capture.read, rest)))
    tested = Backtest(rules.name, rules, ZONE, whole=True)
    result = tested.run(live(version).in_order())
    assert tested.records == replay.records
    assert result.strikes == struck > 6


def over(one: Past, trunk: str) -> Past:
    """Return the call over a trunk."""
    return replace(one, finding=replace(one.finding, call=replace(one.finding.call, trunk=trunk)))


@pytest.mark.parametrize("seed", range(20))
def test_what_changes_no_decision_needs_no_record(seed: int) -> None:
    """Whether records hold every conversation, call-back and old strike or none, the result is the same."""
    random = Random(seed)
    kinds = (FactKind.LEFT_MENU, FactKind.LEFT_MENU, FactKind.CONNECTED, FactKind.LEFT_QUEUE)
    spans = ((HOUR, 10 * SECOND), (6 * HOUR, 60 * SECOND), (7 * HOUR,))
    callers = [Caller(f"+628121111111{n}") for n in range(9 - 3 * (seed % 3))]
    calls = [
        over(
            past(
                nth,
                START + nth * random.choice(spans[seed % 3]),
                random.choice(kinds),
                random.choice(callers),
                random.choice(("", "", "", "prank", "genuine")),
            ),
            random.choice(("PJSIP/a", "PJSIP/a", "PJSIP/b", "")),
        )
        for nth in range(300)
    ]
    calls.sort(key=lambda p: p.finding.call.started)
    short = replace(RULES, thresholds=(3,), window=3 * DAY, several_trunks=0.9, burst=60 * SECOND)
    for rules in (*PRESETS.values(), short):
        fast, whole = (Backtest(rules.name, rules, ZONE, whole=whole).run(calls) for whole in (False, True))
        assert fast == whole
        assert fast.strikes
        assert fast.rejected


@pytest.mark.parametrize("count", [0, 1, TOGETHER, 2 * TOGETHER + 1])
def test_the_price_has_its_calls_in_order(count: int) -> None:
    """The calls of the price come out as they were added, however many there are."""
    marks = (None, *Mark)
    paid = [Paid(CallId(f"{n}.1"), START + n, CALLER, n or None, marks[n % len(marks)]) for n in range(count)]
    price = Price()
    for one in paid:
        price.append(one)
    assert [*price] == paid
    assert len(price) == count


def test_calls_of_one_number_at_once_are_no_misuse() -> None:
    """As live: parallel calls of one number give no strike."""
    forged = [past(n, START + n * 10 * SECOND, FactKind.LEFT_MENU) for n in range(6)]
    result = run(forged)
    assert (result.strikes, result.blocks.total()) == (0, 0)
    beside = [past(9, START, FactKind.CONNECTED), past(10, START + SECOND, FactKind.LEFT_MENU)]
    assert run(beside).strikes == 0
    assert run([*beside, past(11, START + 21 * SECOND, FactKind.LEFT_MENU)]).strikes == 1


def test_calls_over_two_trunks_within_a_burst_count_for_nothing() -> None:
    """As live: a burst over two trunks gives strikes but no block; six over one trunk block."""
    calls = [
        over(one, "PJSIP/b" if n == 3 else "PJSIP/a") for n, one in enumerate(pranks(6, every=60 * SECOND))
    ]
    result = run(calls)
    assert (result.strikes, result.blocks.total()) == (6, 0)
    assert run(calls, replace(RULES, trunk_burst=0)).blocks.total() == 1


def test_the_hours_cap_of_permanent_blocks_makes_proposals() -> None:
    """As live: two permanent blocks per hour; the third is only proposed."""
    rules = replace(RULES, thresholds=(1,), temporary=(SECOND,))
    calls = [
        past(
            100 * n + m,
            START + m * 60 * SECOND + n * SECOND,
            FactKind.LEFT_MENU,
            Caller(f"+6281200000{n:03}"),
        )
        for n in range(3)
        for m in range(3)
    ]
    result = run(calls, rules)
    assert (result.numbers("temporary"), result.numbers("permanent"), result.numbers("proposed")) == (3, 2, 1)
    free = run(calls, replace(rules, cap_permanent=0))
    assert (free.numbers("permanent"), free.numbers("proposed")) == (3, 0)
