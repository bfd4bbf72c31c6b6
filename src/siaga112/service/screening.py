"""The query flow: the dialplan asks about a caller, and gets an answer within the deadline.

Whatever happens inside (the store is down, slow, lying; our own code raises), the answer is ALLOW
with the cause as its reason: this is an emergency line.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import structlog

from siaga112.core.agi import Request
from siaga112.core.caller_id import NumberPlan, canonical
from siaga112.core.model import Millis, Mode, Screening, ScreenReason, Verdict
from siaga112.core.policy import PolicyRules, turned_away, verdict
from siaga112.service.ports import Meter, StandingReader, StoreBrokenError, StoreDownError

SCRIPT: Final = "screen"
"""The path in `agi://host:port/screen`."""

MARGIN: Final = 0.95
"""The part of the deadline after which we answer without the store, so that the answer is there by then."""

_log = structlog.get_logger()


def fail_open(cause: ScreenReason) -> Screening:
    """Give the answer for when there is none."""
    return Screening(Verdict.ALLOW, cause)


@dataclass(slots=True)
class Screener:
    """Answers one request. `deadline` in seconds; `clock` gives event time; `stopwatch` seconds."""

    store: StandingReader
    mode: Callable[[], Mode]
    rules: PolicyRules
    numbers: NumberPlan
    meter: Meter
    clock: Callable[[], Millis]
    stopwatch: Callable[[], float]
    deadline: float

    async def screen(self, request: Request) -> Screening:
        """Give the verdict; never raises, never later than the deadline."""
        began = self.stopwatch()
        try:
            async with asyncio.timeout(self.deadline * MARGIN):
                answer = await self._ask(request)
        except TimeoutError:
            answer = fail_open(ScreenReason.DEADLINE)
        except StoreDownError:
            answer = fail_open(ScreenReason.STORE_DOWN)
        except StoreBrokenError as error:
            _log.error("store_broken", detail=str(error))
            answer = fail_open(ScreenReason.STORE_ERROR)
        except Exception:  # noqa: BLE001 - the last line of defence: the call goes through
            _log.exception("screening_failed", uniqueid=request.uniqueid)
            answer = fail_open(ScreenReason.INTERNAL_ERROR)
        self.meter.screened(answer, self.stopwatch() - began)
        return answer

    async def _ask(self, request: Request) -> Screening:
        if request.script != SCRIPT:
            return fail_open(ScreenReason.BAD_REQUEST)
        mode = self.mode()
        if mode is Mode.OFF:
            return fail_open(ScreenReason.MODE_OFF)
        caller = canonical(request.number, self.numbers)
        if caller is None:
            return Screening(Verdict.ALLOW, ScreenReason.WITHHELD)
        held, now = await self.store.standing(caller), self.clock()
        answer = verdict(held, mode, now, self.rules)
        if turned_away(answer.treatment) and self.rules.let_through:
            again = await self.store.turned_away(caller, self.rules.let_through)
            answer = verdict(held, mode, now, self.rules, again=again)
        return answer
