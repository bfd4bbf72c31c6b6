"""Policies in parallel processes give the same figures, and no process is left over."""

import os
import signal
import subprocess
import sys
from typing import Any, Final
from zoneinfo import ZoneInfo

import pytest

from siaga112.backtest import beside
from siaga112.backtest.candidates import Candidate
from siaga112.backtest.simulation import Backtest
from siaga112.backtest.store import PastStore
from siaga112.core.model import Caller, FactKind
from siaga112.core.regulation import PRESETS
from siaga112.errors import SiagaError
from tests.backtest.test_simulation import HOUR, START, past

ZONE: Final = ZoneInfo("Asia/Jakarta")
TRIED: Final = [Candidate(name, rules) for name, rules in PRESETS.items()]


def store() -> PastStore:
    """Return a store with calls of three callers, more than one batch."""
    held = PastStore()
    for nth in range(1_500):
        kind = FactKind.CONNECTED if nth % 7 == 0 else FactKind.LEFT_MENU
        held.add(past(nth, START + nth * HOUR, kind, Caller(f"+628121111111{nth % 3}")))
    return held


def test_a_process_a_policy_gives_what_one_process_gives() -> None:
    """Processes, two at a time and the last alone, give one process's results, in the requested order."""
    held = store()
    alone = [Backtest(one.name, one.rules, ZONE, HOUR).run(held.in_order()) for one in TRIED]
    assert all(one.rejected and one.price and one.strikes for one in alone)
    assert beside.run(TRIED, held, ZONE, HOUR, at_once=2) == alone


def test_a_process_that_was_ended_is_told_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """If the kernel kills a process, as it does when memory is exhausted, there are no figures at all."""

    def killed(*_: Any) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    monkeypatch.setattr(Backtest, "run", killed)
    with pytest.raises(SiagaError, match=r"^a process that ran a policy was ended \(exit code -9\)"):
        beside.run(TRIED[:2], store(), ZONE, at_once=2)


_WAITS: Final = """
import signal
from tests.backtest import test_beside as own
processes = [own.beside._Process(one, own.PastStore(), own.ZONE, 0) for one in own.TRIED]
print(flush=True)
signal.pause()
"""


def test_the_processes_end_with_the_command() -> None:
    """However the command ends, no process continues: the pipe that all have as stdout is closed."""
    command = subprocess.Popen((sys.executable, "-c", _WAITS), stdout=subprocess.PIPE)
    assert command.stdout
    assert command.stdout.readline()  # ends: when the process does, or its test
    command.kill()
    assert command.communicate(timeout=60)[0] == b""
