"""Runs several policies over the same calls in parallel: one process per core.

The calls are read from their store once for these processes, and sent to them in batches.
"""

import marshal
import os
from collections.abc import Sequence
from multiprocessing import get_context
from multiprocessing.connection import Connection
from typing import Final
from zoneinfo import ZoneInfo

from siaga112.backtest.candidates import Candidate
from siaga112.backtest.simulation import Backtest, Result
from siaga112.backtest.store import PastStore
from siaga112.core.model import Millis
from siaga112.errors import SiagaError

FEW: Final = 5_000
"""Up to this many calls, a single process is faster."""

_END: Final = b""


def run(
    tried: Sequence[Candidate],
    history: PastStore,
    zone: ZoneInfo,
    handling: Millis = 0,
    *,
    at_once: int = 0,
) -> list[Result]:
    """Run each policy over the calls, `at_once` in parallel (0: one per core, or one if there are few calls).

    Raises:
        SiagaError: if one of the processes died.

    """
    at_once = at_once or (len(os.sched_getaffinity(0)) if len(history) > FEW else 1)
    results: list[Result] = []
    for first in range(0, len(tried), at_once):
        some = tried[first : first + at_once]
        if len(some) == 1:
            one = Backtest(some[0].name, some[0].rules, zone, handling)
            results.append(one.run(history.in_order(), history.reached))
        else:
            results += _beside([_Process(one, history, zone, handling) for one in some], history)
    return results


def _beside(processes: "Sequence[_Process]", history: PastStore) -> list[Result]:
    for rows in history.rows():
        batch = marshal.dumps(rows)
        for process in processes:
            process.send(batch)
    for process in processes:
        process.send(_END)
    return [process.result() for process in processes]


class _Process:
    """A process that runs one policy over the calls sent to it."""

    def __init__(self, tried: Candidate, history: PastStore, zone: ZoneInfo, handling: Millis) -> None:
        context = get_context("fork")  # the child inherits `history`
        self._ours, its = context.Pipe()
        self._process = context.Process(
            target=_run, args=((self._ours, its), tried, history, zone, handling), daemon=True
        )
        self._process.start()
        its.close()

    def send(self, batch: bytes) -> None:
        """Send a batch of rows; block while the process is busy."""
        try:
            self._ours.send_bytes(batch)
        except OSError as error:
            raise self._ended() from error

    def result(self) -> Result:
        """Return the policy's result; call it after the last batch."""
        try:
            result: Result = self._ours.recv()
        except (OSError, EOFError) as error:
            raise self._ended() from error
        self._process.join()
        return result

    def _ended(self) -> SiagaError:
        self._process.join()
        return SiagaError(
            f"a process that ran a policy was ended (exit code {self._process.exitcode}); out of memory?"
        )


def _run(
    pipe: tuple[Connection, Connection],
    tried: Candidate,
    history: PastStore,
    zone: ZoneInfo,
    handling: Millis,
) -> None:
    theirs, ours = pipe
    theirs.close()  # so that the pipe breaks when the command dies
    batches = iter(ours.recv_bytes, _END)
    calls = (history.past(row) for batch in batches for row in marshal.loads(batch))  # noqa: S302 - our data
    try:
        ours.send(Backtest(tried.name, tried.rules, zone, handling).run(calls, history.reached))
    except (OSError, EOFError):
        return  # the command died
