"""The policy on the running daemon: a thousand calls that must never cost a strike."""

import pytest

from siaga112.core.caller_id import canonical
from siaga112.core.model import Outcome
from tests.faults.conftest import NUMBER, rig
from tests.faults.figures import Measured
from tests.lab.redis_servers import RedisServer

pytestmark = pytest.mark.redis

THOUSAND = 1_000


@pytest.mark.fault("policy_allowed", "policy_hidden")
async def test_a_thousand_misuses_of_the_allow_listed_and_the_hidden_cost_nothing(
    redis: RedisServer, measured: Measured, *, full: bool
) -> None:
    """1,000 misuses by an allow-listed and 1,000 by hidden callers (CI: 200) give no strike and no block."""
    times = THOUSAND if full else 200
    async with rig(redis) as running:
        allowed = await running.daemon.command("allow", NUMBER, "--reason", "our own test phone")
        assert allowed.code == 0
        for _ in range(times):
            running.misuse(NUMBER)
            running.misuse("anonymous")
        rows = await running.until_recorded(2 * times, 120)
        assert {entry.finding.outcome for entry in rows} == {Outcome.IVR_PRANK}
        caller = canonical(NUMBER)
        for row, whose in (("policy_allowed", caller), ("policy_hidden", None)):
            mine = [entry for entry in rows if entry.finding.call.caller == whose]
            measured("misuses", len(mine), row=row)
            measured("strikes", sum(entry.strike for entry in mine), row=row, at_most=0)
        assert await running.strikes() == []
        assert await running.metric("blocks_active") == 0
        assert (await running.ask(NUMBER)).reason == "allow_listed"
