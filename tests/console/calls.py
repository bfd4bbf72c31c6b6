"""The calls of a small centre: one caller blocked, one proposed, one to call back, one genuine."""

from dataclasses import replace
from typing import Final

from siaga112.app.records import now
from siaga112.app.store import SiteStore
from siaga112.core.fold import subject, take
from siaga112.core.model import SECOND, Call, Caller, Entry, Fact, FactKind, Mark, Millis, ProposalCause
from siaga112.core.outcome import ClassifierRules, classify
from siaga112.core.policy import strike_for
from siaga112.core.record import CallerRecord, Proposal
from siaga112.service.updating import update
from tests.samples import RULES, answered, call_id, prank

BLOCKED: Final = Caller("+6281211111111")
PROPOSED: Final = Caller("+6281222222222")
MISSED: Final = Caller("+6281233333333")
GENUINE: Final = Caller("+6281244444444")
NEW: Final = Caller("+6281255555555")
"""A number that has not called."""

MINUTE: Final[Millis] = 60 * SECOND


def entry(call: Call, mark: Mark | None = None, operator: str = "Budi") -> Entry:
    """Classify a call; an answered one gets the operator and the mark."""
    if mark:
        call = replace(
            call, facts=(*call.facts[:-1], Fact(call.facts[-2].at, FactKind.MARKED, mark), call.facts[-1])
        )
    finding = classify(call, ClassifierRules())
    if any(fact.kind is FactKind.CONNECTED for fact in call.facts):
        finding = replace(finding, operator=operator, mark=mark)
    return Entry(finding, strike=strike_for(finding, RULES) is not None)


def left(number: int, started: Millis, caller: Caller) -> Entry:
    """Return a call whose caller left the queue after half a minute."""
    steps = ((0, FactKind.ARRIVED), (2, FactKind.QUEUED), (32, FactKind.LEFT_QUEUE))
    facts = [Fact(started + seconds * SECOND, kind) for seconds, kind in steps]
    facts.append(Fact(facts[-1].at + 50, FactKind.ENDED, "16"))
    return entry(Call(call_id(number, started), caller, caller, identified=True, facts=tuple(facts)))


def recorded(answered_call: Call) -> Call:
    """Return the call with a recording."""
    return replace(answered_call, recording="2026/11/29/in-112.wav")


async def fill(store: SiteStore) -> None:
    """Store the calls and a proposal."""
    at = now() - 20 * MINUTE
    told = [entry(prank(nth, at + nth * MINUTE, BLOCKED)) for nth in range(7)]
    told += [entry(prank(20 + nth, at + nth * MINUTE + 1, PROPOSED)) for nth in range(3)]
    told.append(left(30, at, MISSED))
    told.append(entry(answered(40, at, GENUINE), Mark.GENUINE))
    told.append(entry(recorded(answered(41, at + 15 * MINUTE, GENUINE))))
    told.append(entry(answered(42, at + MINUTE, None), operator="Siti"))
    await store.records.transaction(
        [subject(one) for one in told], lambda work: [take(work, one, RULES) for one in told]
    )
    await propose(store, PROPOSED)
    await store.records.announce_ends(now())


async def propose(store: SiteStore, caller: Caller) -> None:
    """Add a proposal against a caller, for a supervisor to decide."""
    at = now()

    def proposed(held: CallerRecord) -> CallerRecord:
        calls = tuple(one.call for one in held.strikes)
        proposal = Proposal(at, ProposalCause.POLICY, None, 2, "over ten", calls)
        return replace(held, proposals=(*held.proposals, proposal))

    await update(store, caller, proposed, now(), RULES)
