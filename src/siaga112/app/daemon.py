"""`siaga112 run`: wire settings, adapters and flows into a running daemon."""

import asyncio
import contextlib
import gc
import signal
import sys
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from enum import StrEnum
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import structlog

from siaga112 import interrupts
from siaga112.adapters.child import Child
from siaga112.adapters.clock_file import ClockFile
from siaga112.adapters.fastagi import FastAgiServer
from siaga112.adapters.http import HttpEndpoint
from siaga112.adapters.metrics import Metrics
from siaga112.adapters.redis.block_list import RedisBlockList
from siaga112.adapters.redis.server import EmbeddedRedis
from siaga112.adapters.running_file import RunningFile
from siaga112.adapters.state_dir import keep_private
from siaga112.adapters.supervision import Descriptors, LoopWatch, ServiceManager, TaskSupervisor
from siaga112.app.metrics import open_metrics
from siaga112.app.records import mode_files, now, open_block_list, open_store
from siaga112.core.model import SECOND
from siaga112.core.rules import InForce
from siaga112.errors import ConfigurationError
from siaga112.service.mode import ModeWatch
from siaga112.service.own_clock import OwnClock
from siaga112.service.ports import ModeStore, StoreBrokenError, StoreDownError
from siaga112.service.replica import Replica
from siaga112.service.screening import Screener
from siaga112.settings.loading import require_secret
from siaga112.settings.running import digests
from siaga112.settings.schema import Settings

if TYPE_CHECKING:
    from siaga112.app.store import SiteStore
    from siaga112.app.tracking import Tracking

CANCEL_SECONDS: Final = 0.5
"""Seconds until a part that ignored its cancellation is cancelled again."""

SWITCH_SECONDS: Final = 0.0005
"""Python's switch interval; with its default of 5 ms, a verdict would wait that long for a busy thread."""

COLLECT: Final = (5_000, 20, 20)
"""The garbage collector's thresholds (default: 700, 10, 10): calls leave hardly any reference cycles."""

_log = structlog.get_logger()


async def _people(store: "SiteStore") -> bool:
    """Return whether anybody may use the console."""
    try:
        return any(person.disabled_at is None for person in await store.records.people())
    except (StoreDownError, StoreBrokenError):
        return False


class Half(StrEnum):
    """The half of the daemon to run alone."""

    TRACK = "track"
    SCREEN = "screen"


def _tell_of_exception(_: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Log an uncaught exception on one line, like everything else."""
    _log.error("unexpected", detail=context.get("message"), exc_info=context.get("exception"))


_AGI_PORT: Final = "ListenStream of siaga112-screen.socket as [agi] host and port"


@dataclass
class Daemon:
    """`siaga112 run`: both halves or one. Start the parts in order, run until stopped, end them in order.

    `read` reads the configuration again on SIGHUP; `config` is its file, if one was named.
    """

    settings: Settings
    only: Half | None = None
    read: Callable[[], Settings] | None = None
    config: Path | None = None
    _parts: list[Callable[[], Coroutine[Any, Any, None]]] = field(default_factory=list)
    _rules: InForce = field(init=False)
    _watch: ModeWatch | None = None
    _console: Child | None = None
    _running: RunningFile | None = None
    _changed: asyncio.Event = field(default_factory=asyncio.Event)
    _manager: ServiceManager = field(default_factory=ServiceManager)
    _descriptors: Descriptors = field(default_factory=Descriptors)
    _supervisor: TaskSupervisor = field(default_factory=TaskSupervisor)
    _loop_watch: LoopWatch = field(init=False)

    def __post_init__(self) -> None:
        self._loop_watch = LoopWatch(self._manager)
        self._rules = InForce(self.settings.rules())

    async def run(self) -> None:
        """Run until SIGTERM or SIGINT, which also take effect at once during the start."""
        if self.only is not Half.SCREEN:
            require_secret(self.settings)
        sys.setswitchinterval(SWITCH_SECONDS)
        gc.set_threshold(*COLLECT)
        stopping = asyncio.Event()
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(_tell_of_exception)
        with interrupts.Heeding(stopping.set):
            loop.add_signal_handler(signal.SIGHUP, self._reload)
            self._parts.append(self._descriptors.run)
            async with contextlib.AsyncExitStack() as stack:
                if await self._unless(stopping, self._start(stack)):
                    self._manager.tell("READY=1")
                    await self._until(stopping)
                self._manager.tell("STOPPING=1")
        _log.info("stopped")

    @staticmethod
    async def _unless(stopping: asyncio.Event, work: Coroutine[Any, Any, None]) -> bool:
        """Run the work; cancel it and return False if a stop is requested meanwhile."""
        tasks = asyncio.create_task(work), asyncio.create_task(stopping.wait())
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        if tasks[0].cancelled():
            return False
        tasks[0].result()
        return not stopping.is_set()

    async def _start(self, stack: contextlib.AsyncExitStack) -> None:
        """Start the parts in order; the stack ends them in reverse order."""
        settings = self.settings
        handed = self._manager.handed_socket()  # before any child process starts, which must not inherit it
        metrics = open_metrics(settings, self._rules)
        keep_private(settings.state_dir)
        self._running = RunningFile(settings.state_dir, self.only or "all")
        stack.callback(self._running.remove)
        self._parts.append(self._tell_what_runs)
        if settings.embedded_redis:
            embedded = EmbeddedRedis(settings.state_dir)
            stack.push_async_callback(embedded.stop)
            await embedded.start()
            self._parts.append(embedded.run)
        store = open_store(settings) if self.only is not Half.SCREEN else None
        block_list = store.block_list if store else open_block_list(settings)
        stack.push_async_callback((store or block_list).close)
        stores: dict[str, ModeStore] = {"redis": block_list}
        if store:
            stores["database"] = store.records
        watch = self._watch = ModeWatch(stores, self.settings.mode, metrics, mode_files(settings))
        await watch.begin()
        self._parts.append(watch.run)
        tracking: Tracking | None = None
        if store:
            screens = self.only is not Half.TRACK
            # It takes 3 MB, which the screening half alone does not need.
            half = import_module("siaga112.app.tracking")
            tracking = await half.open_tracking(settings, self._rules, store, watch, metrics, screens=screens)
            stack.push_async_callback(tracking.outbox.close)
            self._parts += tracking.parts
            if screens:  # everything on one machine: the console too, as soon as somebody may use it
                self._console = Child("console", self._console_command(), partial(_people, store))
                stack.push_async_callback(self._console.stop)
                self._parts.append(self._console.run)

        endpoint = HttpEndpoint(
            metrics,
            ready=lambda: {
                **watch.up,
                "parts": not self._supervisor.ended,
                **({"ami": tracking.connected()} if tracking else {}),
            },
            refresh=lambda: metrics.pending(tracking.pending() if tracking else 0),
            scarce=self._descriptors.scarce,
        )
        stack.push_async_callback(endpoint.stop)
        own = settings.metrics.screen_port if self.only is Half.SCREEN else settings.metrics.port
        port = await endpoint.start(settings.metrics.host, own)
        stack.callback(self._loop_watch.end)  # after the last caller; parts that take long to end are watched
        self._loop_watch.begin()  # before the first caller, who may come before the parts run
        if self.only is not Half.TRACK:
            replica = Replica(block_list, metrics, time.monotonic, settings.redis.stale_after / SECOND)
            self._parts.append(replica.run)
            clock = OwnClock(now, time.monotonic, ClockFile(settings.state_dir))
            await clock.begin()
            self._parts.append(clock.run)
            server = self._screening(block_list, replica, watch, metrics, clock)
            agi = await server.start(settings.agi.host, settings.agi.port, handed)
            stack.push_async_callback(server.stop)  # the first to stop: waiting callers go on at once
            self._tell_of_screening(agi, kept_by_systemd=handed is not None)
        _log.info("started", site=settings.site, metrics=f"http://{settings.metrics.host}:{port}/metrics")

    def _tell_of_screening(self, port: int, *, kept_by_systemd: bool) -> None:
        agi = self.settings.agi
        _log.info(
            "screening",
            agi=f"agi://{agi.host}:{port}/screen",
            mode=self.settings.mode,
            kept_by_systemd=kept_by_systemd,
        )
        if kept_by_systemd and port != agi.port:
            _log.warning("agi_port", listens=port, configured=agi.port, remedy=_AGI_PORT)

    def _console_command(self) -> list[str]:
        config = ["--config", str(self.config)] if self.config else []
        return [sys.executable, "-m", "siaga112", *config, "run", "--only", "console"]

    def _screening(
        self,
        block_list: RedisBlockList,
        replica: Replica,
        watch: ModeWatch,
        metrics: Metrics,
        clock: OwnClock,
    ) -> FastAgiServer:
        screener = Screener(
            store=block_list,
            known=replica.of,
            mode=watch.current,
            rules=self._rules,
            meter=metrics,
            clock=now,
            stopwatch=time.perf_counter,
            latest=clock.latest,
            zone=self.settings.zone,
        )
        return FastAgiServer(screener.answer, metrics.agi_refused)

    def _reload(self) -> None:
        """Apply the settings that can change while calls are up; an invalid configuration is only logged.

        The service manager is notified of the end in any case: until then it accepts no further reload.
        """
        if self.read is None:
            return
        self._manager.reloading()
        try:
            self._take_over(self.read())
        except ConfigurationError as error:
            _log.error("reload_refused", detail=str(error), kept="the configuration in force")
        except Exception as error:  # noqa: BLE001 - no content of a file may stop a running daemon
            _log.error("reload_refused", detail=str(error), kept="the configuration in force", exc_info=error)
        finally:
            self._manager.tell("READY=1")

    def _take_over(self, new: Settings) -> None:
        changed, taken = self.settings.differences(new), self.settings.with_reloadable(new)
        rules = taken.rules()  # whatever may fail comes before anything is applied
        if self._watch:
            self._watch.configure(taken)
        self.settings, self._rules.now = taken, rules
        self._changed.set()
        if self._console:
            self._console.reload()
        _log.info("reloaded", changed=[key for key in changed if new.reloadable(key)])
        if later := [key for key in changed if not new.reloadable(key)]:
            _log.warning("reload_needs_restart", keys=later, kept="their old values until then")

    async def _tell_what_runs(self) -> None:
        """Keep the doctor's file up to date; in a thread, since a disk may hang and no verdict may wait."""
        while self._running is not None:
            self._changed.clear()
            try:
                await asyncio.to_thread(self._running.write, digests(self.settings, console=False))
            except OSError as error:  # the doctor then cannot say whether the file is in force
                _log.warning("running_file_not_written", detail=str(error))
            await self._changed.wait()

    async def _until(self, stopping: asyncio.Event) -> None:
        """Run all parts until stopped; a part that ends, which it never should, ends no other."""
        tasks = [asyncio.create_task(self._supervisor.keep(part)) for part in self._parts]
        stop = asyncio.create_task(stopping.wait())
        done, left = await asyncio.wait([stop, *tasks], return_when=asyncio.FIRST_COMPLETED)
        while left:  # repeat it: a driver cancelled at a bad moment reports a failed command instead
            for task in left:
                task.cancel()
            ended, left = await asyncio.wait(left, timeout=CANCEL_SECONDS)
            await asyncio.gather(*ended, return_exceptions=True)
        for task in done:
            task.result()
