"""The one place that wires: settings → adapters → flows → a running daemon."""

import asyncio
import contextlib
import signal
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

import structlog

from siaga112.adapters import redis_embedded
from siaga112.adapters.ami import AmiAddress, AmiSource, Tape
from siaga112.adapters.fastagi import FastAgiServer
from siaga112.adapters.metrics import HttpEndpoint, Metrics
from siaga112.adapters.outbox import SqliteOutbox
from siaga112.adapters.queue_log import QueueLogFile
from siaga112.adapters.redis_embedded import EmbeddedRedis
from siaga112.adapters.redis_store import RedisStore, connect
from siaga112.core.caller_id import INDONESIA
from siaga112.core.calls import Tracker
from siaga112.core.model import SECOND, Millis
from siaga112.errors import ConfigurationError
from siaga112.service.desk import Desk
from siaga112.service.mode import ModeWatch
from siaga112.service.pipeline import Pipeline, Recorder
from siaga112.service.ports import StoreBrokenError, StoreDownError
from siaga112.service.screening import Screener
from siaga112.service.settling import LOOK_BACK, Settler
from siaga112.settings import Settings

COUNT_SECONDS: Final = 2.0
"""How often gauges are read from the store."""

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
    return RedisStore(connect(redis_url(settings)), settings.site, settings.privacy.keep_calls)


def open_desk(settings: Settings, store: RedisStore, by: str) -> Desk:
    """Make the supervisor's desk."""
    return Desk(store, settings.policy.rules(), settings.mode, now, by)


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
    """Give where the manager interface is, and as whom to log in."""
    ami = settings.ami
    return AmiAddress(ami.host, ami.port, ami.username, ami.secret.get_secret_value())


async def record_source(settings: Settings, tape: Tape) -> None:
    """Follow the PBX for ever, for its tape alone."""
    require_secret(settings)
    metrics = Metrics(settings.site, settings.pbx.queues, settings.shift_plan(), settings.zone)
    async for _ in AmiSource(ami_address(settings), metrics, now, tape).slices():
        pass


def _tell_of_exception(_: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Log what nobody caught as one line, as everything else."""
    _log.error("unexpected", detail=context.get("message"), exc_info=context.get("exception"))


@dataclass
class Daemon:
    """`siaga112 run`: both halves, or one. Start parts in order, run until told to stop, end in order."""

    settings: Settings
    only: Half | None = None
    _parts: list[Callable[[], Coroutine[Any, Any, None]]] = field(default_factory=list)

    async def run(self) -> None:
        """Run until SIGTERM or SIGINT."""
        settings = self.settings
        if self.only is not Half.SCREEN:
            require_secret(settings)
        stopping = asyncio.Event()
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(_tell_of_exception)
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stopping.set)

        metrics = Metrics(settings.site, settings.pbx.queues, settings.shift_plan(), settings.zone)
        async with contextlib.AsyncExitStack() as stack:
            if settings.embedded_redis:
                embedded = EmbeddedRedis(settings.state_dir)
                stack.push_async_callback(embedded.stop)
                await embedded.start()
                self._parts.append(embedded.run)
            store = open_store(settings)
            stack.push_async_callback(store.close)
            watch = ModeWatch(store, settings.mode, metrics)
            self._parts += [watch.run, lambda: self._count_blocks(store, metrics)]
            ready: dict[str, Callable[[], bool]] = {}
            outbox: SqliteOutbox | None = None

            if self.only is not Half.TRACK:
                server = self._screening(store, watch, metrics)
                port = await server.start(settings.agi.host, settings.agi.port)
                stack.push_async_callback(server.stop)
                _log.info("screening", agi=f"agi://{settings.agi.host}:{port}/screen", mode=settings.mode)
            if self.only is not Half.SCREEN:
                outbox = SqliteOutbox(settings.state_dir / "outbox.db")
                await outbox.open()
                stack.push_async_callback(outbox.close)
                source = AmiSource(ami_address(settings), metrics, now)
                ready["ami"] = lambda: source.connected
                self._follow(store, watch, metrics, outbox, source)

            endpoint = HttpEndpoint(
                metrics,
                ready=lambda: {
                    "redis": watch.store_up,
                    **{name: part() for name, part in ready.items()},
                },
                refresh=lambda: metrics.pending(outbox.pending if outbox else 0),
            )
            stack.push_async_callback(endpoint.stop)
            own = settings.metrics.screen_port if self.only is Half.SCREEN else settings.metrics.port
            port = await endpoint.start(settings.metrics.host, own)
            _log.info("started", site=settings.site, metrics=f"http://{settings.metrics.host}:{port}/metrics")
            await self._until(stopping)
        _log.info("stopped")

    def _screening(self, store: RedisStore, watch: ModeWatch, metrics: Metrics) -> FastAgiServer:
        screener = Screener(
            store=store,
            mode=watch.current,
            rules=self.settings.policy.rules(),
            numbers=INDONESIA,
            meter=metrics,
            clock=now,
            stopwatch=time.perf_counter,
            deadline=self.settings.agi.deadline_ms / SECOND,
        )
        return FastAgiServer(screener.screen, metrics.agi_refused)

    def _follow(
        self, store: RedisStore, watch: ModeWatch, metrics: Metrics, outbox: SqliteOutbox, source: AmiSource
    ) -> None:
        settings = self.settings
        rules = settings.policy.rules()
        tracker = Tracker(settings.dialplan())
        pipeline = Pipeline(tracker, settings.classifier_rules(), rules, outbox, metrics, watch.current)
        if settings.pbx.queue_log:
            settler = Settler(
                queue_log=QueueLogFile(Path(settings.pbx.queue_log)),
                store=store,
                outbox=outbox,
                queues=frozenset(settings.pbx.queues),
                numbers=INDONESIA,
                in_progress=tracker.follows,
            )
            settler.look_back(now() - LOOK_BACK)
            pipeline = replace(pipeline, look_back=settler.look_back)
            self._parts.append(settler.run)
        recorder = Recorder(outbox, store, rules, metrics)
        self._parts += [lambda: pipeline.run(source), recorder.run]

    @staticmethod
    async def _count_blocks(store: RedisStore, metrics: Metrics) -> None:
        while True:
            with contextlib.suppress(StoreDownError, StoreBrokenError):  # the mode watch tells of it
                metrics.blocks_in_force(await store.block_counts(now()))
            await asyncio.sleep(COUNT_SECONDS)

    async def _until(self, stopping: asyncio.Event) -> None:
        """Run all parts; end when told, or when one of them ends, which none should."""
        tasks = [asyncio.create_task(part()) for part in self._parts]
        stop = asyncio.create_task(stopping.wait())
        done, _ = await asyncio.wait([stop, *tasks], return_when=asyncio.FIRST_COMPLETED)
        for task in (stop, *tasks):
            task.cancel()
        await asyncio.gather(stop, *tasks, return_exceptions=True)
        for task in done:
            task.result()
