"""The one place that wires: settings → adapters → flows → a running daemon."""

import asyncio
import contextlib
import signal
import ssl
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Any, Final

import structlog

from siaga112 import infile, interrupts
from siaga112.adapters import forgetting
from siaga112.adapters.ami.source import AmiAddress, AmiSource, Tape
from siaga112.adapters.clock_file import ClockFile
from siaga112.adapters.fastagi import FastAgiServer
from siaga112.adapters.metrics import Metrics
from siaga112.adapters.mode_files import ModeFiles
from siaga112.adapters.outbox import SqliteOutbox
from siaga112.adapters.queue_log import QueueLogFile
from siaga112.adapters.redis import embedded as redis_embedded
from siaga112.adapters.redis.connect import connect
from siaga112.adapters.redis.embedded import EmbeddedRedis
from siaga112.adapters.redis.store import RedisStore
from siaga112.adapters.state_dir import keep_private
from siaga112.adapters.supervision import Descriptors, LoopWatch, ServiceManager, Supervisor
from siaga112.core.caller_id import spelling
from siaga112.core.model import SECOND, Caller, Millis
from siaga112.core.rules import InForce
from siaga112.core.tracking.outgoing import OutgoingCalls
from siaga112.core.tracking.queue_state import Lines
from siaga112.core.tracking.tracker import Tracker
from siaga112.errors import ConfigurationError
from siaga112.reasons import plainly
from siaga112.service.mode import ModeWatch
from siaga112.service.own_clock import OwnClock
from siaga112.service.pipeline import Pipeline
from siaga112.service.ports import StoreBrokenError, StoreDownError
from siaga112.service.publishing import Publisher
from siaga112.service.reconciling import LOOK_BACK, Settler
from siaga112.service.recording import Recorder
from siaga112.service.replica import Replica
from siaga112.service.retention import Keeper
from siaga112.service.screening import Screener
from siaga112.service.supervisor import Desk
from siaga112.settings.schema import Settings

COUNT_SECONDS: Final = 2.0
"""How often gauges are read from the store."""

CANCEL_SECONDS: Final = 0.5
"""After so long a part that goes on is told to end once more."""

_log = structlog.get_logger()


class Half(StrEnum):
    """Which half of the daemon to run alone."""

    TRACK = "track"
    SCREEN = "screen"


def now() -> Millis:
    """Give this machine's clock; the only place that reads it for decisions."""
    return time.time_ns() // 1_000_000


def redis_url(settings: Settings) -> str:
    """Give the address of the Redis in use."""
    if settings.embedded_redis:
        return redis_embedded.url(settings.state_dir)
    return settings.redis.url.get_secret_value()


def open_store(settings: Settings) -> RedisStore:
    """Make the store; nothing is sent yet."""
    privacy = settings.privacy
    return RedisStore(connect(redis_url(settings)), settings.site, privacy.keep_calls, privacy.keep_audit)


def open_desk(settings: Settings, store: RedisStore, by: str) -> Desk:
    """Make the supervisor's desk."""
    return Desk(store, settings.policy_rules(), settings.mode, now, by, lambda: held_off(settings))


def mode_files(settings: Settings) -> ModeFiles:
    """Make what this machine keeps of the mode."""
    return ModeFiles(settings.state_dir, settings.site)


def held_off(settings: Settings) -> bool:
    """Say whether the switch that needs nobody is there; False where this user may not look."""
    try:
        return mode_files(settings).held_off() is not None
    except OSError:
        return False


@dataclass(frozen=True, slots=True)
class Swept:
    """What `forget` did in the state directory."""

    aside: int
    """Entries of the outbox that had been set aside."""
    copies: int
    """Damaged or half-written files."""
    rewritten: bool
    """Whether the private Redis has written its file anew."""


async def forget_in_files(settings: Settings, caller: Caller) -> Swept:
    """Bring it about that no file of ours has the caller, who is erased from the store already.

    Raises:
        OSError: if a file cannot be changed.

    """
    state, began = settings.state_dir, time.time()
    rewritten = settings.embedded_redis and await redis_embedded.rewrite(state)
    old = forgetting.copies(state, began)
    forgetting.remove(old)
    aside = forgetting.forget_aside(state, spelling(caller, settings.number_plan()))
    return Swept(aside, len(old), rewritten)


def open_metrics(settings: Settings, rules: InForce) -> Metrics:
    """Make what is counted, with the centre's promise."""
    shifts, target = settings.shift_plan(), settings.service_level.target
    return Metrics(settings.site, settings.pbx.queues, shifts, settings.zone, rules=rules, target=target)


def require_secret(settings: Settings) -> None:
    """Check that there is a secret to log in with.

    Raises:
        ConfigurationError: saying where to set it.

    """
    if not settings.ami.secret.get_secret_value():
        raise ConfigurationError(
            "[ami] secret is missing: set it in the configuration file, or SIAGA112_AMI__SECRET in the "
            "environment, to the secret in manager.d/siaga112.conf"
        )


def ami_address(settings: Settings) -> AmiAddress:
    """Give where the manager interface is, and as whom to log in.

    Raises:
        ConfigurationError: naming the file of certificates that cannot be read.

    """
    ami = settings.ami
    tls = None
    if ami.tls:
        try:
            pem = infile.read(Path(ami.tls_ca)).decode("ascii", "ignore") if ami.tls_ca else None
            tls = ssl.create_default_context(cadata=pem if pem is None or "-----BEGIN" in pem else "none")
        except OSError as error:
            why = "no certificate in it" if isinstance(error, ssl.SSLError) else plainly(error)
            raise ConfigurationError(f"[ami] tls_ca: {ami.tls_ca}: {why}") from error
    return AmiAddress(
        ami.host, ami.port, ami.username, ami.secret.get_secret_value(), tls=tls, tls_name=ami.tls_name
    )


async def record_source(settings: Settings, tape: Tape) -> None:
    """Follow the PBX for ever, for its tape alone.

    Raises:
        UnreachableError: if nobody answers at first. What is lost later is sought again.
        SiagaError: if the login is rejected.

    """
    require_secret(settings)
    metrics = open_metrics(settings, InForce(settings.rules()))
    async for _ in AmiSource(ami_address(settings), metrics, now, tape, must_begin=True).slices():
        pass


def _tell_of_exception(_: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Log what nobody caught as one line, as everything else."""
    _log.error("unexpected", detail=context.get("message"), exc_info=context.get("exception"))


_AGI_PORT: Final = "ListenStream of siaga112-screen.socket as [agi] host and port"


@dataclass
class Daemon:
    """`siaga112 run`: both halves, or one. Start parts in order, run until told to stop, end in order.

    `read` reads the configuration anew, at SIGHUP.
    """

    settings: Settings
    only: Half | None = None
    read: Callable[[], Settings] | None = None
    _parts: list[Callable[[], Coroutine[Any, Any, None]]] = field(default_factory=list)
    _rules: InForce = field(init=False)
    _watch: ModeWatch | None = None
    _manager: ServiceManager = field(default_factory=ServiceManager)
    _descriptors: Descriptors = field(default_factory=Descriptors)
    _supervisor: Supervisor = field(default_factory=Supervisor)

    def __post_init__(self) -> None:
        self._rules = InForce(self.settings.rules())

    async def run(self) -> None:
        """Run until SIGTERM or SIGINT; while it starts they are heeded too, at once."""
        if self.only is not Half.SCREEN:
            require_secret(self.settings)
        stopping = asyncio.Event()
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(_tell_of_exception)
        with interrupts.Heeding(stopping.set):
            loop.add_signal_handler(signal.SIGHUP, self._reload)
            self._parts += [LoopWatch(self._manager).run, self._descriptors.run]
            async with contextlib.AsyncExitStack() as stack:
                if await self._unless(stopping, self._start(stack)):
                    self._manager.tell("READY=1")
                    await self._until(stopping)
                self._manager.tell("STOPPING=1")
        _log.info("stopped")

    @staticmethod
    async def _unless(stopping: asyncio.Event, work: Coroutine[Any, Any, None]) -> bool:
        """Do the work; leave off, and say so, if told to stop meanwhile."""
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
        """Start part after part; the stack ends them in the opposite order."""
        from siaga112.adapters.http import HttpEndpoint  # noqa: PLC0415 - slow to import; commands need none

        settings = self.settings
        handed = self._manager.handed_socket()  # before anything else is started, which shall not have it
        metrics = open_metrics(settings, self._rules)
        keep_private(settings.state_dir)
        if settings.embedded_redis:
            embedded = EmbeddedRedis(settings.state_dir, lambda: metrics.lost(1))
            stack.push_async_callback(embedded.stop)
            await embedded.start()
            self._parts.append(embedded.run)
        store = open_store(settings)
        stack.push_async_callback(store.close)
        watch = self._watch = ModeWatch(store, self.settings.mode, metrics, mode_files(settings))
        await watch.begin()
        self._parts.append(watch.run)
        ready: dict[str, Callable[[], bool]] = {}
        outbox: SqliteOutbox | None = None

        if self.only is not Half.SCREEN:
            outbox = SqliteOutbox(settings.state_dir / "outbox.db", metrics.lost)
            await outbox.open()
            stack.push_async_callback(outbox.close)
            tolerance = settings.ami.clock_tolerance
            source = AmiSource(ami_address(settings), metrics, now, tolerance=tolerance)
            ready["ami"] = lambda: source.connected
            self._follow(store, watch, metrics, outbox, source)
            self._parts.append(lambda: self._show_store(store, metrics))

        endpoint = HttpEndpoint(
            metrics,
            ready=lambda: {
                "redis": watch.store_up,
                "parts": not self._supervisor.ended,
                **{name: part() for name, part in ready.items()},
            },
            refresh=lambda: metrics.pending(outbox.pending if outbox else 0),
            scarce=self._descriptors.scarce,
        )
        stack.push_async_callback(endpoint.stop)
        own = settings.metrics.screen_port if self.only is Half.SCREEN else settings.metrics.port
        port = await endpoint.start(settings.metrics.host, own)
        if self.only is not Half.TRACK:
            replica = Replica(store, metrics, time.monotonic, settings.redis.stale_after / SECOND)
            self._parts.append(replica.run)
            clock = OwnClock(now, time.monotonic, ClockFile(settings.state_dir))
            await clock.begin()
            self._parts.append(clock.run)
            server = self._screening(store, replica, watch, metrics, clock)
            agi = await server.start(settings.agi.host, settings.agi.port, handed)
            stack.push_async_callback(server.stop)  # first of all: callers who wait go on at once
            _log.info(
                "screening",
                agi=f"agi://{settings.agi.host}:{agi}/screen",
                mode=settings.mode,
                kept_by_systemd=handed is not None,
            )
            if handed and agi != settings.agi.port:
                _log.warning("agi_port", listens=agi, configured=settings.agi.port, remedy=_AGI_PORT)
        _log.info("started", site=settings.site, metrics=f"http://{settings.metrics.host}:{port}/metrics")

    def _screening(
        self, store: RedisStore, replica: Replica, watch: ModeWatch, metrics: Metrics, clock: OwnClock
    ) -> FastAgiServer:
        screener = Screener(
            store=store,
            known=replica.of,
            mode=watch.current,
            rules=self._rules,
            meter=metrics,
            clock=now,
            stopwatch=time.perf_counter,
            latest=clock.latest,
        )
        return FastAgiServer(screener.answer, metrics.agi_refused)

    def _reload(self) -> None:
        """Take over what can change while calls are up; what is wrong with the new one is only told.

        The service manager is told of the end in any case: until then it takes no further reload.
        """
        if self.read is None:
            return
        self._manager.reloading()
        try:
            self._take_over(self.read())
        except ConfigurationError as error:
            _log.error("reload_refused", detail=str(error), kept="the configuration in force")
        except Exception as error:  # noqa: BLE001 - nothing in a file may stop a daemon that runs
            _log.error("reload_refused", detail=str(error), kept="the configuration in force", exc_info=error)
        finally:
            self._manager.tell("READY=1")

    def _take_over(self, new: Settings) -> None:
        changed, taken = self.settings.differences(new), self.settings.with_reloadable(new)
        rules = taken.rules()  # all that may fail comes before anything is taken over
        if self._watch:
            self._watch.configure(taken)
        self.settings, self._rules.now = taken, rules
        _log.info("reloaded", changed=[key for key in changed if new.reloadable(key)])
        if later := [key for key in changed if not new.reloadable(key)]:
            _log.warning("reload_needs_restart", keys=later, kept="their old values until then")

    def _follow(
        self, store: RedisStore, watch: ModeWatch, metrics: Metrics, outbox: SqliteOutbox, source: AmiSource
    ) -> None:
        settings = self.settings
        rules = self._rules
        tracker = Tracker(rules)
        lines = Lines(rules)
        pipeline = Pipeline(
            tracker=tracker,
            lines=lines,
            outgoing=OutgoingCalls(rules),
            rules=rules,
            outbox=outbox,
            meter=metrics,
            mode=watch.current,
        )
        if settings.pbx.queue_log:
            settler = Settler(
                queue_log=QueueLogFile(Path(settings.pbx.queue_log)),
                store=store,
                outbox=outbox,
                rules=rules,
                in_progress=tracker.follows,
                clock=now,
            )
            settler.look_back(now() - LOOK_BACK)
            pipeline.look_back = settler.look_back
            self._parts.append(settler.run)
        recorder = Recorder(outbox, store, rules, metrics, now)
        keeper = Keeper(store, rules, now)
        publisher = Publisher(
            store, tracker, lines, lambda: source.connected, now, screens=self.only is not Half.TRACK
        )

        self._parts += [partial(pipeline.run, source), recorder.run, keeper.run, publisher.run]

    @staticmethod
    async def _show_store(store: RedisStore, metrics: Metrics) -> None:
        while True:
            with contextlib.suppress(StoreDownError, StoreBrokenError):  # the mode watch tells of it
                metrics.blocks_in_force(await store.block_counts(now()))
                metrics.proposed(await store.proposed_count())
                metrics.callbacks(*await store.missed_count())
                metrics.tallies(await store.tallies())
            await asyncio.sleep(COUNT_SECONDS)

    async def _until(self, stopping: asyncio.Event) -> None:
        """Run all parts until told to stop; one that ends, which none should, ends no other."""
        tasks = [asyncio.create_task(self._supervisor.keep(part)) for part in self._parts]
        stop = asyncio.create_task(stopping.wait())
        done, left = await asyncio.wait([stop, *tasks], return_when=asyncio.FIRST_COMPLETED)
        while left:  # again, if need be: a driver that is cancelled at a bad moment calls it a failed command
            for task in left:
                task.cancel()
            ended, left = await asyncio.wait(left, timeout=CANCEL_SECONDS)
            await asyncio.gather(*ended, return_exceptions=True)
        for task in done:
            task.result()
