"""The screener: whatever the store does, the answer is in time, and in doubt it is ALLOW."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import replace
from zoneinfo import ZoneInfo

import pytest
from structlog.testing import capture_logs
from structlog.typing import EventDict

from siaga112.core.agi import Request
from siaga112.core.caller_id import NumberPlan
from siaga112.core.model import Caller, Level, Millis, Mode, Treatment, Verdict
from siaga112.core.screening import Screening, ScreenReason, Withheld
from siaga112.core.standing import NOBODY, Standing
from siaga112.service.ports import StoreBrokenError, StoreDownError
from siaga112.service.screening import Screener
from tests.core.table import DIALPLAN, in_force
from tests.fakes.meter import KeptMeter
from tests.samples import CALLER, NOW, RULES

DEADLINE = 0.05
GUARD = 2.0
"""Seconds after which our dialplan continues by itself: more than the deadline, for a busy machine."""
BLOCKED = Standing(level=Level.TEMPORARY, until=NOW + 1)

Answer = Callable[[], Awaitable[Standing]]


class Store:
    """A store that answers as the test wants, and keeps the requests."""

    def __init__(self, answer: Answer) -> None:
        self._answer = answer
        self.asked: list[Caller] = []
        self.away: set[Caller] = set()

    async def standing(self, caller: Caller) -> Standing:
        """Keep the request, and answer as the test wants."""
        self.asked.append(caller)
        return await self._answer()

    async def rejected_again(self, caller: Caller, within: Millis) -> bool:
        """Record that the caller is rejected; return whether they were before."""
        assert within
        before = caller in self.away
        self.away.add(caller)
        return before


def holding(standing: Standing) -> Answer:
    """Return an answer with this standing."""

    async def answer() -> Standing:
        return standing

    return answer


def raising(error: Exception) -> Answer:
    """Return an answer that raises this error."""

    async def answer() -> Standing:
        raise error

    return answer


async def hanging() -> Standing:
    """Never answer."""
    await asyncio.Event().wait()  # ends: at the deadline under test
    raise AssertionError


class Screened:
    """A screener with its store, meter and logs."""

    def __init__(self, answer: Answer, mode: Mode = Mode.ENFORCE) -> None:
        self.store = Store(answer)
        self.meter = KeptMeter()
        self.logs: Sequence[EventDict] = ()
        self._ticks: Iterator[float] = iter([10.0, 10.25])
        self.screener = Screener(
            store=self.store,
            known=lambda _: None,
            mode=lambda: mode,
            rules=in_force(policy=RULES, deadline=DEADLINE),
            meter=self.meter,
            clock=lambda: NOW,
            stopwatch=lambda: next(self._ticks),
        )

    async def ask(self, number: str = "081211111111", script: str = "screen") -> Screening:
        """Screen a call; check that the answer is in time and counted."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        with capture_logs() as self.logs:
            screening = await self.screener.screen(Request(script, "1.0", number))
        assert loop.time() - began < GUARD
        assert self.meter.verdicts == [(screening, 0.25)]
        return screening


def allow(reason: ScreenReason) -> Screening:
    """Return a plain ALLOW with this reason."""
    return Screening(Verdict.ALLOW, reason)


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (hanging, ScreenReason.DEADLINE),
        (raising(TimeoutError()), ScreenReason.DEADLINE),
        (raising(StoreDownError("gone")), ScreenReason.STORE_DOWN),
        (raising(StoreBrokenError("garbage")), ScreenReason.STORE_ERROR),
        (raising(ValueError("ours")), ScreenReason.INTERNAL_ERROR),
        (raising(KeyError("ours")), ScreenReason.INTERNAL_ERROR),
        (raising(RecursionError()), ScreenReason.INTERNAL_ERROR),
    ],
)
@pytest.mark.parametrize("mode", [Mode.ENFORCE, Mode.OBSERVE])
async def test_whatever_the_store_does_the_call_goes_through(
    answer: Answer, reason: ScreenReason, mode: Mode
) -> None:
    """If the store is down, slow or broken, or our code raises, ALLOW comes in time, with the cause."""
    screened = Screened(answer, mode)
    assert await screened.ask() == allow(reason)
    assert reason.fails_open
    ours = reason in {ScreenReason.STORE_ERROR, ScreenReason.INTERNAL_ERROR}
    assert [line["log_level"] for line in screened.logs] == ["error"] * ours


async def test_a_hundred_callers_wait_for_a_hung_store_together() -> None:
    """A hundred callers wait for a hung store at the same time, so each is answered by its own deadline."""
    screened = Screened(hanging)
    screened._ticks = iter(range(1_000))
    loop = asyncio.get_running_loop()
    began = loop.time()
    answers = await asyncio.gather(
        *(screened.screener.screen(Request("screen", "1.0", "081211111111")) for _ in range(100))
    )
    assert loop.time() - began < GUARD
    assert set(answers) == {allow(ScreenReason.DEADLINE)}


async def test_enforce_blocks_with_the_treatment() -> None:
    """The answer about a blocked caller has the treatment, the level and the end of the block."""
    expected = Screening(
        Verdict.BLOCK, ScreenReason.BLOCKED, Treatment.ANNOUNCE, BLOCKED.level, BLOCKED.until
    )
    assert await Screened(holding(BLOCKED)).ask() == expected


async def test_the_end_of_a_block_comes_with_the_zone_in_which_it_is_told() -> None:
    """The end of a block comes with the centre's time zone; a permanent block has neither."""
    screened = Screened(holding(BLOCKED))
    screened.screener.zone = ZoneInfo("Asia/Jakarta")
    assert (await screened.ask()).zone == "<WIB>-07:00"
    permanent = Screened(holding(Standing(level=Level.PERMANENT)))
    permanent.screener.zone = ZoneInfo("Asia/Jakarta")
    assert (await permanent.ask()).zone == ""


@pytest.mark.fault("policy_observe")
async def test_observe_says_what_enforce_would() -> None:
    """In mode `observe`, a blocked caller gets ALLOW with the reason that `enforce` would block."""
    expected = Screening(Verdict.ALLOW, ScreenReason.WOULD_BLOCK, level=BLOCKED.level, until=BLOCKED.until)
    assert await Screened(holding(BLOCKED), Mode.OBSERVE).ask() == expected


@pytest.mark.fault("policy_expiry")
async def test_a_block_ends_by_the_clock_alone() -> None:
    """A block that has expired rejects nobody, even if its standing is still stored."""
    ended = Standing(level=Level.TEMPORARY, until=NOW)
    assert await Screened(holding(ended)).ask() == allow(ScreenReason.NOT_BLOCKED)


async def test_the_allow_list_comes_first() -> None:
    """A caller on the allow list gets through, even with a block on record."""
    both = Standing(allowed=True, level=Level.PERMANENT)
    assert await Screened(holding(both)).ask() == allow(ScreenReason.ALLOW_LISTED)


async def test_off_does_not_even_ask() -> None:
    """In mode `off`, the store is not asked, so it can neither delay nor reject anybody."""
    screened = Screened(hanging, Mode.OFF)
    assert await screened.ask() == allow(ScreenReason.MODE_OFF)
    assert screened.store.asked == []


@pytest.mark.parametrize(
    "number", ["", "anonymous", "112", "110", "201234", "0000000000", "1" * 15, "+62\n812"]
)
async def test_a_withheld_number_is_not_looked_up(number: str) -> None:
    """A hidden, service, local or impossible number is let through without asking the store."""
    screened = Screened(holding(BLOCKED))
    assert await screened.ask(number) == allow(ScreenReason.WITHHELD)
    assert screened.store.asked == []


@pytest.mark.parametrize(
    ("number", "known", "cause"),
    [
        ("112", None, Withheld.UNBLOCKABLE),
        ("", Withheld.HIDDEN, Withheld.HIDDEN),
        ("", Withheld.DOUBTFUL, Withheld.DOUBTFUL),
    ],
)
async def test_a_withheld_call_is_counted_by_its_cause(
    number: str, known: Withheld | None, cause: Withheld
) -> None:
    """Hidden, doubtful and unblockable callers are counted separately, so that evasion shows."""
    screened = Screened(holding(BLOCKED))
    screening = await screened.screener.screen(Request("screen", "1.0", number, known))
    assert screening == allow(ScreenReason.WITHHELD)
    assert screened.meter.withheld_causes == [cause]


@pytest.mark.parametrize("may", [False, True])
@pytest.mark.parametrize("why", Withheld)
async def test_a_hidden_number_is_judged_only_by_who_may(why: Withheld, *, may: bool) -> None:
    """With `[pbx] hidden = "judge"`, a hidden number is looked up, but no other withheld one."""
    screened = Screened(holding(BLOCKED))
    screened.screener.rules = in_force(
        replace(DIALPLAN, numbers=NumberPlan(judge_hidden=may)), RULES, deadline=DEADLINE
    )
    screening = await screened.screener.screen(Request("screen", "1.0", "081211111111", why))
    judged = may and why is Withheld.HIDDEN
    assert (screening.verdict is Verdict.BLOCK) is judged
    assert screened.store.asked == ([CALLER] if judged else [])


@pytest.mark.parametrize("script", ["", "screening", "Screen", "screen/../x"])
@pytest.mark.fault("agi_path")
async def test_an_unknown_script_is_let_through(script: str) -> None:
    """A request for an unknown script gets ALLOW with that reason, without asking the store."""
    screened = Screened(holding(BLOCKED))
    assert await screened.ask(script=script) == allow(ScreenReason.BAD_REQUEST)
    assert screened.store.asked == []


@pytest.mark.parametrize("number", ["081211111111", "+6281211111111", "6281211111111", "006281211111111"])
@pytest.mark.fault("policy_spellings")
async def test_every_spelling_is_one_caller(number: str) -> None:
    """Every spelling of a number looks up the same caller."""
    screened = Screened(holding(NOBODY))
    assert await screened.ask(number) == allow(ScreenReason.NOT_BLOCKED)
    assert screened.store.asked == [CALLER]
