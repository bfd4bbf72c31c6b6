"""The half of `siaga112 run` that follows the PBX; a process that only screens does not load it."""

import asyncio
import contextlib
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from siaga112.adapters.ami.source import AmiSource
from siaga112.adapters.metrics import Metrics
from siaga112.adapters.outbox import SqliteOutbox
from siaga112.adapters.queue_log import QueueLogFile
from siaga112.app.pbx import ami_address
from siaga112.app.records import now
from siaga112.core.rules import InForce
from siaga112.core.tracking.outgoing import OutgoingCalls
from siaga112.core.tracking.queue_state import QueueState
from siaga112.core.tracking.tracker import Tracker
from siaga112.service.announcing import Announcer
from siaga112.service.mode import ModeWatch
from siaga112.service.pipeline import Pipeline
from siaga112.service.ports import StoreBrokenError, StoreDownError
from siaga112.service.reconciling import LOOK_BACK, Reconciler
from siaga112.service.recording import Recorder
from siaga112.service.retention import Retention
from siaga112.service.reviewing import Reviewer
from siaga112.service.snapshots import Snapshots
from siaga112.settings.schema import Settings

if TYPE_CHECKING:
    from siaga112.app.store import SiteStore

COUNT_SECONDS: Final = 2.0
"""How often the gauges are updated from the records."""

Part = Callable[[], Coroutine[Any, Any, None]]


@dataclass(frozen=True, slots=True)
class Tracking:
    """The path of a call from the PBX's events to the records; the daemon runs `parts`."""

    outbox: SqliteOutbox
    source: AmiSource
    pipeline: Pipeline
    parts: list[Part] = field(default_factory=list)

    def pending(self) -> int:
        """Return the number of ended calls that the database does not have yet."""
        return self.outbox.pending + self.pipeline.unwritten()

    def connected(self) -> bool:
        """Return whether we follow the PBX."""
        return self.source.connected


async def open_tracking(
    settings: Settings,
    rules: InForce,
    store: "SiteStore",
    watch: ModeWatch,
    metrics: Metrics,
    *,
    screens: bool,
) -> Tracking:
    """Open the outbox, and wire all parts that follow the PBX; `screens`: we also give verdicts."""
    source = AmiSource(ami_address(settings), metrics, now, tolerance=settings.ami.clock_tolerance)
    outbox = SqliteOutbox(settings.state_dir / "outbox.db", metrics.lost)
    await outbox.open()
    tracker = Tracker(rules)
    queues = QueueState(rules)
    pipeline = Pipeline(
        tracker=tracker,
        queues=queues,
        outgoing=OutgoingCalls(rules),
        rules=rules,
        outbox=outbox,
        meter=metrics,
        mode=watch.current,
    )
    tracking = Tracking(outbox, source, pipeline)
    if settings.pbx.queue_log:
        reconciler = Reconciler(
            queue_log=QueueLogFile(Path(settings.pbx.queue_log)),
            ledger=store,
            outbox=outbox,
            rules=rules,
            in_progress=tracker.follows,
            clock=now,
        )
        reconciler.look_back(now() - LOOK_BACK)
        pipeline.look_back = reconciler.look_back
        tracking.parts.append(reconciler.run)
    recorder = Recorder(outbox, store, rules, metrics, now)
    retention = Retention(store, rules, now)
    reviewer = Reviewer(store.records, rules, now)
    snapshots = Snapshots(store, tracker, queues, tracking.connected, now, screens=screens)

    store.publisher.meter, store.publisher.lost = metrics.unpublished, metrics.block_list_lost
    tracking.parts.extend(
        [
            partial(pipeline.run, source),
            recorder.run,
            store.publisher.run,
            retention.run,
            reviewer.run,
            snapshots.run,
            Announcer(store.records, tracker, queues, now).run,
            partial(_show_records, store, metrics),
        ]
    )
    return tracking


async def _show_records(store: "SiteStore", metrics: Metrics) -> None:
    while True:
        with contextlib.suppress(StoreDownError, StoreBrokenError):  # the mode watch reports it
            metrics.blocks_in_force(await store.block_counts(now()))
            metrics.proposed(await store.proposed_count())
            metrics.callbacks(*await store.missed_count())
            metrics.appeals(*await store.appealed_count())
            metrics.tallies(await store.tallies())
        await asyncio.sleep(COUNT_SECONDS)
