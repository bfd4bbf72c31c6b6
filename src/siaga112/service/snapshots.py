"""Publishes snapshots of the live site for `siaga112 top` and the console. Nothing else waits for it."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

import structlog

from siaga112.core.model import SECOND, Millis
from siaga112.core.snapshot import Snapshot
from siaga112.core.tracking.queue_state import QueueState
from siaga112.core.tracking.tracker import Tracker
from siaga112.service.ports import Board, StoreBrokenError, StoreDownError

EVERY_SECONDS: Final = 1.0
"""How often a snapshot is published if nothing changes, because it expires after `LIFE`."""

LOOK_SECONDS: Final = 0.2
"""How often to check for changes, so that the live view is less than a second behind the PBX."""

MAX_CALLS: Final = 100
"""Maximum number of calls listed. `stages` counts all."""

MAX_OPERATORS: Final = 100
"""Maximum number of operators listed by name. `operators` counts all."""

_log = structlog.get_logger()


@dataclass(slots=True)
class Snapshots:
    """Puts snapshots on the board. `screens`: whether this process also answers the dialplan."""

    board: Board
    tracker: Tracker
    queues: QueueState
    connected: Callable[[], bool]
    clock: Callable[[], Millis]
    screens: bool
    _shown: Snapshot | None = None

    async def run(self) -> None:
        """Publish for ever. An error costs one snapshot and nothing else."""
        while True:
            try:
                await self.publish()
            except (StoreDownError, StoreBrokenError):
                pass  # the mode watch logs it
            except Exception:  # noqa: BLE001 - an error here must not end the daemon
                _log.exception("snapshot_failed")
            await asyncio.sleep(LOOK_SECONDS)

    async def publish(self) -> None:
        """Publish a snapshot if it differs from the last one, or if that is a second old."""
        now, shown = self.take(), self._shown
        if shown and replace(shown, at=now.at) == now and now.at - shown.at < EVERY_SECONDS * SECOND:
            return
        await self.board.put_snapshot(now)
        self._shown = now

    def take(self) -> Snapshot:
        """Return a snapshot of the current state."""
        now = self.clock()
        return Snapshot(
            at=now,
            calls=tuple(self.tracker.in_progress(MAX_CALLS)),
            stages=dict(self.tracker.stages()),
            queues=self.tracker.waiting(),
            operators=dict(self.queues.operators()) if self.queues.known else None,
            surge=self.queues.surge(self.tracker.overdue, now),
            connected=self.connected(),
            screens=self.screens,
            logged_in=tuple(self.queues.logged_in(MAX_OPERATORS)),
        )
