"""What Prometheus gets: names, types, units and labels as published, and never too many series."""

import subprocess
from dataclasses import replace
from datetime import time
from typing import Final

import pytest

from siaga112.adapters.metrics import Metrics
from siaga112.adapters.series import EVENTS, OTHER, REASONS, UNFOLLOWED
from siaga112.core.ami.parser import KINDS
from siaga112.core.model import (
    SECOND,
    Caller,
    Entry,
    Finding,
    HandedOver,
    Handover,
    Level,
    Millis,
    OperatorState,
    Outcome,
    ProposalCause,
    Reason,
    Stage,
    Stages,
    Treatment,
    Verdict,
)
from siaga112.core.names import Names
from siaga112.core.screening import Screening, ScreenReason
from siaga112.core.shifts import Shift
from siaga112.core.tracking.arrivals import CONTEXTS_KEPT
from tests.adapters.figures import QUEUE, full, make, samples, value
from tests.samples import NOW, answered, call_id, entry, prank

PUBLISHED: Final = {
    "calls_total": ("counter", {"outcome", "reason", "shift"}),
    "calls_in_progress": ("gauge", {"stage"}),
    "mode": ("gauge", {"mode"}),
    "answer_wait_seconds": ("histogram", {"queue"}),
    "abandon_wait_seconds": ("histogram", set()),
    "talk_seconds": ("histogram", set()),
    "ivr_seconds": ("histogram", set()),
    "marks_total": ("counter", {"mark"}),
    "webhooks_total": ("counter", {"result"}),
    "strikes_total": ("counter", {"outcome"}),
    "blocks_imposed_total": ("counter", {"level", "origin"}),
    "blocks_active": ("gauge", {"level"}),
    "agi_verdicts_total": ("counter", {"verdict", "reason"}),
    "agi_duration_seconds": ("histogram", set()),
    "fail_open_total": ("counter", {"cause"}),
    "would_block_total": ("counter", set()),
    "blocked_then_genuine_total": ("counter", set()),
    "operators": ("gauge", {"state"}),
    "callbacks_pending": ("gauge", set()),
    "appeals_pending": ("gauge", set()),
    "handovers_total": ("counter", {"agency"}),
    "appeals_due_timestamp_seconds": ("gauge", set()),
    "ami_connected": ("gauge", set()),
    "ami_last_event_timestamp_seconds": ("gauge", set()),
    "ami_events_total": ("counter", {"event"}),
    "ami_malformed_total": ("counter", {"kind"}),
    "ami_gaps_total": ("counter", set()),
    "ami_clock_off_total": ("counter", set()),
    "ami_reconnects_total": ("counter", {"cause"}),
    "redis_up": ("gauge", set()),
    "database_up": ("gauge", set()),
    "publish_pending": ("gauge", set()),
    "outbox_pending": ("gauge", set()),
    "replica_callers": ("gauge", set()),
    "replica_gaps_total": ("counter", set()),
    "block_list_rebuilds_total": ("counter", set()),
    "build_info": ("gauge", {"version"}),
    "service_calls_total": ("counter", {"queue", "shift", "result"}),
    "service_level_target_ratio": ("gauge", set()),
    "service_level_answer_within_seconds": ("gauge", set()),
    "withheld_total": ("counter", {"cause"}),
    "treatments_total": ("counter", {"treatment"}),
    "misuse_operator_seconds_total": ("counter", set()),
    "proposals_total": ("counter", {"cause"}),
    "blocks_proposed": ("gauge", set()),
    "callbacks_oldest_timestamp_seconds": ("gauge", set()),
    "surge": ("gauge", set()),
    "start_time_seconds": ("gauge", set()),
    "calls_screened_total": ("counter", set()),
    "calls_unfollowed_total": ("counter", {"context"}),
    "agi_calls_total": ("counter", set()),
    "outbox_lost_total": ("counter", set()),
    "queue_waiting": ("gauge", {"queue"}),
    "queue_longest_wait_seconds": ("gauge", {"queue"}),
}


def found(
    outcome: Outcome, reason: Reason, wait: Millis | None = None, *, ring: Millis | None = None
) -> Entry:
    """Return an ended call with that outcome, after that wait in the queue or that ringing."""
    call = answered(1)
    queue = QUEUE if wait is not None else None
    finding = Finding(call, outcome, reason, call.facts[:1], Stages(wait=wait, ring=ring), queue)
    return Entry(finding, strike=False)


def service(metrics: Metrics, queue: str = QUEUE) -> dict[str, float]:
    """Return the calls that should reach an operator, by result, over all shifts, without zeros."""
    counted: dict[str, float] = {}
    for sample in samples(metrics):
        if sample.name == "siaga112_service_calls_total" and sample.labels["queue"] == queue and sample.value:
            result = sample.labels["result"]
            counted[result] = counted.get(result, 0) + sample.value
    return counted


def test_every_metric_is_as_published_and_there_is_no_other() -> None:
    """The metrics have exactly the published names, types and labels, each with `site` and a help text."""
    shown = {}
    for family in full().registry.collect():
        suffix = "_total" if family.type == "counter" else ""
        labels = {frozenset(sample.labels) - {"le"} for sample in family.samples}
        assert len(labels) == 1, family.name
        assert family.documentation.endswith("."), family.name
        shown[family.name.removeprefix("siaga112_") + suffix] = (family.type, set(labels.pop()) - {"site"})
        assert all("site" in sample.labels for sample in family.samples)
    assert shown == PUBLISHED


def test_promtool_finds_no_fault() -> None:
    """promtool, Prometheus' own linter, finds no fault."""
    lint = subprocess.run(
        ["promtool", "check", "metrics"], input=full().page(), capture_output=True, check=False, timeout=60
    )
    assert (lint.returncode, lint.stdout, lint.stderr) == (0, b"", b"")


def test_the_labels_of_the_followed_pbx_are_those_of_the_tracker() -> None:
    """Each event with a series of its own is parsed; as many unfollowed contexts have one as are named."""
    assert {*EVENTS} - {OTHER} < {*KINDS}
    assert UNFOLLOWED == CONTEXTS_KEPT + 1


def test_every_reason_belongs_to_the_outcome_it_is_counted_under() -> None:
    """The pairs of outcome and reason that are shown from the start contain each reason once."""
    listed = [reason for reasons in REASONS.values() for reason in reasons]
    assert sorted(listed) == sorted(Reason)


@pytest.mark.fault("series")
def test_a_hundred_thousand_callers_add_no_series() -> None:
    """After 100,000 callers the series are the same, and no label holds a number or a call id."""
    metrics = full()
    before = {(sample.name, *sorted(sample.labels.items())) for sample in samples(metrics)}
    ended = entry(prank(1)).finding
    waited = found(Outcome.UNSERVED, Reason.QUEUE_TIMEOUT, 20_000).finding
    for number in range(100_000):
        caller = Caller(f"+62812{number:08}")
        call = replace(ended.call, caller=caller, raw_caller=caller, id=call_id(number))
        kind = waited if number % 7 == 0 else ended
        one = Entry(replace(kind, call=call, queue=caller), strike=True)
        metrics.call_ended(one)
        if number % 1_000 == 0:
            metrics.waiting({caller: (1, 1.0)})
            metrics.ami_event(caller, number)
    after = samples(metrics)
    assert sum(sample.value for sample in after if sample.name == "siaga112_calls_total") == 100_000
    assert {(sample.name, *sorted(sample.labels.items())) for sample in after} == before
    assert len(after) == len(before) < 300
    texts = " ".join(text for sample in after for text in sample.labels.values())
    assert "62812" not in texts
    assert call_id(1).split(".")[0] not in texts


@pytest.mark.parametrize("shifts", [0, 1, 3, 5, 24])
def test_no_site_has_300_series(shifts: int) -> None:
    """However many queues and shifts a site has, it has fewer than 300 series; more queues are `other`."""
    plan = tuple(Shift(f"shift{hour}", time(hour)) for hour in range(shifts))
    queues = tuple(f"queue{number}" for number in range(30))
    metrics = full(queues, plan)
    for seconds in range(0, 86_400, 3_600):
        metrics.call_ended(entry(answered(1, started=seconds * SECOND)))
    assert 200 < len(samples(metrics)) < 300
    assert value(metrics, "queue_waiting", queue="queue0") == 1
    assert value(metrics, "queue_waiting", queue="queue29") is None


def test_a_site_with_three_queues_and_three_shifts_sees_each() -> None:
    """A site with three queues and three shifts shows each of its queues."""
    queues = ("fire", "ambulance", "police")
    metrics = full(queues)
    assert [value(metrics, "queue_waiting", queue=queue) for queue in queues] == [1, 1, 1]


def test_counters_begin_at_zero() -> None:
    """Every counter of this process shows its series from the start, so that the first event is seen.

    Except counters by context: only the PBX knows the contexts, and their alert sees a first one too.
    """
    metrics = make()
    stored = {"strikes", "blocks_imposed", "marks", "blocked_then_genuine", "calls_unfollowed", "webhooks"}
    stored |= {"misuse_operator_seconds"}
    for family in metrics.registry.collect():
        if family.type == "counter" and family.name.removeprefix("siaga112_") not in stored:
            assert family.samples, family.name
            assert all(sample.value == 0 for sample in family.samples)


def test_what_the_store_counts_is_not_shown_before_it_was_read() -> None:
    """Stored counts are shown only once they are read: a 0 at a restart would look like a counter's reset."""
    metrics = make()
    assert value(metrics, "strikes_total", outcome="ivr_prank") is None
    counts = {"strikes:ivr_prank": 5_000, "misuse_seconds": 90, "blocks:temporary:manual": 4}
    metrics.tallies({**counts, "blocked_then_genuine": 1})
    assert value(metrics, "strikes_total", outcome="ivr_prank") == 5_000
    assert value(metrics, "strikes_total", outcome="answered") == 0
    assert value(metrics, "misuse_operator_seconds_total") == 90
    assert value(metrics, "blocks_imposed_total", level="temporary", origin="manual") == 4
    assert value(metrics, "marks_total", mark="genuine") == 0
    assert value(metrics, "blocked_then_genuine_total") == 1


def test_hand_overs_are_counted_by_configured_agency() -> None:
    """A hand-over counts for its agency; one without a name, or beyond the twelfth agency, is `other`."""
    agencies = [f"agency {nth}" for nth in range(13)]
    metrics = make(names=Names(agencies={f"{nth}": name for nth, name in enumerate(agencies)}))
    assert value(metrics, "handovers_total", agency="agency 0") == 0
    ended = entry(answered(1))
    over = [Handover(NOW, HandedOver.BLIND, "x", agency) for agency in ("agency 0", "", "agency 12")]
    metrics.call_ended(replace(ended, finding=replace(ended.finding, handovers=tuple(over))))
    assert value(metrics, "handovers_total", agency="agency 0") == 1
    assert value(metrics, "handovers_total", agency="other") == 2
    assert value(metrics, "handovers_total", agency="agency 12") is None


def test_calls_that_are_screened_and_not_followed_are_shown_by_context() -> None:
    """Calls that were screened but not followed have the tracker's own counts, however often it reports."""
    metrics = make()
    for calls, unfollowed in ((1, {}), (3, {"from-new": 2}), (3, {"from-new": 2}), (4, {"from-new": 3})):
        metrics.calls_screened(calls, unfollowed)
    assert value(metrics, "calls_screened_total") == 4
    assert value(metrics, "calls_unfollowed_total", context="from-new") == 3
    metrics.asked()
    assert value(metrics, "agi_calls_total") == 1


def test_an_answer_at_the_last_moment_is_in_time() -> None:
    """An answer exactly after `answer_within` is in time; one millisecond later it is late."""
    metrics = make()
    for wait in (12_000, 12_001):
        metrics.call_ended(found(Outcome.ANSWERED, Reason.OPERATOR, wait))
    assert service(metrics) == {"in_time": 1, "late": 1}
    assert value(metrics, "answer_wait_seconds_bucket", queue=QUEUE, le="12.0") == 1


@pytest.mark.parametrize(
    ("ended", "queue", "counted"),
    [
        (found(Outcome.ABANDONED, Reason.LEFT_QUEUE, 20_000), QUEUE, {"abandoned": 1}),
        (found(Outcome.UNSERVED, Reason.QUEUE_TIMEOUT, 20_000), QUEUE, {"unserved": 1}),
        (found(Outcome.UNSERVED, Reason.QUEUE_FULL), "other", {"unserved": 1}),
        (found(Outcome.ANSWERED, Reason.OPERATOR, ring=3_000), "other", {"in_time": 1}),
        (found(Outcome.ANSWERED, Reason.OPERATOR), "other", {}),
        (found(Outcome.ABANDONED, Reason.LEFT_RINGING, ring=3_000), "other", {"abandoned": 1}),
        (found(Outcome.ABANDONED, Reason.DROPPED_EARLY), "other", {}),
        (found(Outcome.ABANDONED, Reason.BEFORE_MENU), "other", {}),
        (found(Outcome.IVR_PRANK, Reason.LEFT_MENU), "other", {}),
        (found(Outcome.UNKNOWN, Reason.EVENTS_LOST, 20_000), QUEUE, {}),
    ],
    ids=lambda case: f"{case.finding.reason}" if isinstance(case, Entry) else None,
)
def test_the_service_level_counts_who_was_to_reach_an_operator(
    ended: Entry, queue: str, counted: dict[str, float]
) -> None:
    """Callers who left before a queue, and answers without a seen wait, do not count in the service level."""
    metrics = make()
    metrics.call_ended(ended)
    assert service(metrics, queue) == counted


def test_a_call_belongs_to_the_shift_in_which_it_came() -> None:
    """A call at 06:59 in Serang belongs to the night shift, and one at 07:00 to the morning shift."""
    metrics = make()
    for minute in (-1, 0):
        metrics.call_ended(entry(answered(1, started=minute * 60 * SECOND)))  # 07:00 in Serang is 00:00 UTC
    for shift in ("night", "morning"):
        assert value(metrics, "calls_total", outcome="answered", reason="operator", shift=shift) == 1


def test_verdicts_treatments_and_causes_are_counted() -> None:
    """Blocked calls count by treatment, missing answers by cause, and calls that `observe` spared in all."""
    metrics = make()
    blocked = Screening(Verdict.BLOCK, ScreenReason.BLOCKED, Treatment.ANNOUNCE, Level.TEMPORARY)
    metrics.screened(blocked, 0.0015)
    metrics.screened(Screening(Verdict.ALLOW, ScreenReason.DEADLINE), 0.3)
    metrics.screened(Screening(Verdict.ALLOW, ScreenReason.WOULD_BLOCK), 0.001)
    metrics.agi_refused()
    assert value(metrics, "agi_verdicts_total", verdict="BLOCK", reason="blocked") == 1
    assert value(metrics, "treatments_total", treatment="announce") == 1
    assert value(metrics, "fail_open_total", cause="deadline") == 1
    assert value(metrics, "fail_open_total", cause="bad_request") == 1
    assert value(metrics, "would_block_total") == 1
    assert value(metrics, "agi_duration_seconds_bucket", le="0.005") == 2


def test_unknown_operators_have_no_series() -> None:
    """While nothing is known about operators, there is no series that says that nobody takes calls."""
    metrics = full()
    metrics.operators({})
    assert value(metrics, "operators", state="available") == 0
    metrics.operators(None)
    assert {value(metrics, "operators", state=state) for state in OperatorState} == {None}
    metrics.operators({OperatorState.PAUSED: 1})
    assert value(metrics, "operators", state="paused") == 1


def test_gauges_show_what_they_are_told() -> None:
    """Each gauge shows the last value that it was given."""
    metrics = full()
    metrics.operators({OperatorState.BUSY: 3})
    metrics.waiting({"another": (2, 30.0), "a third": (1, 9.0)})
    metrics.callbacks(0, None)
    metrics.surge(on=True)
    metrics.in_progress({Stage.QUEUE: 4})
    metrics.proposal(ProposalCause.HOURLY_CAP)
    metrics.lost(2)
    metrics.pending(5)
    metrics.replica(7)
    metrics.replica_gap()
    metrics.block_list_lost()
    shown = {
        "operators": value(metrics, "operators", state="available"),
        "busy": value(metrics, "operators", state="busy"),
        "waiting": value(metrics, "queue_waiting", queue="other"),
        "longest": value(metrics, "queue_longest_wait_seconds", queue="other"),
        "oldest": value(metrics, "callbacks_oldest_timestamp_seconds"),
        "surge": value(metrics, "surge"),
        "in queue": value(metrics, "calls_in_progress", stage="queue"),
        "capped": value(metrics, "proposals_total", cause="hourly_cap"),
        "lost": value(metrics, "outbox_lost_total"),
        "pending": value(metrics, "outbox_pending"),
        "replica": value(metrics, "replica_callers"),
        "gaps": value(metrics, "replica_gaps_total"),
        "rebuilds": value(metrics, "block_list_rebuilds_total"),
        "target": value(metrics, "service_level_target_ratio"),
    }
    assert shown == {
        "operators": 0,
        "busy": 3,
        "waiting": 3,
        "longest": 30,
        "oldest": 0,
        "surge": 1,
        "in queue": 4,
        "capped": 1,
        "lost": 2,
        "pending": 5,
        "replica": 7,
        "gaps": 1,
        "rebuilds": 1,
        "target": 0.9,
    }


def test_what_is_not_known_is_not_shown() -> None:
    """Operators, queues, call-backs, blocks and surge are not shown, not even as 0, before they are known."""
    names = {sample.name for sample in samples(make())}
    for name in ("operators", "queue_waiting", "callbacks_pending", "blocks_active", "surge"):
        assert f"siaga112_{name}" not in names
