"""People's decisions: each does what it says, can be undone, and is on the audit trail."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pytest

from siaga112.core import policy
from siaga112.core.caller_id import INDONESIA, spelling
from siaga112.core.model import (
    DAY,
    SECOND,
    Caller,
    CallId,
    Entry,
    Fact,
    FactKind,
    Level,
    Mark,
    Millis,
    Mode,
    Origin,
    ProposalCause,
    Reached,
    Spared,
    Verdict,
)
from siaga112.core.outcome import ClassifierRules, classify
from siaga112.core.policy import strike_for
from siaga112.core.record import Block, Hold, Proposal
from siaga112.core.regulation import PRESETS, PolicyRules
from siaga112.service.marking import ReportDetails
from siaga112.service.recording import Recorder
from siaga112.service.retention import Retention
from siaga112.service.supervisor import DecidedError, RefusedError, Supervisor
from siaga112.service.updating import update
from tests.core.table import in_force
from tests.fakes.memory import MemoryStore
from tests.fakes.meter import KeptMeter
from tests.fakes.outbox import MemoryOutbox
from tests.samples import CALLER, NOW, OTHER, RULES, answered, entry, prank, turn

SERANG = PRESETS["serang-2019"]


@dataclass
class Office:
    """A supervisor's desk and a recorder on one store. `now`: the time that the desk's clock shows."""

    rules: PolicyRules = RULES
    now: Millis = NOW + 60_000

    def __post_init__(self) -> None:
        self.store = MemoryStore()
        self.meter = KeptMeter()
        self.recorder = Recorder(MemoryOutbox(), self.store, in_force(policy=self.rules), self.meter)
        self.supervisor = Supervisor(self.store, self.rules, Mode.ENFORCE, lambda: self.now, "ratna")

    async def record(self, *entries: Entry | Reached) -> None:
        """Record calls as the daemon does."""
        for one in entries:
            await self.recorder.record([one])

    async def trail(self) -> list[tuple[str, str, str, str]]:
        """Return the audit trail: who, what, about whom, details."""
        return [(d.by, d.action, d.subject, d.detail) for d in await self.supervisor.audit(0, self.now + 1)]


def abandoned(number: int, started: Millis = NOW, waited: int = 12) -> Entry:
    """Return the entry of a call abandoned in the queue."""
    call = answered(number, started)
    joined = started + 2 * SECOND
    left = joined + waited * SECOND
    facts = (
        *call.facts[:1],
        Fact(joined, FactKind.QUEUED, "siaga112"),
        Fact(left, FactKind.LEFT_QUEUE, "siaga112"),
        Fact(left + 50, FactKind.ENDED, "16"),
    )
    return Entry(classify(replace(call, facts=facts), ClassifierRules()), strike=False)


def marked(number: int, mark: Mark, started: Millis = NOW) -> Entry:
    """Return the entry of an answered call that the operator marked by key."""
    call = answered(number, started)
    facts = (*call.facts[:3], Fact(started + 8 * SECOND, FactKind.MARKED, mark), *call.facts[3:])
    finding = classify(replace(call, facts=facts), ClassifierRules())
    return Entry(finding, strike_for(finding, RULES) is not None)


@pytest.fixture
async def office() -> Office:
    """Return an office with one answered call and one prank."""
    sat = Office()
    await sat.record(entry(answered(1, turn(1))), entry(prank(2)))
    return sat


# ── marks ────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.fault("policy_corrected")
async def test_a_mark_gives_a_strike_and_its_correction_takes_it_back(office: Office) -> None:
    """A prank mark from a desk gives a strike; correcting it takes the strike back, in the ledger too."""
    call, supervisor = answered(1, turn(1)).id, office.supervisor
    assert (await supervisor.mark(call, Mark.PRANK)).strike
    assert {held.call for held in (await supervisor.record(CALLER)).strikes} == {call, prank(2).id}
    assert not (await supervisor.mark(call, Mark.GENUINE, "a real fire")).strike
    record = await supervisor.record(CALLER)
    assert {held.call for held in record.strikes} == {prank(2).id}
    assert [report.call for report in record.reports] == [call]
    row = await supervisor.store.entry(call)
    assert row
    assert (row.finding.mark, row.strike) == (Mark.GENUINE, False)
    assert await office.trail() == [
        ("ratna", "mark", call, "prank"), ("ratna", "mark", call, "prank → genuine"),
    ]  # fmt: skip
    assert (await supervisor.store.tallies())["marks:prank"] == 1


async def test_the_cost_of_misuse_is_counted_wherever_the_strike_is_given() -> None:
    """The talk of a call that earned a strike is counted once, be it marked by key or at a desk."""
    office = Office()
    by_key = marked(7, Mark.PRANK)
    await office.record(by_key, by_key, entry(answered(1, turn(1))), entry(prank(2)))
    assert (await office.store.tallies())["misuse_seconds"] == 2
    await office.supervisor.mark(answered(1, turn(1)).id, Mark.PRANK)
    await office.supervisor.mark(answered(1, turn(1)).id, Mark.PRANK)
    tallies = await office.store.tallies()
    assert (tallies["strikes:answered"], tallies["misuse_seconds"]) == (2, 4)


async def test_details_that_follow_a_mark_are_no_other_mark(office: Office) -> None:
    """A call is counted once under its mark, however often a desk adds to the report or repeats the mark."""
    await office.record(marked(7, Mark.GENUINE), entry(answered(8, NOW + 50_000, caller=None)))
    for call in (answered(7).id, answered(1, turn(1)).id, answered(8, NOW + 50_000).id):
        await office.supervisor.mark(call, Mark.GENUINE)
        await office.supervisor.mark(call, Mark.GENUINE, details=ReportDetails("fire", "Cipocok"))
    assert (await office.store.tallies())["marks:genuine"] == 3
    await office.supervisor.mark(answered(7).id, Mark.PRANK)
    await office.supervisor.mark(answered(7).id, Mark.GENUINE)
    tallies = await office.store.tallies()
    assert (tallies["marks:prank"], tallies["marks:genuine"]) == (1, 4)


async def test_the_last_answered_call_of_a_number_can_be_marked(office: Office) -> None:
    """A number's last answered call can be found for a mark; without one, the request is refused."""
    await office.record(entry(answered(5, NOW + 10_000)), entry(prank(6, NOW + 20_000)))
    assert await office.supervisor.last_answered(CALLER) == answered(5, NOW + 10_000).id
    with pytest.raises(RefusedError, match="no answered call"):
        await office.supervisor.last_answered(OTHER)


@pytest.mark.fault("policy_corrected")
async def test_a_corrected_mark_lifts_the_block_that_rested_on_it() -> None:
    """Correcting the mark of the sixth misuse lifts the block, in the supervisor's name."""
    office = Office()
    await office.record(*(entry(prank(n, turn(n))) for n in range(5)), marked(5, Mark.PRANK, NOW + 5))
    assert (await office.supervisor.verdict(CALLER)).verdict is Verdict.BLOCK
    await office.supervisor.mark(answered(5, NOW + 5).id, Mark.GENUINE)
    assert (await office.supervisor.verdict(CALLER)).verdict is Verdict.ALLOW
    lifted = (await office.supervisor.record(CALLER)).blocks[0].lifted
    assert lifted
    assert lifted.by == "ratna"


async def test_a_key_during_the_call_is_on_the_audit_trail_once() -> None:
    """An operator's key is one audit line, even if the call is recorded twice."""
    office = Office()
    one = marked(7, Mark.PRANK)
    await office.record(one, one)
    assert await office.trail() == [("operator", "mark", one.finding.call.id, "prank")]
    assert (await office.store.tallies())["marks:prank"] == 1


async def test_who_was_blocked_and_then_reported_something_genuine_is_counted() -> None:
    """A genuine report of a caller who was blocked before it is counted, as the cost of blocking."""
    office = Office()
    await office.record(*(entry(prank(n, turn(n))) for n in range(6)))
    genuine = marked(9, Mark.GENUINE, NOW + 2 * DAY)
    await office.record(genuine, genuine)
    assert (await office.store.tallies())["blocked_then_genuine"] == 1
    await office.record(marked(10, Mark.GENUINE, NOW - DAY))
    assert (await office.store.tallies())["blocked_then_genuine"] == 1, "the block came after that call"


# ── blocks and proposals ─────────────────────────────────────────────────────────────────────────


@pytest.mark.fault("policy_unblock")
async def test_a_lift_by_a_person_frees_at_once() -> None:
    """A block that a person lifts is gone from the next verdict and the next list."""
    supervisor = Office().supervisor
    await supervisor.block(CALLER, None, "threats")
    assert (await supervisor.verdict(CALLER)).verdict is Verdict.BLOCK
    assert [record.caller for record in await supervisor.store.blocked(supervisor.clock())] == [CALLER]
    await supervisor.unblock(CALLER, "another phone")
    assert (await supervisor.verdict(CALLER)).verdict is Verdict.ALLOW
    assert await supervisor.store.blocked(supervisor.clock()) == []


@pytest.mark.parametrize(("mistake", "detail"), [(False, "permanent"), (True, "permanent, a mistake")])
async def test_a_block_that_should_never_have_been_is_on_record_as_a_mistake(
    mistake: bool,  # noqa: FBT001 - pytest names it
    detail: str,
) -> None:
    """A lifted block counts as a mistake only if the supervisor says so."""
    office = Office()
    await office.supervisor.block(CALLER, None, "threats")
    await office.supervisor.unblock(CALLER, "a clinic", mistake=mistake)
    (block,) = (await office.supervisor.record(CALLER)).blocks
    assert block.lifted
    assert block.lifted.mistake is mistake
    assert ("ratna", "unblock", CALLER, detail) in await office.trail()


async def test_who_is_on_the_allow_list_is_not_blocked_by_anybody() -> None:
    """Blocking an allow-listed caller is refused, writes nothing, and names a remedy that works."""
    office = Office()
    await office.supervisor.allow(CALLER, "clinic")
    for shorten in (False, True):
        with pytest.raises(RefusedError, match=r"on the allow list.*siaga112 disallow \+6281211111111"):
            await office.supervisor.block(CALLER, DAY, "threats", shorten=shorten)
    assert (await office.supervisor.record(CALLER)).blocks == ()
    assert await office.trail() == [("ratna", "allow", CALLER, "")]
    await office.supervisor.disallow(CALLER)
    await office.supervisor.block(CALLER, None, "threats")
    assert (await office.supervisor.verdict(CALLER)).verdict is Verdict.BLOCK


async def test_only_a_person_who_says_so_shortens_a_block() -> None:
    """A shortened block ends at the new time, forgives nothing, and keeps the evidence and the step."""
    office = Office(replace(RULES, thresholds=(1,)))
    await office.record(*(entry(prank(n, turn(n))) for n in range(2)))
    (ladder,) = (await office.supervisor.record(CALLER)).blocks
    await office.supervisor.block(CALLER, 7 * DAY, "threats")
    added = await office.supervisor.block(CALLER, SECOND, "a child", shorten=True)
    record = await office.supervisor.record(CALLER)
    assert record.block_at(office.now) == added
    assert (added.until, added.step, added.calls) == (office.now + SECOND, ladder.step, ladder.calls)
    assert [block.lifted.reason for block in record.blocks if block.lifted] == ["shortened: a child"] * 2
    assert len(policy.count(record, office.now, office.rules).strikes) == 2
    assert await office.trail() == [
        ("ratna", "block", CALLER, "temporary"), ("ratna", "block", CALLER, "temporary, shortened"),
    ]  # fmt: skip
    await office.record(entry(prank(3, office.now + 2 * SECOND)))
    assert (await office.supervisor.record(CALLER)).blocks[-1].level is Level.PERMANENT, "the second step"


@pytest.mark.parametrize(("held", "why"), [(None, "there is no block"), (SECOND, "ends no later")])
async def test_there_must_be_something_to_shorten(held: Millis | None, why: str) -> None:
    """`--shorten` never lengthens a block, and never makes one."""
    office = Office()
    if held:
        await office.supervisor.block(CALLER, held, "threats")
    before = await office.trail()
    with pytest.raises(RefusedError, match=why):
        await office.supervisor.block(CALLER, DAY, "?", shorten=True)
    assert await office.trail() == before


async def test_a_shorter_block_beside_a_longer_one_says_so_on_the_trail() -> None:
    """A shorter block beside a longer one is recorded; the audit line says that the longer one stays."""
    office = Office()
    await office.supervisor.block(CALLER, DAY, "threats")
    await office.supervisor.block(CALLER, SECOND, "again")
    assert (await office.trail())[-1][3] == "temporary, a longer one stays in force"


Decide = Callable[[Supervisor], Awaitable[object]]
DECISIONS: dict[str, tuple[Decide, str, bool]] = {
    "block": (
        lambda supervisor: supervisor.block(CALLER, DAY, "as the city says", yes=True),
        "what was proposed is settled",
        True,
    ),
    "block permanent": (
        lambda supervisor: supervisor.block(CALLER, None, "letter 12", yes=True),
        "proposed is settled",
        True,
    ),
    "confirm": (lambda supervisor: supervisor.confirm(CALLER, "letter 12"), "", True),
    "dismiss": (lambda supervisor: supervisor.dismiss(CALLER, "a clinic"), "", False),
    "unblock": (
        lambda supervisor: supervisor.unblock(CALLER, "a clinic"),
        "what was proposed is dismissed",
        False,
    ),
    "unblock, a mistake": (
        lambda supervisor: supervisor.unblock(CALLER, "a clinic", mistake=True),
        "what was proposed is dismissed",
        False,
    ),
    "allow": (
        lambda supervisor: supervisor.allow(CALLER, "a clinic"),
        "what was proposed is dismissed",
        False,
    ),
}
PROPOSALS: dict[ProposalCause, tuple[PolicyRules, Sequence[Entry]]] = {
    ProposalCause.POLICY: (SERANG, [entry(prank(n, turn(n))) for n in range(11)]),
    ProposalCause.HOURLY_CAP: (
        replace(RULES, cap=1, thresholds=(1,)),
        [entry(prank(n, turn(n), caller)) for n, caller in enumerate((OTHER, OTHER, CALLER, CALLER))],
    ),
    ProposalCause.PROTECTED: (
        RULES, [marked(20, Mark.GENUINE, NOW - DAY), *(entry(prank(n, turn(n))) for n in range(6))],
    ),
}  # fmt: skip


@pytest.mark.parametrize("cause", PROPOSALS, ids=str)
@pytest.mark.parametrize("name", DECISIONS)
async def test_whatever_a_person_decides_settles_what_was_proposed(name: str, cause: ProposalCause) -> None:
    """Each of these decisions settles a proposal of any cause, with one audit line and at most one block."""
    (rules, calls), (decide, says, blocks) = PROPOSALS[cause], DECISIONS[name]
    office = Office(rules)
    await office.record(*calls)
    proposal = (await office.supervisor.record(CALLER)).proposed
    assert proposal
    assert proposal.cause is cause
    trail, counted = await office.trail(), (await office.store.tallies()).get("blocks:temporary:manual", 0)
    await decide(office.supervisor)
    record = await office.supervisor.record(CALLER)
    assert record.proposed is None
    assert await office.store.proposed() == []
    settled = next(held for held in record.proposals if held.at == proposal.at)
    assert settled.decided
    assert (settled.confirmed, settled.decided.by) == (blocks, "ratna")
    (line,) = (await office.trail())[len(trail) :]
    assert (line[0], line[1]) == ("ratna", name.split(maxsplit=1)[0].rstrip(","))
    assert says in line[3]
    tallies = await office.store.tallies()
    manual = tallies.get("blocks:temporary:manual", 0) + tallies.get("blocks:permanent:manual", 0) - counted
    assert manual == blocks
    assert (await office.supervisor.verdict(CALLER)).verdict is (Verdict.BLOCK if blocks else Verdict.ALLOW)
    if blocks:
        assert record.blocks[-1].calls == proposal.calls
        assert record.blocks[-1].reason.startswith(f"{proposal.reason}; confirmed: ")
    with pytest.raises(RefusedError, match="no block is proposed"):
        await office.supervisor.dismiss(CALLER, "twice")


async def test_an_allowed_caller_is_not_forgiven_and_a_hand_block_outlives_a_dismissal() -> None:
    """`dismiss` ends the policy's blocks but not a person's, and `allow` forgives no misuse."""
    office = Office(SERANG)
    await office.record(*(entry(prank(n, turn(n))) for n in range(10)))
    await office.supervisor.block(CALLER, 2 * DAY, "threats")
    await office.record(entry(prank(10, NOW + 10)))
    await office.supervisor.dismiss(CALLER, "not for good")
    assert (await office.supervisor.verdict(CALLER)).verdict is Verdict.BLOCK
    other = Office(SERANG)
    await other.record(*(entry(prank(n, turn(n))) for n in range(11)))
    await other.supervisor.allow(CALLER, "clinic")
    assert len(policy.count(await other.supervisor.record(CALLER), other.now, SERANG).strikes) == 11


async def test_a_proposal_is_confirmed_or_dismissed_by_a_person() -> None:
    """More than ten misuses lead to a proposal; a supervisor who confirms it imposes a permanent block."""
    office = Office(SERANG)
    await office.record(*(entry(prank(n, turn(n))) for n in range(11)))
    assert office.meter.proposals == [ProposalCause.POLICY]
    assert [record.caller for record in await office.store.proposed()] == [CALLER]
    assert await office.store.proposed_count() == 1
    block = await office.supervisor.confirm(CALLER, "letter 12")
    assert (block.level, block.origin, block.by) == (Level.PERMANENT, Origin.MANUAL, "ratna")
    assert await office.store.proposed() == []
    with pytest.raises(RefusedError, match="no block is proposed"):
        await office.supervisor.dismiss(CALLER, "too late")


async def test_dismissed_means_forgiven() -> None:
    """Dismissing a proposal lets the caller through at once, and is on the audit trail."""
    office = Office(SERANG)
    await office.record(*(entry(prank(n, turn(n))) for n in range(11)))
    await office.supervisor.dismiss(CALLER, "a clinic's phone")
    assert (await office.supervisor.verdict(CALLER)).verdict is Verdict.ALLOW
    assert ("ratna", "dismiss", CALLER, "") in await office.trail()


async def propose(office: Office, at: Millis) -> None:
    """Add a proposal made at that time."""
    made = Proposal(at, ProposalCause.POLICY, None, 2, "over ten")
    await update(
        office.store, CALLER, lambda held: replace(held, proposals=(*held.proposals, made)), NOW, RULES
    )


Answer = Callable[[Supervisor, Sequence[Millis]], Awaitable[object]]
ANSWERS: dict[str, Answer] = {
    "confirm": lambda supervisor, seen: supervisor.confirm(CALLER, "agreed", seen=seen),
    "dismiss": lambda supervisor, seen: supervisor.dismiss(CALLER, "a child", seen=seen),
    "unblock": lambda supervisor, seen: supervisor.unblock(CALLER, "a child", seen=seen),
}


async def refused(office: Office, act: Answer, *seen: Millis) -> None:
    """Check that a decision is refused because there is something that was not seen, and changes nothing."""
    before, trail = await office.supervisor.record(CALLER), await office.trail()
    with pytest.raises(DecidedError, match="than you saw"):
        await act(office.supervisor, seen)
    assert (await office.supervisor.record(CALLER), await office.trail()) == (before, trail)


@pytest.mark.parametrize("name", ANSWERS)
async def test_nobody_decides_a_proposal_that_was_not_seen(name: str) -> None:
    """A decision on a proposal that was seen does not hit the next one; without `seen` it does."""
    office, act = Office(), ANSWERS[name]
    await propose(office, NOW - 2)
    await office.supervisor.dismiss(CALLER, "a child", seen=[NOW - 2])
    await propose(office, NOW - 1)
    await refused(office, act, NOW - 2)
    await act(office.supervisor, [NOW - 1])
    assert (await office.supervisor.record(CALLER)).proposed is None
    await propose(office, NOW)
    office.now += SECOND
    await act(office.supervisor, ())
    assert (await office.supervisor.record(CALLER)).proposed is None


@pytest.mark.parametrize("name", ANSWERS)
async def test_nobody_decides_an_objection_beside_a_proposal_unseen(name: str) -> None:
    """Who saw only the proposal does not decide the objection that was made meanwhile."""
    office, act = Office(), ANSWERS[name]
    await propose(office, NOW)
    objected = await office.supervisor.appeal(CALLER, "not me")
    await refused(office, act, NOW)
    await act(office.supervisor, [NOW, objected.at])
    assert (await office.supervisor.record(CALLER)).proposed is None


async def test_nobody_rejects_an_objection_that_was_not_seen(office: Office) -> None:
    """A rejection of an objection that was seen does not hit the next one."""

    async def reject(supervisor: Supervisor, seen: Sequence[Millis]) -> object:
        return await supervisor.reject(CALLER, "seven pranks", seen=seen)

    first = await office.supervisor.appeal(CALLER, "not me")
    await office.supervisor.reject(CALLER, "seven pranks")
    office.now += SECOND
    second = await office.supervisor.appeal(CALLER, "the telephone was stolen, report 17")
    await refused(office, reject, first.at)
    await reject(office.supervisor, [second.at])
    assert (await office.supervisor.record(CALLER)).appeal is None


async def test_nobody_lifts_a_block_that_was_not_seen(office: Office) -> None:
    """Who unblocks for a block that was seen does not lift another person's later one."""
    first = await office.supervisor.block(CALLER, DAY, "threats")
    office.now += SECOND
    second = await office.supervisor.block(CALLER, 2 * DAY, "threats with a weapon")
    await refused(office, ANSWERS["unblock"], first.since)
    assert await office.supervisor.unblock(CALLER, "clinic", seen=[second.since, first.since])
    assert (await office.supervisor.record(CALLER)).block_at(office.now) is None


@pytest.mark.fault("policy_cap")
async def test_beyond_two_an_hour_a_permanent_block_is_only_proposed() -> None:
    """Of five permanent blocks that are due within an hour, two are imposed and three are proposed."""
    office = Office(replace(RULES, thresholds=(1,), temporary=(SECOND,)))
    callers = [f"+62812000000{n:02}" for n in range(5)]
    for n, caller in enumerate(callers):
        for k in range(3):
            call = replace(prank(10 * n + k, turn(3 * n + k)), caller=caller)  # type: ignore[arg-type] # a number, whatever it is
            await office.record(entry(call), entry(call))
    blocked = {str(record.caller) for record in await office.store.blocked(NOW)}
    assert blocked == set(callers[:2])
    waiting = [record.proposed for record in await office.store.proposed()]
    assert [held and (held.cause, held.span) for held in waiting] == [(ProposalCause.HOURLY_CAP, None)] * 3
    assert (await office.supervisor.confirm(Caller(callers[2]), "letter 12")).level is Level.PERMANENT


@pytest.mark.fault("policy_cap")
async def test_beyond_the_hours_cap_blocks_are_only_proposed() -> None:
    """With a cap of two, the third block within an hour is only proposed; later ones are imposed again."""
    office = Office(replace(RULES, thresholds=(1,), cap=2))
    callers = [f"+62812000000{n:02}" for n in range(4)]
    for n, caller in enumerate(callers):
        at = NOW + n * SECOND if n < 3 else NOW + 2 * 3_600 * SECOND
        for k in range(2):
            call = replace(prank(10 * n + k, at + k * 11 * SECOND), caller=caller)  # type: ignore[arg-type] # a number, whatever it is
            await office.record(entry(call), entry(call))
    blocked = {str(record.caller) for record in await office.store.blocked(NOW + 3 * 3_600 * SECOND)}
    assert blocked == {callers[0], callers[1], callers[3]}
    assert [str(record.caller) for record in await office.store.proposed()] == [callers[2]]
    assert office.meter.proposals == [ProposalCause.HOURLY_CAP]


# ── call-backs ───────────────────────────────────────────────────────────────────────────────────


async def test_abandoned_calls_wait_for_a_call_back_until_somebody_answers() -> None:
    """A caller's abandoned calls wait for a call-back, oldest first, until an operator answers the caller."""
    office = Office()
    first, second = abandoned(1, NOW, 30), abandoned(2, NOW + 60 * SECOND, 5)
    await office.record(first, second, second)
    (waiting,) = await office.store.missed()
    assert [(missed.call, missed.wait) for missed in waiting.missed] == [
        (first.finding.call.id, 30 * SECOND), (second.finding.call.id, 5 * SECOND),
    ]  # fmt: skip
    assert await office.store.missed_count() == (1, first.finding.call.ended)
    await office.record(entry(answered(3, NOW + 300 * SECOND)))
    assert await office.store.missed() == []


async def test_an_outgoing_call_that_was_answered_closes_the_call_back() -> None:
    """An answered outgoing call to the number closes the call-back."""
    office = Office()
    await office.record(abandoned(1), Reached(NOW + 600 * SECOND, CALLER))
    assert await office.store.missed_count() == (0, None)


async def test_a_person_can_take_a_caller_off_the_call_back_list() -> None:
    """A person can close a caller's call-backs, with an audit line; a second time is refused."""
    office = Office()
    await office.record(abandoned(1))
    office.now = NOW + 3_600 * SECOND
    assert await office.supervisor.called_back(CALLER, "came to the counter") == 1
    assert await office.trail() == [("ratna", "called back", CALLER, "1 calls")]
    with pytest.raises(RefusedError, match="is not waiting"):
        await office.supervisor.called_back(CALLER, "?")


# ── privacy ──────────────────────────────────────────────────────────────────────────────────────


MINUTE = 60 * SECOND


async def test_a_pbx_whose_clock_is_ahead_keeps_nobody_on_the_call_back_list() -> None:
    """Off the list is off the list, also where the calls on it come from five minutes ahead of our clock."""
    office = Office(now=NOW)
    office.recorder.clock = lambda: office.now
    await office.record(abandoned(1, NOW + 5 * MINUTE))
    assert await office.supervisor.called_back(CALLER, "spoke to her") == 1
    assert (await office.supervisor.record(CALLER)).missed == ()
    await office.record(abandoned(2, NOW + 6 * MINUTE))
    assert len((await office.supervisor.record(CALLER)).missed) == 1, "the next one waits again"


@pytest.mark.parametrize("decide", [Supervisor.unblock, Supervisor.dismiss])
async def test_a_pbx_whose_clock_is_ahead_blocks_nobody_again_who_was_forgiven(
    decide: Callable[[Supervisor, Caller, str], Awaitable[object]],
) -> None:
    """A decision forgives all misuse on record, also at times that our clock has not reached."""
    rules = replace(RULES, permanent="proposed", temporary=()) if decide is Supervisor.dismiss else RULES
    office = Office(rules, now=NOW)
    office.recorder.clock = lambda: office.now
    calls = [entry(prank(n, NOW + 9 * MINUTE - n * 11 * SECOND)) for n in range(7)]
    await office.record(*calls[:0:-1])
    record = await office.supervisor.record(CALLER)
    assert record.block_after(NOW) or record.proposed
    await decide(office.supervisor, CALLER, "a stolen phone")
    await office.record(calls[0])
    record = await office.supervisor.record(CALLER)
    assert (record.block_after(NOW), record.proposed) == (None, None)
    assert len(record.strikes) == 7, "all are still on record"
    assert len(policy.count(record, NOW + 10 * MINUTE, rules).strikes) == 1


async def test_all_that_is_held_on_a_caller_is_told_and_erased(office: Office) -> None:
    """All data about a caller is shown and then erased everywhere; the ledger keeps as many rows."""
    await office.supervisor.block(CALLER, None, "threats")
    await office.record(entry(prank(3, NOW + 3, OTHER)))
    withheld = replace(prank(4, NOW + 4, None), raw_caller="+62 812-1111-1111")
    await office.record(entry(withheld))
    held = await office.supervisor.subject(CALLER)
    assert (len(held.entries), len(held.record.blocks)) == (2, 1)
    assert [audit_entry.action for audit_entry in held.audit_entries] == ["block"]
    await office.supervisor.forget(CALLER, "asked by letter", spelling(CALLER, INDONESIA))
    after = await office.supervisor.held(CALLER)
    assert (after.entries, after.record.strikes, after.record.blocks, after.audit_entries) == ([], (), (), [])
    assert (await office.supervisor.verdict(CALLER)).verdict is Verdict.ALLOW
    rows = [row async for row in office.store.entries(0, NOW * 2)]
    assert len(rows) == 4
    assert {row.finding.call.caller for row in rows} == {None, OTHER}
    assert CALLER not in repr(rows)
    assert "1111-1111" not in repr(rows), "a number that was withheld is a number too"
    assert [(who, what, whom) for who, what, whom, _ in await office.trail()] == [
        ("ratna", "block", "a caller"), ("ratna", "subject", "a caller"), ("ratna", "forget", "a caller"),
    ]  # fmt: skip


async def test_what_people_wrote_of_a_forgotten_number_stays_without_it(office: Office) -> None:
    """The number is removed from all reasons that people wrote, including that of the erasure."""
    await office.supervisor.block(OTHER, None, "the same voice as 0812-1111-1111")
    await office.supervisor.forget(CALLER, "letter of +62 812 1111 1111", spelling(CALLER, INDONESIA))
    lines = await office.supervisor.audit(0, office.now + 1)
    assert [line.reason for line in lines] == ["the same voice as a caller", "letter of a caller"]


async def test_who_is_kept_as_evidence_is_neither_pruned_nor_forgotten(office: Office) -> None:
    """A record kept as evidence is neither pruned nor forgotten until it is released."""
    held = await office.supervisor.hold(CALLER, "police report 17")
    before = await office.supervisor.record(CALLER)
    assert (held, before.hold) == (before.hold, Hold(office.now, "ratna", "police report 17"))
    keeper = Retention(office.store, in_force(policy=RULES), lambda: NOW + RULES.keep + DAY)
    assert await keeper.prune() == 0
    spelled = spelling(CALLER, INDONESIA)
    with pytest.raises(RefusedError, match=r"by ratna since \d{4}-\d\d-\d\d \d\d:\d\d \(police report 17\)"):
        await office.supervisor.forget(CALLER, "asked", spelled)
    with pytest.raises(RefusedError, match="already kept as evidence, by ratna since"):
        await office.supervisor.hold(CALLER, "another")
    assert await office.supervisor.record(CALLER) == before
    assert await office.supervisor.release(CALLER, "case closed") == held
    with pytest.raises(RefusedError, match="is not kept as evidence"):
        await office.supervisor.release(CALLER, "again")
    assert await office.trail() == [
        ("ratna", "hold", CALLER, ""), ("ratna", "release", CALLER, "police report 17"),
    ]  # fmt: skip
    assert await keeper.prune() == 1
    assert (await office.supervisor.record(CALLER)).strikes == ()
    await office.supervisor.forget(CALLER, "asked", spelled)
    assert (await office.supervisor.held(CALLER)).entries == []


async def test_what_was_released_by_mistake_can_be_held_again(office: Office) -> None:
    """A release deletes nothing by itself, so that the record can be held again."""
    await office.supervisor.hold(CALLER, "police report 17")
    before = await office.supervisor.record(CALLER)
    office.now = NOW + RULES.keep + DAY
    await office.supervisor.release(CALLER, "the wrong number")
    await office.supervisor.hold(CALLER, "police report 17")
    after = await office.supervisor.record(CALLER)
    assert after.strikes
    assert replace(after, hold=None) == replace(before, hold=None)


async def test_who_objects_is_forgotten_when_somebody_has_decided(office: Office) -> None:
    """A caller with an open appeal cannot be forgotten until it is decided."""
    await office.supervisor.appeal(CALLER, "not me")
    spelled = spelling(CALLER, INDONESIA)
    with pytest.raises(RefusedError, match=r"an objection of .* waits for a decision; decide it first"):
        await office.supervisor.forget(CALLER, "asked", spelled)
    await office.supervisor.reject(CALLER, "looked into")
    await office.supervisor.forget(CALLER, "asked", spelled)
    assert (await office.supervisor.record(CALLER)).appeals == ()


async def test_what_lasts_is_pruned_too(office: Office) -> None:
    """Strikes beside a permanent block age out, even if the number never calls again; the block stays."""
    await office.supervisor.block(CALLER, None, "threats")
    keeper = Retention(office.store, in_force(policy=RULES), lambda: NOW + RULES.keep + DAY)
    assert await keeper.prune() == 1
    record = await office.supervisor.record(CALLER)
    assert record.strikes == ()
    assert len(record.blocks) == 1
    assert await keeper.prune() == 0


async def test_a_misuse_of_an_allow_listed_caller_says_why_it_cost_nothing(office: Office) -> None:
    """The ledger row of an allow-listed caller's misuse says why it cost no strike."""
    await office.supervisor.allow(CALLER, "clinic")
    spared = prank(4, NOW + 4)
    await office.record(entry(spared))
    row = await office.store.entry(spared.id)
    assert row
    assert (row.strike, row.spared) == (False, Spared.ALLOW_LISTED)


# ── refusals ─────────────────────────────────────────────────────────────────────────────────────

Act = Callable[[Supervisor], Awaitable[Any]]


@pytest.mark.parametrize(
    ("act", "says"),
    [
        (lambda supervisor: supervisor.unblock(CALLER, "?"), "is not blocked"),
        (lambda supervisor: supervisor.disallow(CALLER), "is not on the allow list"),
        (lambda supervisor: supervisor.confirm(CALLER, "?"), "no block is proposed"),
        (lambda supervisor: supervisor.mark(CallId("0.0"), Mark.PRANK), 'no call "0.0"'),
        (
            lambda supervisor: supervisor.mark(prank(2).id, Mark.GENUINE),
            "only an answered call can be marked",
        ),
    ],
)
async def test_what_cannot_be_done_is_said(office: Office, act: Act, says: str) -> None:
    """A decision about something that does not exist is refused in one line, and leaves no audit line."""
    with pytest.raises(RefusedError, match=says) as raised:
        await act(office.supervisor)
    assert "\n" not in str(raised.value)
    assert await office.trail() == []


async def test_off_without_a_reason_is_refused(office: Office) -> None:
    """Switching to `off` needs a reason; switching to `observe` does not."""
    for reason in ("", " "):
        with pytest.raises(RefusedError, match="mode off needs a reason"):
            await office.supervisor.set_mode(Mode.OFF, reason)
    assert await office.supervisor.mode() is Mode.ENFORCE
    await office.supervisor.set_mode(Mode.OBSERVE)


async def test_a_switch_of_the_mode_is_on_the_trail(office: Office) -> None:
    """A switch of the mode is on the audit trail, with the modes before and after it and the reason."""
    await office.supervisor.set_mode(Mode.OFF, "flood")
    (audit_entry,) = await office.supervisor.audit(0, office.now + 1)
    assert (audit_entry.action, audit_entry.subject, audit_entry.detail, audit_entry.reason) == (
        "mode",
        "site",
        "enforce → off",
        "flood",
    )


async def test_a_manual_block_is_never_shortened_by_another() -> None:
    """A shorter manual block does not shorten a longer one."""
    office = Office()
    long = await office.supervisor.block(CALLER, 7 * DAY, "threats")
    await office.supervisor.block(CALLER, DAY, "again")
    held = (await office.supervisor.record(CALLER)).block_at(office.now)
    assert isinstance(held, Block)
    assert held.until == long.until


async def test_update_keeps_a_missed_call_that_comes_late(office: Office) -> None:
    """An abandoned call that is recorded after somebody spoke to the caller needs no call-back."""
    await update(office.store, CALLER, lambda record: replace(record, reached=NOW + DAY), NOW, RULES)
    await office.record(abandoned(1))
    assert (await office.supervisor.record(CALLER)).missed == ()
