"""`siaga112 run --only console`: records, live data and application, served by uvicorn."""

import asyncio
import contextlib
import os
import signal
import socket
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any, Final

import structlog
import uvicorn

from siaga112 import interrupts
from siaga112.adapters.child import CHILD
from siaga112.adapters.running_file import RunningFile
from siaga112.adapters.state_dir import keep_private
from siaga112.adapters.supervision import LoopWatch, ServiceManager, TaskSupervisor
from siaga112.app.records import held_off, now, open_desk
from siaga112.console import app
from siaga112.console.hiding import Hiding
from siaga112.console.hooks import Hooks
from siaga112.console.identity import Gate
from siaga112.console.live import Centre, Live
from siaga112.console.site import Console
from siaga112.errors import ConfigurationError, SiagaError
from siaga112.service.ports import Announced, StoreBrokenError, StoreDownError
from siaga112.settings.running import digests
from siaga112.settings.schema import Settings

MOST_AT_ONCE: Final = 512
"""Concurrent connections; further ones are answered with 503."""

NICE: Final = 10
"""Lower priority than the process that answers callers, where both share a machine."""

OOM_SCORE: Final = 500
"""Of 1,000: the kernel kills the console before other processes when memory runs out."""

RECORDS_SECONDS: Final = 1.0
"""Seconds between tries to reach the records at the start."""

_log = structlog.get_logger()


class _Server(uvicorn.Server):
    """uvicorn without its own signal handlers; `listening` is set once it listens."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.listening: Final = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to listen."""
        await super().startup(sockets)
        self.listening.set()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Install no signal handlers."""
        yield


async def serve(settings: Settings, config: Path | None, read: Callable[[], Settings]) -> None:
    """Serve until SIGTERM or SIGINT; SIGHUP reloads the configuration."""
    stopping = asyncio.Event()
    manager = ServiceManager()
    with contextlib.suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, 0, max(os.getpriority(os.PRIO_PROCESS, 0), NICE))
    with contextlib.suppress(OSError):
        _first_to_go()
    with interrupts.Heeding(stopping.set):
        hung_up = asyncio.Event()
        asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, hung_up.set)
        if os.environ.get(CHILD):
            asyncio.get_running_loop().add_reader(0, _parent_gone, stopping)
        async with contextlib.AsyncExitStack() as stack:
            site = await _unless(stopping, opened(settings, config, stack))
            if site is None:
                _log.info("stopped")
                return
            server = server_of(site)
            reloading = _reloading(site, read, manager)
            asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, reloading)
            if hung_up.is_set():  # SIGHUP came while it waited for the records
                reloading()
            keep_private(settings.state_dir)
            running = RunningFile(settings.state_dir, "console")
            stack.callback(running.remove)
            with contextlib.suppress(OSError):
                running.write(digests(settings))
            supervisor = TaskSupervisor()
            parts = (site.live.run, site.hooks.run, LoopWatch(manager).run)
            tasks = [asyncio.create_task(supervisor.keep(part)) for part in parts]
            serving = asyncio.create_task(_served(server, settings))
            stop = asyncio.create_task(stopping.wait())
            tasks.append(asyncio.create_task(_tell_that_it_listens(server, settings, manager)))
            await asyncio.wait([stop, serving], return_when=asyncio.FIRST_COMPLETED)
            manager.tell("STOPPING=1")
            server.should_exit = server.force_exit = True
            for task in (*tasks, stop):
                task.cancel()
            await asyncio.gather(*tasks, stop, return_exceptions=True)
            await serving
    _log.info("stopped")


async def _unless(stopping: asyncio.Event, opening: Coroutine[Any, Any, Console]) -> Console | None:
    """Open the site; give up when told to stop, since the records may take long."""
    opened_, stop = asyncio.create_task(opening), asyncio.create_task(stopping.wait())
    await asyncio.wait([opened_, stop], return_when=asyncio.FIRST_COMPLETED)
    if not opened_.done():
        opened_.cancel()
    stop.cancel()
    await asyncio.gather(opened_, stop, return_exceptions=True)
    return None if opened_.cancelled() else opened_.result()


async def _tell_that_it_listens(server: _Server, settings: Settings, manager: ServiceManager) -> None:
    await server.listening.wait()
    manager.tell("READY=1")
    at = f"{settings.console.host}:{settings.console.port}"
    _log.info("console", address=settings.console.address or f"http://{at}/")


def _first_to_go() -> None:
    """Let the kernel kill the console first when memory runs out."""
    place = Path("/proc/self/oom_score_adj")
    place.write_text(str(max(int(place.read_text("ascii")), OOM_SCORE)), "ascii")


def _parent_gone(stopping: asyncio.Event) -> None:
    """Stop when standard input closes: the daemon that started us has ended."""
    if not os.read(0, 1):
        asyncio.get_running_loop().remove_reader(0)
        stopping.set()


async def opened(settings: Settings, config: Path | None, stack: contextlib.AsyncExitStack) -> Console:
    """Open what all routes share; only the site's secret must be readable at the start."""
    store, slow = open_desk(settings), open_desk(settings)
    for one in (store, slow):
        stack.push_async_callback(one.close)
    service = settings.console
    secure = service.address.startswith("https:") or bool(service.tls_cert)
    gate = Gate(store.records, now, service.lang, service.session, secure=secure)
    hiding = Hiding(await _secret(store.records.secret))
    held: list[Console] = []

    def current() -> Settings:
        return held[0].settings

    centre = Centre(
        settings.zone,
        lambda: current().mode,
        lambda: current().service_level.answer_within,
        lambda: held_off(settings),
    )
    live = Live(store, centre, now)
    hooks = Hooks(slow.records, current, now)
    site = Console(settings, config, store, slow, gate, live, hiding, hooks)
    held.append(site)
    marking: set[asyncio.Task[None]] = set()

    def heard(told: list[Announced]) -> None:
        if site.marks:
            task = asyncio.get_running_loop().create_task(site.set_marks(told))
            marking.add(task)
            task.add_done_callback(marking.discard)

    live.heard.append(lambda told: heard([*told]))
    return site


async def _secret(find: Callable[[], Awaitable[bytes]]) -> bytes:
    told = False
    while True:
        try:
            return await find()
        except (StoreDownError, StoreBrokenError) as error:
            if not told:
                _log.warning("records_not_reached", detail=str(error), again_seconds=RECORDS_SECONDS)
            told = True
            await asyncio.sleep(RECORDS_SECONDS)


def server_of(site: Console) -> _Server:
    """Return the server of a console."""
    console = site.settings.console
    return _Server(
        uvicorn.Config(
            app.make(site),
            host=console.host,
            port=console.port,
            log_config=None,
            access_log=False,
            server_header=False,
            lifespan="off",
            ws="none",
            limit_concurrency=MOST_AT_ONCE,
            timeout_keep_alive=30,
            timeout_graceful_shutdown=1,
            proxy_headers=bool(console.trusted_proxies),
            forwarded_allow_ips=console.trusted_proxies or None,
            ssl_certfile=console.tls_cert or None,
            ssl_keyfile=console.tls_key or None,
        )
    )


async def _served(server: _Server, settings: Settings) -> None:
    """Serve; report a taken address or a bad certificate in one line.

    Raises:
        SiagaError: if it cannot serve.

    """
    at = f"{settings.console.host}:{settings.console.port}"
    try:
        await server.serve()
    except (SystemExit, OSError) as error:
        why = getattr(error, "strerror", None) or "the address is taken, or not ours"
        remedy = "is another running? else change [console] host or port"
        raise SiagaError(f"the console cannot listen on {at} ({why}); {remedy}") from None


def _reloading(site: Console, read: Callable[[], Settings], manager: ServiceManager) -> Callable[[], None]:
    def reload() -> None:
        manager.reloading()
        try:
            new = read()
            site.settings = site.settings.with_reloadable(new)
            _log.info("reloaded")
        except ConfigurationError as error:
            _log.error("reload_refused", detail=str(error), kept="the configuration in force")
        finally:
            manager.tell("READY=1")

    return reload
