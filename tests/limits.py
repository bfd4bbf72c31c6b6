"""No test runs for ever: at its limit it fails, with the stacks of all threads and asyncio tasks.

This plugin, which `tests/conftest.py` loads, builds on pytest-timeout, which knows the limit of each test and
of the whole run. It differs from pytest-timeout alone in this:

- The stacks are part of the test's report, since the workers of pytest-xdist have no terminal.
- The report also shows each asyncio task and where it waits.
- What an event loop runs is cancelled, since uvloop does not pass on what a signal handler raises.
- The teardown of a failed test has a limit too.
- If even that does not end the test (a C function that never returns), the process ends after a grace period
  and prints the stacks on the terminal; pytest-xdist starts another one, and the run continues.
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
"""How long a test may clear up after its limit: it may have to kill a PBX and a daemon."""

AGAIN: Final = 3
"""How often a test is interrupted within the grace period."""

PBX_SECONDS: Final = 300.0
"""The limit of a test with a PBX, a fault or a month of calls; pyproject.toml sets that of all others."""

FULL_TIMES: Final = 12
"""A fault at full strength may take this many times longer."""

DUMP: Final = pytest.StashKey[str]()
PHASE: Final = pytest.StashKey[str]()
"""The phase in which a test is; '' between phases."""
TERMINAL: Final = pytest.StashKey[int]()


class EndlessError(BaseException):
    """A test exceeded its limit. It is not an `Exception`, after which Hypothesis would try again."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the grace period; only the tests of this plugin shorten it."""
    parser.addoption("--grace", type=float, default=GRACE_SECONDS, help="seconds to clear up at the limit")


def pytest_configure(config: pytest.Config) -> None:
    """Keep the terminal, since pytest captures what a running test prints."""
    config.stash[TERMINAL] = os.dup(2)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Set the longer limit for tests that need it and have no limit of their own.

    They play calls or a fault, or are the first to need a month of calls in a database.
    """
    full = bool(config.getoption("--full", default=False))
    for item in items:
        own = item.get_closest_marker("timeout")
        month = "state_with_month" in getattr(item, "fixturenames", ())
        if own is None and (month or any(map(item.get_closest_marker, ("pbx", "fault")))):
            item.add_marker(pytest.mark.timeout(PBX_SECONDS * (FULL_TIMES if full else 1)))


@pytest.hookimpl(tryfirst=True)
def pytest_timeout_set_timer(item: pytest.Item, settings: Any) -> bool | None:
    """Start the timer, instead of pytest-timeout."""
    if threading.current_thread() is not threading.main_thread():
        return None
    grace: float = item.config.getoption("--grace")

    def end(_: int, frame: FrameType | None) -> None:
        if is_debugging():
            return
        again, item.stash[DUMP] = DUMP in item.stash, "".join(stacks(frame))
        # Between the phases the code that runs is pytest's own: wait for the next signal.
        if phase := item.stash.get(PHASE, ""):
            message = f"not over after {settings.timeout:g} s; see the stacks below"
            _leave(message, frame, cancel=phase == "call" and not again)

    signal.signal(signal.SIGALRM, end)
    signal.setitimer(signal.ITIMER_REAL, settings.timeout, grace / AGAIN)
    if not item.config.getoption("usepdb"):
        # This is a thread in C: it needs neither the interpreter nor the main thread.
        terminal = item.config.stash[TERMINAL]
        faulthandler.dump_traceback_later(settings.timeout + grace, exit=True, file=terminal)
    return True


@pytest.hookimpl(tryfirst=True)
def pytest_timeout_cancel_timer() -> bool:
    """Keep the timer running: pytest-timeout would stop it at the first failure, before the teardown."""
    return True


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol() -> Generator[None, Any, Any]:
    """Stop the timer after the test and all its teardown."""
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
    """Note that the test's fixtures are set up."""
    return (yield from _inside(item, "setup"))


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, Any, Any]:
    """Note that the test itself runs."""
    return (yield from _inside(item, "call"))


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_teardown(item: pytest.Item) -> Generator[None, Any, Any]:
    """Note that the test is torn down."""
    return (yield from _inside(item, "teardown"))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Add the stacks to the report, and fail a test even if it passed after its limit."""
    report = yield
    if dump := item.stash.get(DUMP, ""):
        del item.stash[DUMP]
        report.sections.append(("stacks at the limit: the test was not over", dump))
        if report.outcome != "failed":
            report.outcome = "failed"
            report.longrepr = f"{report.when}: not over at its limit; see the stacks below"
    return report


def _leave(message: str, frame: FrameType | None, *, cancel: bool) -> None:
    """Interrupt the main thread: raise where it runs or, if its event loop waits, cancel or stop that.

    `cancel`: the test itself is interrupted, and clears up where it stands. In a fixture, pytest accepts only
    an Exception or a failure; and code that swallowed a cancellation is not cancelled again.
    """
    loop = asyncio._get_running_loop()
    awaited = _awaited(frame)
    if loop is None or asyncio.current_task(loop) is not None:
        if cancel:
            raise EndlessError(message)
        pytest.fail(message)
    # From outside the loop, which is then woken.
    if cancel and awaited is not None:
        loop.call_soon_threadsafe(awaited.cancel, message)
    else:
        loop.call_soon_threadsafe(loop.stop)


def _awaited(frame: FrameType | None) -> asyncio.Future[Any] | None:
    """Return what the event loop runs, from the frames that started it."""
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
    """Yield the stack of each thread, the main one's from `main`, and of each task of the running loop."""
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
    """Yield where a coroutine waits, down to what it waits for."""
    while waiting is not None:
        frame = _first(waiting, "cr_frame", "gi_frame", "ag_frame")
        if frame is not None:
            yield from traceback.format_list(traceback.StackSummary.extract([(frame, frame.f_lineno)]))
            waiting = _first(waiting, "cr_await", "gi_yieldfrom", "ag_await")
            continue
        # An asynchronous generator is awaited through an object that only the collector can look into.
        behind = next(filter(inspect.isasyncgen, gc.get_referents(waiting)), None)
        if behind is None:
            yield f"  {waiting!r}\n"
        waiting = behind


def _first(thing: Any, *names: str) -> Any:
    return next((getattr(thing, name) for name in names if hasattr(thing, name)), None)
