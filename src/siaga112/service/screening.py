"""The query flow: the dialplan asks about a caller and gets an answer within the deadline.

Whatever goes wrong (the store is down, slow or corrupt, or our own code raises), the answer is ALLOW with the
cause as its reason, because this is an emergency line.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import tzinfo
from typing import Final

import structlog

from siaga112.core.agi import DOCTOR, Request
from siaga112.core.caller_id import canonical
from siaga112.core.model import Caller, Millis, Mode, Verdict
from siaga112.core.rules import InForce
from siaga112.core.screening import Screening, ScreenReason, Withheld, zone_at
from siaga112.core.standing import Standing, rejects, verdict
from siaga112.core.uniqueid import made
from siaga112.service.ports import Meter, StandingReader, StoreBrokenError, StoreDownError

SCRIPT: Final = "screen"
"""The path in `agi://host:port/screen`."""

MARGIN: Final = 0.95
"""The fraction of the deadline after which we answer without the store, so that the answer is in time."""

_log = structlog.get_logger()


def fail_open(cause: ScreenReason) -> Screening:
    """Return the ALLOW for a request without a real verdict."""
    return Screening(Verdict.ALLOW, cause)


@dataclass(slots=True)
class Screener:
    """Answers requests. `clock`: our own clock; `stopwatch`: monotonic, in seconds.

    `known` returns a caller's standing from the replica, None if the store must be asked. `mode` returns None
    while the site's mode is unknown, because it may be off. `latest` returns the latest time that our own
    clock has shown. `zone`: the time zone for announcing the end of a block.
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
        """Return the verdict, or an awaitable of it if the store is needed.

        Never raises, and never takes longer than the deadline.
        """
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
        """Return the verdict, waiting for the store if necessary."""
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
        """Count a verdict, except for the doctor's requests."""
        if request.uniqueid != DOCTOR:
            self.meter.screened(answer, self.stopwatch() - began)

    def _at_hand(self, request: Request) -> Screening | None:
        """Return the verdict if it needs no store, else None."""
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
        return None if self.rules.now.policy.let_through and rejects(answer.treatment) else answer

    def _caller(self, request: Request) -> Caller | None:
        numbers = self.rules.now.dialplan.numbers
        return canonical(request.judged(hidden=numbers.judge_hidden), numbers)

    async def _ask(self, request: Request) -> Screening:
        """Return the verdict if the store is needed for the standing or for `let_through`."""
        caller = self._caller(request)
        assert caller is not None, "without a caller, `_at_hand` answers"  # noqa: S101 - a bug otherwise
        held = self.known(caller)
        if held is None:
            held = await self.store.standing(caller)
        answer = self._decided(held, request)
        if rejects(answer.treatment) and self.rules.now.policy.let_through:
            again = await self.store.rejected_again(caller, self.rules.now.policy.let_through)
            answer = self._decided(held, request, again=again)
        return answer

    def _decided(self, held: Standing, request: Request, *, again: bool = False) -> Screening:
        """Decide by the current mode, which may have been switched to off while the store was asked."""
        mode = self.mode()
        if mode is None:
            return fail_open(ScreenReason.STARTING)
        return self._verdict(held, mode, request, again=again)

    def _verdict(self, held: Standing, mode: Mode, request: Request, *, again: bool = False) -> Screening:
        """Decide by our own clock. A block's end also counts by the PBX's clock, known from the call id."""
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
