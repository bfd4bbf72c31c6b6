"""The site's mode, cached so that a verdict needs no second round trip.

There are four sources: the configuration, Redis, the database and this machine's state directory. An `off`
from any of them applies at once, without waiting for the others. Redis and the database are polled
independently, and a switch that one of them has lost is written back to it. Until both have answered or
failed, the mode is unknown unless it is `off`, because somebody may have switched it off.
"""

import asyncio
from collections.abc import Callable, Mapping
from typing import Final, Protocol, TypeVar

import structlog

from siaga112.core.mode import Switch, in_force, prevailing
from siaga112.core.model import Mode
from siaga112.service.ports import (
    LocalModes,
    Meter,
    ModeStore,
    StoreBrokenError,
    StoreDownError,
)

POLL_SECONDS: Final = 0.25
"""How often the stores are polled, so that the kill switch works everywhere within a second."""

LOCAL_SECONDS: Final = 0.2
"""How often the file `off` is checked."""

STORE_SECONDS: Final = 2.0

_T = TypeVar("_T")

_log = structlog.get_logger()


class Configured(Protocol):
    """The part of the configuration that the mode needs."""

    @property
    def mode(self) -> Mode:
        """The mode of a site that nobody has switched."""


class ModeWatch:
    """Tracks the mode. `stores`: the stores of the mode, by name.

    `local`: the mode in this machine's state directory; it is read in a thread, because a disk may hang.
    """

    def __init__(
        self,
        stores: Mapping[str, ModeStore],
        configured: Mode,
        meter: Meter,
        local: LocalModes,
    ) -> None:
        self._stores = stores
        self._configured = configured
        self._meter = meter
        self._local = local
        self._switched: Switch | None = None
        self._held: Switch | None = None
        self._asked: set[str] = set()
        self._lacking: dict[str, Switch] = {}
        self._read = False
        self._troubles: set[str] = set()
        self.mode: Mode | None = None
        self.up = dict.fromkeys(stores, False)
        """Whether each store answers."""
        self._decide()

    def current(self) -> Mode | None:
        """Return the mode in force; None while unknown. If no store answers, return the last known mode."""
        return self.mode

    def configure(self, settings: Configured) -> None:
        """Apply a new configured mode. `off` applies at once; any other only if nobody switched the mode."""
        self._configured = settings.mode
        self._decide()

    async def begin(self) -> None:
        """Read this machine's state directory. Call this before the first verdict; it needs no store."""
        self._switched = await self._locally("mode_kept", self._local.kept)
        await self._look_here()

    async def run(self) -> None:
        """Poll all sources, for ever."""
        await asyncio.gather(*map(self._follow, self._stores), self._follow_local())

    def _decide(self) -> None:
        mode: Mode | None = in_force(self._configured, self._switched, held_off=self._held is not None)
        if mode is not Mode.OFF and not (self._read and self._asked == self._stores.keys()):
            mode = None
        if mode is not self.mode:
            _log.info("mode", mode=mode, was=self.mode)
            self.mode = mode
            if mode is not None:
                self._meter.mode(mode)

    # ── this machine ─────────────────────────────────────────────────────────────────────────────

    async def _follow_local(self) -> None:
        while True:
            await asyncio.sleep(LOCAL_SECONDS)
            await self._look_here()

    async def _look_here(self) -> None:
        try:
            held = await asyncio.to_thread(self._local.held_off)
        except OSError as error:
            self._tell("mode_off_file", error)  # the last known state stays in force
            return
        self._troubles.discard("mode_off_file")
        if (held is None) is not (self._held is None):
            event = "mode_off_file_found" if held else "mode_off_file_removed"
            _log.warning(event, by=held.by if held else None)
        self._held = held
        self._decide()

    async def _locally(self, what: str, act: Callable[[], _T]) -> _T | None:
        """Run an action on the state directory. Log a repeated failure only once."""
        try:
            done = await asyncio.to_thread(act)
        except OSError as error:
            self._tell(what, error)
            return None
        self._troubles.discard(what)
        return done

    def _tell(self, what: str, error: OSError) -> None:
        if what not in self._troubles:
            _log.warning("state_dir_failed", what=what, detail=str(error), remedy="is state_dir accessible?")
        self._troubles.add(what)

    # ── Redis and the database ───────────────────────────────────────────────────────────────────

    async def _follow(self, name: str) -> None:
        told: bool | None = None
        while True:
            try:
                async with asyncio.timeout(STORE_SECONDS):
                    switched = await self._agreed(name, await self._stores[name].switched())
            except (StoreDownError, TimeoutError) as error:
                if told is not False:
                    _log.warning("store_down", store=name, detail=str(error))
                up = told = False
            except Exception as error:  # noqa: BLE001 - a broken store must not stop the other sources
                if told is not False:
                    odd = None if isinstance(error, StoreBrokenError) else error
                    _log.error("store_broken", store=name, detail=str(error), exc_info=odd)
                up = told = False
            else:
                self._read = True
                await self._take_over(switched)
                if told is not True:
                    _log.info("store_up", store=name, mode=self.mode)
                up = told = True
            if name not in self._asked:
                self._asked.add(name)
                self._decide()
            self.up[name] = up
            self._meter.answers(name, up=up)
            await asyncio.sleep(POLL_SECONDS)

    async def _agreed(self, name: str, stored: Switch | None) -> Switch | None:
        """Return the switch in force, and write it to the store if the store has lost it or never had it."""
        store, held = self._stores[name], self._held
        switched = prevailing(self._switched, stored)
        spread = held if held and held.at > (switched.at if switched else 0) else None
        switched = spread or switched
        if switched is None or switched == stored:
            return switched
        if self._lacking.get(name) != switched:  # a switch in progress reaches one store after the other
            self._lacking[name] = switched
            return switched
        had = stored.mode if stored else None
        if not await store.switch(switched, had or self._configured):
            return prevailing(switched, await store.switched())  # somebody has just switched the mode
        if spread:
            _log.warning("mode_off_file_stored", store=name, by=spread.by, store_had=had)
        else:
            _log.warning("mode_restored", store=name, mode=switched.mode, by=switched.by, store_had=had)
        return switched

    async def _take_over(self, switched: Switch | None) -> None:
        known, held = self._switched, self._held
        switched = self._switched = prevailing(known, switched)  # the other store may have a later one
        self._decide()
        if switched is None or switched == known:
            return
        if known and known.at > switched.at:
            _log.warning("mode_older", mode=switched.mode, by=switched.by, instead_of=known.mode)
        await self._locally("mode", lambda: self._local.keep(switched))
        heard = held and held.at and known and known.at >= held.at
        if heard and switched.mode is not Mode.OFF:  # the stores had it, and somebody switched on since
            _log.info("mode_off_file_superseded", by=switched.by, mode=switched.mode)
            await self._locally("mode_off_file", self._local.release)
            await self._look_here()
