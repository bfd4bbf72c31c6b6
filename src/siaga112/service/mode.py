"""The site's mode, kept at hand: a verdict must not need a second round trip to learn it.

Three tell of it: the configuration, the store, and this machine's state directory. Whichever says `off` is
heeded at once, whatever the others do. Until the store has told once, the mode is not known: somebody may
have switched it off meanwhile.
"""

import asyncio
from collections.abc import Callable
from typing import Final, Protocol, TypeVar

import structlog

from siaga112.core.changes import Change
from siaga112.core.mode import Switch, in_force, prevailing
from siaga112.core.model import AuditEntry, Mode
from siaga112.service.ports import LocalModes, Meter, Store, StoreBrokenError, StoreDownError
from siaga112.service.supervisor import SITE

POLL_SECONDS: Final = 0.25
"""So that the kill switch works everywhere well within a second."""

LOCAL_SECONDS: Final = 0.2
"""The same for the one that needs nobody."""

STORE_SECONDS: Final = 2.0

_T = TypeVar("_T")

_log = structlog.get_logger()


class Configured(Protocol):
    """What is configured, as far as it matters here."""

    @property
    def mode(self) -> Mode:
        """The mode of a site that nobody has switched."""


class ModeSource(Protocol):
    """Who tells the site's mode."""

    async def switched(self) -> Switch | None:
        """Give the site's mode, if anybody has switched it."""


class ModeWatch:
    """Knows the mode. `local`: what this machine keeps of it; asked in a thread, for a disk may hang.

    `site`: the store that is told what it has lost; None where another part of the daemon does that.
    """

    def __init__(
        self,
        store: ModeSource,
        configured: Mode,
        meter: Meter,
        local: LocalModes,
        site: Store | None = None,
    ) -> None:
        self._store = store
        self._site = site
        self._configured = configured
        self._meter = meter
        self._local = local
        self._switched: Switch | None = None
        self._held: Switch | None = None
        self._read = False
        self._troubles: set[str] = set()
        self.mode: Mode | None = None
        self.store_up = False
        self._decide()

    def current(self) -> Mode | None:
        """Give the mode in force, None while it is not known yet; with the store away, the last known."""
        return self.mode

    def configure(self, settings: Configured) -> None:
        """Take over another configured mode: `off` at once; before others comes what a person switched to."""
        self._configured = settings.mode
        self._decide()

    async def begin(self) -> None:
        """Look at what this machine keeps: before the first verdict, and without the store."""
        self._switched = await self._locally("mode_kept", self._local.kept)
        await self._look_here()

    async def run(self) -> None:
        """Keep looking, for ever."""
        await asyncio.gather(self._follow_store(), self._follow_local())

    def _decide(self) -> None:
        mode: Mode | None = in_force(self._configured, self._switched, held_off=self._held is not None)
        if mode is not Mode.OFF and not self._read:
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
            self._tell("mode_off_file", error)  # and what was known holds
            return
        self._troubles.discard("mode_off_file")
        if (held is None) is not (self._held is None):
            _log.warning("held_off" if held else "released", by=held.by if held else None)
        self._held = held
        self._decide()

    async def _locally(self, what: str, act: Callable[[], _T]) -> _T | None:
        """Do something in the state directory; what fails is told once."""
        try:
            done = await asyncio.to_thread(act)
        except OSError as error:
            self._tell(what, error)
            return None
        self._troubles.discard(what)
        return done

    def _tell(self, what: str, error: OSError) -> None:
        if what not in self._troubles:
            _log.warning("state_dir_failed", what=what, detail=str(error), remedy="is state_dir this user's?")
        self._troubles.add(what)

    # ── the store ────────────────────────────────────────────────────────────────────────────────

    async def _follow_store(self) -> None:
        told: bool | None = None
        while True:
            try:
                async with asyncio.timeout(STORE_SECONDS):
                    stored = await self._store.switched()
                    switched = await self._agreed(stored)
            except (StoreDownError, TimeoutError) as error:
                if told is not False:
                    _log.warning("store_down", detail=str(error), verdicts="ALLOW until it is back")
                up = told = False
            except StoreBrokenError as error:
                if told is not False:
                    _log.error("store_broken", detail=str(error))
                up = told = False
            else:
                await self._take_over(switched)
                if told is not True:
                    _log.info("store_up", mode=self.mode)
                up = told = True
            self.store_up = up
            self._meter.store_up(up=up)
            await asyncio.sleep(POLL_SECONDS)

    async def _agreed(self, stored: Switch | None) -> Switch | None:
        """Say which switch holds, and tell the store if it has another: it has lost it, or never had it."""
        held, switched = self._held, prevailing(self._switched, stored)
        spread = held if held and held.at > (switched.at if switched else 0) else None
        switched = spread or switched
        if switched is None or switched == stored or self._site is None:
            return switched
        had = stored.mode if stored else None
        if (
            spread or stored is None
        ):  # the trail first, so that it has it whatever happens; twice the same is once
            detail = f"{had or self._configured} → {switched.mode}"
            audit_entry = AuditEntry(switched.at, switched.by, "mode", SITE, detail, switched.reason)
            await self._site.write([Change(audit_entry=audit_entry)])
        if not await self._site.switch(switched):
            return prevailing(switched, await self._site.switched())  # somebody has switched this moment
        if spread:
            _log.warning("off_told", by=spread.by, store_had=had)
        else:
            _log.warning("mode_restored", mode=switched.mode, by=switched.by, store_had=had)
        return switched

    async def _take_over(self, switched: Switch | None) -> None:
        known, held = self._switched, self._held
        self._switched, self._read = switched, True
        self._decide()
        if switched is None or switched == known:
            return
        if known and known.at > switched.at:
            _log.warning("mode_older", mode=switched.mode, by=switched.by, instead_of=known.mode)
        await self._locally("mode", lambda: self._local.keep(switched))
        heard = held and held.at and known and known.at >= held.at
        if heard and switched.mode is not Mode.OFF:  # the site knew of it, and was switched on since
            _log.info("off_superseded", by=switched.by, mode=switched.mode)
            await self._locally("mode_off_file", self._local.release)
            await self._look_here()
