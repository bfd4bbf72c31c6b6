"""The Prometheus series: their names, labels and every value that a label can have.

No caller's number, call id or operator's name is ever a label: every label has a closed set of values, and
any other value becomes `other`. A counter shows all its series from the start, so that the first event is a
step from 0 to 1; a gauge of an external state shows none until the state is known.
"""

import time
from collections.abc import Iterable, Mapping, Sequence
from itertools import product
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics
from prometheus_client.metrics_core import CounterMetricFamily
from prometheus_client.registry import Collector

import siaga112
from siaga112.core.ami.defects import Defect
from siaga112.core.changes import MISUSE_SECONDS
from siaga112.core.model import (
    SECOND,
    Level,
    Mark,
    Mode,
    OperatorState,
    Origin,
    Outcome,
    ProposalCause,
    Reason,
    Stage,
    Treatment,
    Verdict,
)
from siaga112.core.rules import InForce
from siaga112.core.screening import ScreenReason, Withheld
from siaga112.service.ports import WebhookResult

MAX_SERIES: Final = 299
"""The limit, however many queues a site has: queues beyond it become `other`."""

MAX_SHIFTS: Final = 4
MAX_AGENCIES: Final = 12

WAIT_BUCKETS: Final = (5, 10, 15, 20, 30, 60, 120)
ABANDON_BUCKETS: Final = (10, 60)
TALK_BUCKETS: Final = (60,)
IVR_BUCKETS: Final = (10,)
AGI_BUCKETS: Final = (0.001, 0.005, 0.01, 0.05, 0.1, 0.3)

OTHER: Final = "other"
RESULTS: Final = ("in_time", "late", "abandoned", "unserved")
RECONNECT_CAUSES: Final = ("lost", "refused", "unreachable")
EVENTS: Final = (
    "BridgeEnter", "DialBegin", "Hangup", "Newchannel", "Newexten", "QueueCallerJoin", "VarSet", OTHER,
)  # fmt: skip
"""The events with a series of their own. The others are of one channel driver, come once per PBX or with few
calls, or accompany a counted one (a BridgeLeave its BridgeEnter, a HangupRequest its Hangup).
"""

UNFOLLOWED: Final = 3
"""The contexts that `core.tracking.arrivals` names at most, with `other`."""

REASONS: Final[Mapping[Outcome, tuple[Reason, ...]]] = {
    Outcome.BLOCKED: (Reason.REJECTED,),
    Outcome.ANSWERED: (Reason.OPERATOR,),
    Outcome.UNKNOWN: (Reason.SEEN_IN_PART, Reason.EVENTS_LOST, Reason.NO_EVIDENCE),
    Outcome.UNSERVED: (
        Reason.QUEUE_TIMEOUT,
        Reason.QUEUE_FULL,
        Reason.QUEUE_EMPTY,
        Reason.QUEUE_UNAVAILABLE,
        Reason.QUEUE_WITHDRAWN,
        Reason.NO_ANSWER,
        Reason.OPERATORS_BUSY,
        Reason.CONGESTION,
    ),
    Outcome.ABANDONED: (
        Reason.LEFT_QUEUE,
        Reason.LEFT_RINGING,
        Reason.BEFORE_QUEUE,
        Reason.DROPPED_EARLY,
        Reason.BEFORE_MENU,
        Reason.LEFT_CHOOSING,
        Reason.AFTER_CHOICE,
    ),
    Outcome.IVR_PRANK: (Reason.LEFT_MENU, Reason.INVALID_CHOICE, Reason.NO_CHOICE),
}
"""The pairs of outcome and reason that a call can have."""

LabelValues = tuple[str, ...]
ONE: Final[tuple[LabelValues, ...]] = ((),)


def _rows(*values: Iterable[str]) -> tuple[LabelValues, ...]:
    return tuple(product(*values))


BLOCKING: Final = frozenset({ScreenReason.BLOCKED, ScreenReason.LET_THROUGH})

VERDICTS: Final = tuple(
    (Verdict.BLOCK if reason in BLOCKING else Verdict.ALLOW, reason) for reason in ScreenReason
)

STRIKING: Final = (Outcome.ANSWERED, Outcome.ABANDONED, Outcome.IVR_PRANK)
"""The outcomes that can cost a strike (`core.regulation.COUNTABLE`)."""

TALLIES: Final[tuple[tuple[str, str, str, LabelValues, tuple[LabelValues, ...]], ...]] = (
    ("strikes", "strikes", "Strikes given.", ("outcome",), _rows(STRIKING)),
    (
        MISUSE_SECONDS,
        "misuse_operator_seconds",
        "Operators' time with calls that earned a strike.",
        (),
        ONE,
    ),
    ("blocks", "blocks_imposed", "Blocks imposed.", ("level", "origin"), _rows(Level, Origin)),
    ("marks", "marks", "Operators' marks.", ("mark",), _rows(Mark)),
    (
        "blocked_then_genuine",
        "blocked_then_genuine",
        "Genuine calls from callers who had been blocked.",
        (),
        ONE,
    ),
    (
        "webhooks",
        "webhooks",
        "Webhook deliveries; failed: rejected, to be retried; parked: given up after a day.",
        ("result",),
        _rows(WebhookResult),
    ),
)
"""The store's counts: the tally's name there, the metric's name, its help, labels and their values."""


_INSTEAD: Final = tuple(cause for cause in ProposalCause if cause is not ProposalCause.REVIEW)


class Tallies(Collector):
    """Counters that live in the store, because other processes count there too."""

    def __init__(self, site: str) -> None:
        self._site = site
        self.counts: Mapping[str, int] | None = None
        """None until the store has been read: a 0 before the true count would look like a counter reset."""

    def collect(self) -> Iterable[CounterMetricFamily]:
        """Yield the counts last read from the store."""
        for tally, name, text, labels, rows in TALLIES:
            family = CounterMetricFamily(f"siaga112_{name}", text, labels=("site", *labels))
            if self.counts is not None:
                for row in rows:
                    family.add_metric((self._site, *row), self.counts.get(":".join((tally, *row)), 0))
            yield family


class Asked(Collector):
    """The number of calls the dialplan asked about: a plain int, so that no verdict waits for a metric."""

    def __init__(self, site: str) -> None:
        self._site = site
        self.calls = 0

    def collect(self) -> Iterable[CounterMetricFamily]:
        """Yield the count."""
        calls = CounterMetricFamily(
            "siaga112_agi_calls", "Calls that the dialplan asked about.", labels=("site",)
        )
        calls.add_metric((self._site,), self.calls)
        yield calls


class Series:
    """All metrics of one process."""

    def __init__(
        self, site: str, queues: Sequence[str], shifts: Sequence[str], rules: InForce, target: float
    ) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]  # they would double the series
        self.registry: Final = CollectorRegistry()
        self._site = site
        self._count = 0
        self.shifts = tuple(shifts) if len(shifts) <= MAX_SHIFTS else (*shifts[: MAX_SHIFTS - 1], OTHER)
        self._declare_calls()
        self._declare_misuse()
        self._declare_screening()
        self._declare_pbx()
        self._declare_process(rules, target)
        self._declare_queues(queues, rules.now.answer_within / SECOND)
        self._declare_agencies(rules.now.names.agencies.values())

    def _declare_calls(self) -> None:
        pairs = [(outcome, reason) for outcome, reasons in REASONS.items() for reason in reasons]
        rows = tuple((*pair, shift) for pair in pairs for shift in self.shifts)
        self.calls = self._counter("calls", "Calls that ended.", ("outcome", "reason", "shift"), rows)
        self.calls_screened = self._counter(
            "calls_screened", "Calls that the PBX's events show as screened, followed or not."
        )
        # Labelled by contexts that only the PBX knows: their number is limited; none has a series in advance.
        self.unfollowed = self._counter(
            "calls_unfollowed",
            "Screened calls missing in the ledger: their context is not a trunk context.",
            ("context",),
            (),
        )
        self._count += UNFOLLOWED
        self.in_progress = self._gauge(
            "calls_in_progress", "Calls being followed now.", ("stage",), _rows(Stage)
        )
        self.abandon_wait = self._histogram(
            "abandon_wait_seconds", "From joining the queue, or first ringing, to leaving.", ABANDON_BUCKETS
        )
        self.talk = self._histogram("talk_seconds", "With an operator.", TALK_BUCKETS)
        self.ivr = self._histogram("ivr_seconds", "In the voice menu.", IVR_BUCKETS)
        self.operators = self._gauge(
            "operators", "Operators on duty, by state.", ("state",), _rows(OperatorState)
        )
        self.callbacks_pending = self._gauge("callbacks_pending", "Callers waiting for a call-back.")
        self.callbacks_oldest = self._gauge(
            "callbacks_oldest_timestamp_seconds", "When the caller who has waited longest called; 0 for none."
        )
        self.appeals_pending = self._gauge("appeals_pending", "Appeals waiting for a decision.")
        self.appeals_due = self._gauge(
            "appeals_due_timestamp_seconds", "When the answer to the most urgent appeal is due; 0 for none."
        )

    def _declare_misuse(self) -> None:
        self.tallies = Tallies(self._site)
        self._count += sum(len(rows) for *_, rows in TALLIES)
        self.registry.register(self.tallies)
        self.blocks_active = self._gauge("blocks_active", "Blocks in force.", ("level",), _rows(Level))
        self.blocks_proposed = self._gauge("blocks_proposed", "Proposed blocks waiting for a decision.")
        self.proposals = self._counter(
            "proposals", "Blocks proposed instead of imposed.", ("cause",), _rows(_INSTEAD)
        )
        self.surge = self._gauge("surge", "1 in surge mode, in which nobody gets a strike.")

    def _declare_screening(self) -> None:
        self.verdicts = self._counter(
            "agi_verdicts", "Answers to the dialplan.", ("verdict", "reason"), VERDICTS
        )
        self.withheld = self._counter(
            "withheld", "Calls without a number that could be blocked.", ("cause",), _rows(Withheld)
        )
        self.duration = self._histogram("agi_duration_seconds", "From request to verdict.", AGI_BUCKETS)
        self.asked = Asked(self._site)
        self._count += 1
        self.registry.register(self.asked)
        causes = _rows(reason for reason in ScreenReason if reason.fails_open)
        self.fail_opens = self._counter(
            "fail_open", "Calls let through because we had no answer.", ("cause",), causes
        )
        self.would_block = self._counter("would_block", "Calls that mode enforce would have blocked.")
        self.treatments = self._counter(
            "treatments", "Blocked callers' calls, by treatment.", ("treatment",), _rows(Treatment)
        )

    def _declare_pbx(self) -> None:
        self.ami_up = self._gauge("ami_connected", "1 while following the PBX.")
        self.ami_last = self._gauge("ami_last_event_timestamp_seconds", "When the last event was.")
        self.ami_events = self._counter("ami_events", "Events, by name.", ("event",), _rows(EVENTS))
        self.ami_malformed = self._counter(
            "ami_malformed", "Messages that Asterisk would not write.", ("kind",), _rows(Defect)
        )
        self.ami_clock_off = self._counter(
            "ami_clock_off", "Events with a timestamp too far from our own clock."
        )
        self.ami_gaps = self._counter("ami_gaps", "Stretches of missed events.")
        self.ami_reconnects = self._counter(
            "ami_reconnects", "New connection attempts.", ("cause",), _rows(RECONNECT_CAUSES)
        )

    def _declare_process(self, rules: InForce, target: float) -> None:
        self.mode = self._gauge("mode", "1 for the mode in force, 0 for the others.", ("mode",), _rows(Mode))
        self.redis_up = self._gauge("redis_up", "1 while Redis answers.")
        self.database_up = self._gauge("database_up", "1 while the database answers.")
        self.publish_pending = self._gauge(
            "publish_pending", "Changes of the block list that Redis does not have yet."
        )
        self.block_list_rebuilds = self._counter(
            "block_list_rebuilds", "Rebuilds of the block list because Redis did not have all of it."
        )
        self.replica_callers = self._gauge("replica_callers", "Callers with a standing in the replica.")
        self.replica_gaps = self._counter("replica_gaps", "Complete reloads of the replica.")
        self.outbox_pending = self._gauge(
            "outbox_pending", "Ended calls that the database does not have yet."
        )
        self.outbox_lost = self._counter("outbox_lost", "Ended calls that could not be stored or recorded.")
        started = self._gauge("start_time_seconds", "When this process started.")
        promised = self._gauge("service_level_target_ratio", "[service_level] target.")
        within = self._gauge("service_level_answer_within_seconds", "[service_level] answer_within.")
        build = self._gauge("build_info", "Always 1.", ("version",))
        for gauge, labels, value in (
            (self.ami_up, (), 0),
            (self.redis_up, (), 0),
            (self.outbox_pending, (), 0),
            (started, (), time.time()),
            (promised, (), target),
            (build, (siaga112.__version__,), 1),
        ):
            gauge.labels(self._site, *labels).set(value)
        within.labels(self._site).set_function(lambda: rules.now.answer_within / SECOND)

    def _declare_queues(self, queues: Sequence[str], answer_within: float) -> None:
        """Declare the series per queue: by name for as many queues as fit, `other` for the rest."""
        buckets = sorted({*WAIT_BUCKETS, answer_within})
        each = len(buckets) + 3 + len(self.shifts) * len(RESULTS) + 2
        room = (MAX_SERIES - self._count - 1) // each - 1  # one is for the agencies
        self.queues = (*tuple(dict.fromkeys(queues))[:room], OTHER)
        rows = _rows(self.queues)
        self.answer_wait = self._histogram(
            "answer_wait_seconds",
            "From joining the queue, or first ringing, to an operator.",
            buckets,
            ("queue",),
            rows,
        )
        self.service_calls = self._counter(
            "service_calls",
            "Calls that should have reached an operator, by result.",
            ("queue", "shift", "result"),
            _rows(self.queues, self.shifts, RESULTS),
        )
        self.waiting = self._gauge("queue_waiting", "Callers waiting now.", ("queue",), rows)
        self.longest = self._gauge(
            "queue_longest_wait_seconds", "How long the first caller has waited.", ("queue",), rows
        )

    def _declare_agencies(self, agencies: Iterable[str]) -> None:
        """Declare a series for each agency that fits, and `other` for the rest."""
        room = min(MAX_AGENCIES, MAX_SERIES - self._count - 1)
        self.agencies = (*tuple(dict.fromkeys(agencies))[:room], OTHER)
        rows = _rows(self.agencies)
        self.handovers = self._counter("handovers", "Hand-overs that the PBX showed.", ("agency",), rows)

    # `rows`: the label values to create, without the site.

    def _counter(
        self, name: str, text: str, labels: LabelValues = (), rows: Sequence[LabelValues] = ONE
    ) -> Counter:
        counter = Counter(f"siaga112_{name}", text, ("site", *labels), registry=self.registry)
        for row in rows:
            counter.labels(self._site, *row)
        self._count += len(rows)
        return counter

    def _gauge(
        self, name: str, text: str, labels: LabelValues = (), rows: Sequence[LabelValues] = ONE
    ) -> Gauge:
        self._count += len(rows)
        return Gauge(f"siaga112_{name}", text, ("site", *labels), registry=self.registry)

    def _histogram(
        self,
        name: str,
        text: str,
        buckets: Sequence[float],
        labels: LabelValues = (),
        rows: Sequence[LabelValues] = ONE,
    ) -> Histogram:
        histogram = Histogram(
            f"siaga112_{name}", text, ("site", *labels), buckets=buckets, registry=self.registry
        )
        for row in rows:
            histogram.labels(self._site, *row)
        self._count += len(rows) * (len(buckets) + 3)
        return histogram
