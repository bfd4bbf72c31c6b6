"""How late the tracker gets events: the daemon's own event flow, with a tracker that looks at the clock.

    python -m benchmarks.lag PORT STAMPS

It prints "ready", then p50, p99 and the longest lag in ms, and the share of a processor that it used.
"""

import asyncio
import sys
import tempfile
import time
from pathlib import Path

import uvloop

from benchmarks.feeder import STAMP
from benchmarks.load import quantile
from siaga112 import logs
from siaga112.adapters.ami.session import AmiAddress
from siaga112.adapters.ami.source import AmiSource
from siaga112.adapters.outbox import SqliteOutbox
from siaga112.app.metrics import open_metrics
from siaga112.app.records import now
from siaga112.core.ami.events import Event, Newexten
from siaga112.core.model import Call, Mode
from siaga112.core.rules import InForce
from siaga112.core.tracking.outgoing import OutgoingCalls
from siaga112.core.tracking.queue_state import QueueState
from siaga112.core.tracking.tracker import Tracker
from siaga112.service.pipeline import Pipeline
from siaga112.settings.schema import Settings
from tests.waiting import within

PATIENCE = 60.0


class Watched(Tracker):
    """Records how old a stamped event is when it arrives here."""

    def __init__(self, rules: InForce, stamps: int) -> None:
        super().__init__(rules)
        self.lags: list[float] = []
        self.stamps = stamps
        self.done = asyncio.Event()

    def feed(self, event: Event) -> tuple[Call, ...]:
        """Look at the clock, then do as usual."""
        if isinstance(event, Newexten) and event.place.context == STAMP:
            self.lags.append((time.monotonic_ns() - int(event.application)) / 1e6)
            if len(self.lags) == self.stamps:
                self.done.set()
        return super().feed(event)


async def main(port: int, stamps: int) -> None:
    """Follow until this many stamps have come."""
    settings = Settings()
    rules = InForce(settings.rules())
    metrics, tracker = open_metrics(settings, rules), Watched(rules, stamps)
    with tempfile.TemporaryDirectory() as folder:
        outbox = SqliteOutbox(Path(folder) / "outbox.db")
        await outbox.open()
        pipeline = Pipeline(
            tracker=tracker,
            queues=QueueState(rules),
            outgoing=OutgoingCalls(rules),
            rules=rules,
            outbox=outbox,
            meter=metrics,
            mode=lambda: Mode.ENFORCE,
        )
        source = AmiSource(AmiAddress("127.0.0.1", port, "bench", "bench"), metrics, now)
        following = asyncio.create_task(pipeline.run(source))
        async with within(PATIENCE, "the connection to the feeder"):
            while not source.connected:  # noqa: ASYNC110 - it has no event for it
                await asyncio.sleep(0.01)
        print("ready", flush=True)
        began, used = time.monotonic(), time.process_time()
        await tracker.done.wait()  # ends: whoever started this ends it
        share = (time.process_time() - used) / (time.monotonic() - began)
        print(*(quantile(tracker.lags, share) for share in (0.5, 0.99, 1)), share, flush=True)
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)
        await outbox.close()


if __name__ == "__main__":
    logs.configure()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main(int(sys.argv[1]), int(sys.argv[2])))
