"""The query flow: the dialplan asks about a caller, and gets an answer within the deadline.

Whatever happens inside (the store is down, slow, lying; our own code raises), the answer is ALLOW
with the cause as its reason: this is an emergency line.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import tzinfo
from typing import Final

import structlog

from siaga112.core.agi import DOCTOR, Request
from siaga112.core.caller_id import canonical
from siaga112.core.clocks import made
from siaga112.core.model import Caller, Millis, Mode, Verdict
from siaga112.core.rules import InForce
from siaga112.core.screening import Screening, ScreenReason, Withheld, zone_at
from siaga112.core.standing import Standing, turned_away, verdict
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
    """Answers one request. `clock` is our own; `stopwatch` gives seconds.

    `known` gives a caller's standing where it is at hand, None where the store must be asked. `mode` gives
    None until the site's mode is known: it may be off. `latest` gives the latest instant that our own clock
    has shown, if that is later than it shows now. `zone`: in which a caller is told when a block ends.
    """

    store: StandingReader
    known: Callable[[Caller], Standing | None]
    mode: Callable[[], Mode | None]
    rules: InForce
    meter: Meter
    clock: Callable[[], Millis]
    stopwatch: Callable[[], float]
    latest: Callable[[], Millis] = lambda: 0
    zone: tzinfo | None = None

    def answer(self, request: Request) -> Screening | Awaitable[Screening]:
        """Give the verdict, at once if all is at hand; never raises, never later than the deadline."""
        began = self.stopwatch()
        if request.uniqueid != DOCTOR:
            self.meter.asked()
        try:
            answer = self._at_hand(request)
        except Exception as error:  # noqa: BLE001 - the last line of defence: the call goes through
            answer = _failed(error, request)
        if answer is None:
            return self._within_deadline(request, began)
        self._count(request, answer, began)
        return answer

    async def screen(self, request: Request) -> Screening:
        """Give the verdict, for who can wait."""
        answer = self.answer(request)
        return answer if isinstance(answer, Screening) else await answer

    async def _within_deadline(self, request: Request, began: float) -> Screening:
        try:
            async with asyncio.timeout(self.rules.now.deadline * MARGIN):
                answer = await self._ask(request)
        except Exception as error:  # noqa: BLE001 - as above
            answer = _failed(error, request)
        self._count(request, answer, began)
        return answer

    def _count(self, request: Request, answer: Screening, began: float) -> None:
        """Count a verdict on a caller: the doctor is none, and may ask often."""
        if request.uniqueid != DOCTOR:
            self.meter.screened(answer, self.stopwatch() - began)

    def _at_hand(self, request: Request) -> Screening | None:
        """Give the verdict if all that it rests on is here."""
        if request.script != SCRIPT:
            return fail_open(ScreenReason.BAD_REQUEST)
        mode = self.mode()
        if mode is None or mode is Mode.OFF:
            return fail_open(ScreenReason.MODE_OFF if mode else ScreenReason.STARTING)
        caller = self._caller(request)
        if caller is None:
            if request.uniqueid != DOCTOR:
                self.meter.withheld(request.withheld or Withheld.UNBLOCKABLE)
            return Screening(Verdict.ALLOW, ScreenReason.WITHHELD)
        held = self.known(caller)
        if held is None:
            return None
        answer = self._verdict(held, mode, request)
        return None if self.rules.now.policy.let_through and turned_away(answer.treatment) else answer

    def _caller(self, request: Request) -> Caller | None:
        numbers = self.rules.now.dialplan.numbers
        return canonical(request.judged(hidden=numbers.judge_hidden), numbers)

    async def _ask(self, request: Request) -> Screening:
        """Give the verdict on a caller whose standing, or whose last call, only the store knows."""
        caller = self._caller(request)
        assert caller is not None, "else it was at hand"  # noqa: S101 - our own mistake otherwise
        held = self.known(caller)
        if held is None:
            held = await self.store.standing(caller)
        answer = self._decided(held, request)
        if turned_away(answer.treatment) and self.rules.now.policy.let_through:
            again = await self.store.turned_away(caller, self.rules.now.policy.let_through)
            answer = self._decided(held, request, again=again)
        return answer

    def _decided(self, held: Standing, request: Request, *, again: bool = False) -> Screening:
        """Decide by the mode as it is now: who waited for the store is not rejected after a switch to off."""
        mode = self.mode()
        if mode is None:
            return fail_open(ScreenReason.STARTING)
        return self._verdict(held, mode, request, again=again)

    def _verdict(self, held: Standing, mode: Mode, request: Request, *, again: bool = False) -> Screening:
        """Decide by our own clock; that a block has ended, also by the PBX's, which is in the call's id."""
        latest = max(self.latest(), made(request.uniqueid) or 0) if held.until else 0
        answer = verdict(held, mode, self.clock(), self.rules.now.policy, again=again, latest=latest)
        if self.zone is None or answer.until is None:
            return answer
        return replace(answer, zone=zone_at(answer.until, self.zone))


def _failed(error: Exception, request: Request) -> Screening:
    match error:
        case TimeoutError():
            return fail_open(ScreenReason.DEADLINE)
        case StoreDownError():
            return fail_open(ScreenReason.STORE_DOWN)
        case StoreBrokenError():
            _log.error("store_broken", detail=str(error))
            return fail_open(ScreenReason.STORE_ERROR)
        case _:
            _log.error("screening_failed", uniqueid=request.uniqueid, exc_info=error)
            return fail_open(ScreenReason.INTERNAL_ERROR)
