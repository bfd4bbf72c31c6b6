"""What goes on now, shown once a second for whoever watches the site. Nothing of ours waits for it."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import structlog

from siaga112.core.model import Millis
from siaga112.core.snapshot import take
from siaga112.core.tracking.queue_state import Lines
from siaga112.core.tracking.tracker import Tracker
from siaga112.service.ports import Store, StoreBrokenError, StoreDownError

EVERY_SECONDS: Final = 1.0

_log = structlog.get_logger()


@dataclass(slots=True)
class Publisher:
    """Puts snapshots into the store. `screens`: whether this process answers the dialplan too."""

    store: Store
    tracker: Tracker
    lines: Lines
    connected: Callable[[], bool]
    clock: Callable[[], Millis]
    screens: bool

    async def run(self) -> None:
        """Publish for ever; whatever goes wrong costs one snapshot and nothing else."""
        while True:
            try:
                await self.publish()
            except (StoreDownError, StoreBrokenError):
                pass  # the mode watch tells of it
            except Exception:  # noqa: BLE001 - a part that ends would end the daemon
                _log.exception("snapshot_failed")
            await asyncio.sleep(EVERY_SECONDS)

    async def publish(self) -> None:
        """Publish once."""
        snapshot = take(
            self.tracker, self.lines, self.clock(), connected=self.connected(), screens=self.screens
        )
        await self.store.put_snapshot(snapshot)
