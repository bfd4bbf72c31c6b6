"""The site's mode, kept at hand: a verdict must not need a second round trip to learn it."""

import asyncio
from typing import Final, Protocol

import structlog

from siaga112.core.model import Mode
from siaga112.service.ports import Meter, Store, StoreBrokenError, StoreDownError

POLL_SECONDS: Final = 0.25
"""So that the kill switch works everywhere well within a second."""

_log = structlog.get_logger()


class Configured(Protocol):
    """What is configured, as far as it matters here."""

    @property
    def mode(self) -> Mode:
        """The mode of a site that nobody has switched."""


class ModeWatch:
    """Knows the mode; the configured one until the store has told another."""

    def __init__(self, store: Store, configured: Mode, meter: Meter) -> None:
        self._store = store
        self._configured = configured
        self._meter = meter
        self.mode = configured
        self.store_up = False
        meter.mode(configured)

    def current(self) -> Mode:
        """Give the mode as last known. While the store is away, the last known one holds."""
        return self.mode

    def configure(self, settings: Configured) -> None:
        """Take over another configured mode; one that was switched to by a person still comes first."""
        self._configured = settings.mode

    async def run(self) -> None:
        """Keep looking, for ever."""
        told: bool | None = None
        while True:
            try:
                async with asyncio.timeout(2.0):
                    mode = await self._store.mode() or self._configured
            except (StoreDownError, TimeoutError) as error:
                if told is not False:
                    _log.warning("store_down", detail=str(error), verdicts="ALLOW until it is back")
                up = told = False
            except StoreBrokenError as error:
                if told is not False:
                    _log.error("store_broken", detail=str(error))
                up = told = False
            else:
                if told is not True:
                    _log.info("store_up", mode=mode)
                if mode is not self.mode:
                    _log.info("mode", mode=mode, was=self.mode)
                self.mode = mode
                self._meter.mode(mode)
                up = told = True
            self.store_up = up
            self._meter.store_up(up=up)
            await asyncio.sleep(POLL_SECONDS)
