"""Each key that SIGHUP takes over, changed on a running daemon, changes what the line does."""

import json
import signal
import tomllib
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from itertools import count
from typing import Any, Final

import pytest

from siaga112.core.caller_id import canonical
from siaga112.core.model import SECOND, Finding, Level, Outcome
from siaga112.core.record import CallerRecord
from siaga112.settings.schema import Settings
from tests.fakes.manager import event
from tests.faults.conftest import Rig, redis, rig
from tests.lab.redis_servers import RedisServer
from tests.waiting import within

__all__ = ["redis"]

pytestmark = pytest.mark.redis

BASE: Final = {
    "mode": '"enforce"',
    "policy.threshold": "[2]",
    "policy.blocks_per_hour": "0",
    "policy.cap_permanent": "0",
}
"""Three misuses block, without any cap."""


@dataclass
class Line:
    """The line, with callers who have never called before."""

    rig: Rig
    first: dict[str, str]
    """The configuration that the daemon was started with, as TOML."""
    rows: int = 0
    _numbers: Iterator[int] = field(default_factory=lambda: count(20_000_000))
    number: str = ""

    def another(self) -> str:
        """Choose a new caller; return the number."""
        self.number = f"0812{next(self._numbers)}"
        return self.number

    async def reload(self, **changed: str) -> None:
        """Write the configuration with these values, and reload."""
        sections: dict[str, list[str]] = {"": []}
        for key, value in {**self.first, **BASE, **changed}.items():
            section, _, name = key.rpartition(".")
            sections.setdefault(section, []).append(f"{name} = {value}")
        text = "\n".join("\n".join([f"[{name}]" if name else "", *lines]) for name, lines in sections.items())
        daemon, since = self.rig.daemon, len(self.rig.daemon.lines)
        daemon.config.write_text(text, "utf-8")
        daemon.signal(signal.SIGHUP)
        assert (await daemon.event("reloaded", since=since))["changed"]

    async def misuses(self, times: int) -> CallerRecord:
        """Make the caller misuse the line this many times; return the record when all is written."""
        for _ in range(times):
            self.rig.misuse(self.number)
        return await self.recorded(times)

    async def recorded(self, calls: int) -> CallerRecord:
        """Wait until this many more calls are in the ledger; return the caller's record."""
        self.rows += calls
        await self.rig.until_recorded(self.rows)
        caller = canonical(self.number)
        assert caller
        async with self.rig.store() as store:
            return await store.load(caller)


Effect = Callable[[Line], Awaitable[None]]
KEYS: Final[dict[str, tuple[dict[str, str], Effect]]] = {}
"""Each key: what is written, and the check of its effect."""


def key(name: str, value: str, **others: str) -> Callable[[Effect], Effect]:
    """Register the check of a key: its new value, and the others that make its effect visible."""

    def put(effect: Effect) -> Effect:
        KEYS[name] = ({name: value, **{key.replace("__", "."): one for key, one in others.items()}}, effect)
        return effect

    return put


@key("mode", '"observe"')
async def _who_is_blocked_gets_through(line: Line) -> None:
    await line.misuses(3)
    await line.rig.told("would_block", line.number)


@key("policy.preset", '"serang-2019"')
async def _the_block_names_the_preset(line: Line) -> None:
    record = await line.misuses(3)
    assert "permanent proposed" in record.blocks[0].reason


@key("policy.threshold", "[1]")
async def _two_misuses_block(line: Line) -> None:
    assert len((await line.misuses(2)).blocks) == 1


@key("policy.window", '"1s"')
async def _what_lies_apart_is_not_added_up(line: Line) -> None:
    record = await line.misuses(4)
    assert (len(record.strikes), record.blocks) == (4, ())


@key("policy.counted", "{ ivr_prank = 0.5 }")
async def _three_misuses_weigh_less(line: Line) -> None:
    assert (await line.misuses(4)).blocks == ()
    assert len((await line.misuses(1)).blocks) == 1


@key("policy.temporary", '["2h"]')
async def _a_block_lasts_as_long(line: Line) -> None:
    (block,) = (await line.misuses(3)).blocks
    assert block.until == block.since + 7_200 * SECOND


@key("policy.repeat", "2", policy__temporary='["1s"]')
async def _the_next_step_needs_two_more(line: Line) -> None:
    assert len((await line.misuses(4)).blocks) == 1
    assert len((await line.misuses(1)).blocks) == 2


@key("policy.permanent", '"never"', policy__temporary='["1s"]')
async def _no_block_is_for_good(line: Line) -> None:
    assert [block.level for block in (await line.misuses(4)).blocks] == [Level.TEMPORARY] * 2


@key("policy.memory", '"1s"', policy__temporary='["1s"]')
async def _an_earlier_block_is_forgotten(line: Line) -> None:
    assert [block.level for block in (await line.misuses(4)).blocks] == [Level.TEMPORARY] * 2


@key("policy.burst", '"1d"')
async def _within_a_burst_one_counts(line: Line) -> None:
    assert (await line.misuses(4)).blocks == ()


@key("policy.warn_from", "1")
async def _one_misuse_is_warned_of(line: Line) -> None:
    await line.misuses(1)
    async with within(20, "a warning"):
        while (await line.rig.ask(line.number)).variables.get("SIAGA_NOTICE") != "WARN":
            pass  # each look is a caller's question


@key("policy.treatment", '"reject"')
async def _the_blocked_are_told_nothing(line: Line) -> None:
    await line.misuses(3)
    answer = await line.rig.told("blocked", line.number)
    assert answer.variables["SIAGA_TREATMENT"] == "reject"


@key("policy.blocks_per_hour", "1")
async def _the_second_within_the_hour_is_proposed(line: Line) -> None:
    await line.misuses(3)
    line.another()
    record = await line.misuses(3)
    assert (record.blocks, [one.cause for one in record.proposals]) == ((), ["hourly_cap"])


@key("policy.cap_permanent", "1", policy__temporary="[]")
async def _the_second_for_good_within_the_hour_is_proposed(line: Line) -> None:
    await line.misuses(3)
    line.another()
    record = await line.misuses(3)
    assert (record.blocks, [one.cause for one in record.proposals]) == ((), ["hourly_cap"])


@key("policy.protect", '"1s"')
async def _a_genuine_report_protects_for_a_second(line: Line) -> None:
    line.rig.answer("genuine", number=line.number)
    await line.recorded(1)
    assert len((await line.misuses(3)).blocks) == 1


@key("policy.trust.unattested", "0.5")
async def _an_unattested_misuse_weighs_half(line: Line) -> None:
    assert (await line.misuses(4)).blocks == ()
    assert len((await line.misuses(1)).blocks) == 1


@key("policy.trust.burst", '"0s"')
async def _over_two_trunks_close_together_each_counts(line: Line) -> None:
    line.rig.misuse(line.number, trunk="other")
    await line.recorded(1)
    assert len((await line.misuses(2)).blocks) == 1


@key("policy.trust.several_trunks", "0.5", policy__trust__burst='"0s"')
async def _over_two_trunks_each_weighs_half(line: Line) -> None:
    line.rig.misuse(line.number, trunk="other")
    await line.recorded(1)
    assert (await line.misuses(3)).blocks == ()
    assert len((await line.misuses(1)).blocks) == 1


@key("policy.never_block", '["08122*"]')
async def _these_numbers_are_never_blocked(line: Line) -> None:
    assert (await line.rig.ask(line.number)).reason == "withheld"


@key("policy.let_through", '"10m"')
async def _who_calls_again_is_let_through(line: Line) -> None:
    await line.misuses(3)
    await line.rig.told("blocked", line.number)
    assert (await line.rig.told("let_through", line.number)).variables["SIAGA_TREATMENT"] == "deprioritise"


@key("policy.surge", "false")
async def _without_operators_a_misuse_counts_all_the_same(line: Line) -> None:
    line.rig.pbx.manager.queues = [event("QueueParams", Queue="siaga112", Max="0", Calls="0")]
    await line.reload()
    async with within(20, "a surge: nobody is logged in"):
        while await line.rig.metric("surge") != 1:
            pass  # each look is a question to the daemon
    assert (await line.misuses(1)).strikes == ()
    await line.reload(**{"policy.surge": "false"})
    assert len((await line.misuses(1)).strikes) == 1
    line.rig.pbx.manager.queues = None


@key("classifier.early_drop", '"1h"')
async def _who_leaves_within_the_hour_left_early(line: Line) -> None:
    call = line.rig.misuse(line.number)
    await line.recorded(1)
    (row,) = [row for row in await line.rig.ledger() if row.finding.call.id == call]
    assert row.finding.outcome is Outcome.ABANDONED


@key("agi.deadline_ms", "900")
async def _a_verdict_may_take_as_long(line: Line) -> None:
    line.rig.redis.signal(signal.SIGSTOP)
    answer = await line.rig.ask(line.number)
    line.rig.redis.signal(signal.SIGCONT)
    assert answer.reason == "deadline"
    assert answer.seconds > 0.6


@key("service_level.answer_within", '"15s"')
async def _the_promise_is_another(line: Line) -> None:
    assert await line.rig.metric("service_level_answer_within_seconds") == 15


async def _answered(line: Line) -> Finding:
    call = line.rig.answer("genuine", number=line.number)
    await line.recorded(1)
    (row,) = [row for row in await line.rig.ledger() if row.finding.call.id == call]
    return row.finding


@key("operators", '{ "101" = "Siti" }')
async def _who_answered_has_a_name(line: Line) -> None:
    assert (await _answered(line)).operator == "Siti"


@key("agencies", '{ "113" = "Damkar" }')
async def _to_whom_it_went_has_a_name(line: Line) -> None:
    assert [one.agency for one in (await _answered(line)).handovers] == ["Damkar"]


@key("kinds", '["flood"]')
async def _a_report_can_be_of_that_kind(line: Line) -> None:
    call = (await _answered(line)).call.id
    await line.rig.done("mark", call, "genuine", "--kind", "flood")


@key("districts", '["Cipocok"]')
async def _a_report_can_be_of_that_district(line: Line) -> None:
    call = (await _answered(line)).call.id
    await line.rig.done("mark", call, "genuine", "--district", "Cipocok")


@key("pbx.recording_url", '"https://pbx.example/{file}"')
async def _a_recording_has_a_place(line: Line) -> None:
    call = (await _answered(line)).call.id
    (row,) = json.loads(await line.rig.done("calls", "--call", call, "--json"))
    assert row["recording_url"] is None  # this call has no recording


def _as_toml(values: dict[str, Any], section: str = "") -> Iterator[tuple[str, str]]:
    for name, value in values.items():
        if isinstance(value, dict):
            yield from _as_toml(value, f"{section}{name}.")
        else:
            yield f"{section}{name}", json.dumps(value)


async def test_every_key_that_a_reload_takes_over_changes_what_the_line_does(redis: RedisServer) -> None:
    """For every key that a reload takes over, a check sees its effect on a running daemon."""
    assert set(KEYS) == {name for name in Settings().by_key() if Settings.reloadable(name)}
    async with rig(redis, more='stale_after = "0s"\n[service_level]\nanswer_within = "9s"\n') as found:
        started = tomllib.loads(found.daemon.config.read_text("utf-8"))
        line = Line(found, dict(_as_toml(started)))
        for changed, effect in KEYS.values():
            line.another()
            await line.reload(**changed)
            await effect(line)
