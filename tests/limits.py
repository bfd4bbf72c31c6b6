"""No test lasts for ever: at its limit it fails, with the stacks of all threads and of all asyncio's tasks.

A plugin that `tests/conftest.py` loads, on top of pytest-timeout, which knows each test's limit and that of
the whole run. What it does otherwise than pytest-timeout itself:

- The stacks are part of the test's report: the processes of pytest-xdist have no terminal to print them on.
- asyncio's tasks are shown too, each with where it waits.
- What an event loop runs is cancelled: uvloop keeps for itself what a signal handler raises.
- The clearing up of a test that failed has its limit as well.
- What even that does not end, like a C function that never returns, ends the process after a grace, with the
  stacks on the terminal; pytest-xdist starts another one, and the run goes on.
"""

import asyncio
import faulthandler
import gc
import inspect
import os
import signal
import sys
import threading
import traceback
from collections.abc import Generator, Iterator
from types import FrameType
from typing import Any, Final

import pytest
from pytest_timeout import is_debugging

GRACE_SECONDS: Final = 60.0
"""How long a test that was told to end may take to clear up: a PBX and a daemon may have to be killed."""

AGAIN: Final = 3
"""So often within the grace it is told."""

PBX_SECONDS: Final = 300.0
"""The limit of a test with a PBX or a fault; pyproject.toml has that of all others."""

FULL_TIMES: Final = 12
"""So many times as long may a fault take in full strength."""

DUMP: Final = pytest.StashKey[str]()
PHASE: Final = pytest.StashKey[str]()
"""Which part of a test runs, '' between them."""
TERMINAL: Final = pytest.StashKey[int]()


class EndlessError(BaseException):
    """A test was not over at its limit. No Exception: what retries those, like Hypothesis, must not."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the grace; only the tests of this plugin make it shorter."""
    parser.addoption("--grace", type=float, default=GRACE_SECONDS, help="seconds to clear up at the limit")


def pytest_configure(config: pytest.Config) -> None:
    """Keep the terminal: while a test runs, what its process prints is caught."""
    config.stash[TERMINAL] = os.dup(2)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Give each test that plays calls, or a fault, the longer limit, unless it has one of its own."""
    full = bool(config.getoption("--full", default=False))
    for item in items:
        own = item.get_closest_marker("timeout")
        if own is None and any(map(item.get_closest_marker, ("pbx", "fault"))):
            item.add_marker(pytest.mark.timeout(PBX_SECONDS * (FULL_TIMES if full else 1)))


@pytest.hookimpl(tryfirst=True)
def pytest_timeout_set_timer(item: pytest.Item, settings: Any) -> bool | None:
    """Begin to count, instead of pytest-timeout."""
    if threading.current_thread() is not threading.main_thread():
        return None
    grace: float = item.config.getoption("--grace")

    def end(_: int, frame: FrameType | None) -> None:
        if is_debugging():
            return
        again, item.stash[DUMP] = DUMP in item.stash, "".join(stacks(frame))
        # Between the phases of a test the code is pytest's own: there the next signal is waited for.
        if phase := item.stash.get(PHASE, ""):
            message = f"not over after {settings.timeout:g} s; see the stacks below"
            _leave(message, frame, cancel=phase == "call" and not again)

    signal.signal(signal.SIGALRM, end)
    signal.setitimer(signal.ITIMER_REAL, settings.timeout, grace / AGAIN)
    if not item.config.getoption("usepdb"):
        # A thread in C: it needs neither the interpreter nor the main thread.
        terminal = item.config.stash[TERMINAL]
        faulthandler.dump_traceback_later(settings.timeout + grace, exit=True, file=terminal)
    return True


@pytest.hookimpl(tryfirst=True)
def pytest_timeout_cancel_timer() -> bool:
    """Go on counting: pytest-timeout stops at the first failure, so that clearing up has no limit."""
    return True


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol() -> Generator[None, Any, Any]:
    """Stop counting when the test is over with all its clearing up."""
    try:
        return (yield)
    finally:
        faulthandler.cancel_dump_traceback_later()
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, signal.SIG_DFL)


def _inside(item: pytest.Item, phase: str) -> Generator[None, Any, Any]:
    item.stash[PHASE] = phase
    try:
        return (yield)
    finally:
        item.stash[PHASE] = ""


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> Generator[None, Any, Any]:
    """Note that the test's fixtures are being made."""
    return (yield from _inside(item, "setup"))


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, Any, Any]:
    """Note that the test itself runs."""
    return (yield from _inside(item, "call"))


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_teardown(item: pytest.Item) -> Generator[None, Any, Any]:
    """Note that it is cleared up."""
    return (yield from _inside(item, "teardown"))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Add the stacks to the report, and fail also a test that came to a good end after its limit."""
    report = yield
    if dump := item.stash.get(DUMP, ""):
        del item.stash[DUMP]
        report.sections.append(("stacks at the limit: the test was not over", dump))
        if report.outcome != "failed":
            report.outcome = "failed"
            report.longrepr = f"{report.when}: not over at its limit; see the stacks below"
    return report


def _leave(message: str, frame: FrameType | None, *, cancel: bool) -> None:
    """End what the main thread does: by an exception where it is, or, where it waits in a loop, by that.

    `cancel`: for the test itself, which then clears up where it stands. Of a fixture, pytest takes nothing
    but an Exception or a failure for an end; and what swallows a cancellation is not asked again.
    """
    loop = asyncio._get_running_loop()
    awaited = _awaited(frame)
    if loop is None or asyncio.current_task(loop) is not None:
        if cancel:
            raise EndlessError(message)
        pytest.fail(message)
    # From another place than the loop's own, so that it is woken.
    if cancel and awaited is not None:
        loop.call_soon_threadsafe(awaited.cancel, message)
    else:
        loop.call_soon_threadsafe(loop.stop)


def _awaited(frame: FrameType | None) -> asyncio.Future[Any] | None:
    """Find what the event loop runs for, by the frames that began it."""
    names = {
        asyncio.Runner.run.__code__: "task",
        asyncio.BaseEventLoop.run_until_complete.__code__: "future",
    }
    while frame is not None:
        found = frame.f_locals.get(names.get(frame.f_code, ""))
        if isinstance(found, asyncio.Future):
            return found
        frame = frame.f_back
    return None


def stacks(main: FrameType | None = None) -> Iterator[str]:
    """Spell where each thread is, `main` being the main one's place, and each task of the running loop."""
    names = {thread.ident: thread.name for thread in threading.enumerate()}
    for ident, current in sys._current_frames().items():
        is_main = ident == threading.main_thread().ident
        yield f"── thread {names.get(ident, ident)}\n"
        yield from traceback.format_stack(main if main is not None and is_main else current)
    loop = asyncio._get_running_loop()
    for task in sorted(asyncio.all_tasks(loop), key=asyncio.Task.get_name) if loop else ():
        yield f"── task {task.get_name()}\n"
        yield from _places(task.get_coro())


def _places(waiting: Any) -> Iterator[str]:
    """Spell where a coroutine waits, down to what it waits for."""
    while waiting is not None:
        frame = _first(waiting, "cr_frame", "gi_frame", "ag_frame")
        if frame is not None:
            yield from traceback.format_list(traceback.StackSummary.extract([(frame, frame.f_lineno)]))
            waiting = _first(waiting, "cr_await", "gi_yieldfrom", "ag_await")
            continue
        # An asynchronous generator is awaited through an object that names it to the collector alone.
        behind = next(filter(inspect.isasyncgen, gc.get_referents(waiting)), None)
        if behind is None:
            yield f"  {waiting!r}\n"
        waiting = behind


def _first(thing: Any, *names: str) -> Any:
    return next((getattr(thing, name) for name in names if hasattr(thing, name)), None)
