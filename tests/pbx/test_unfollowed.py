"""A metric and the doctor report calls that are screened but not followed, on a real PBX."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import pytest

from siaga112.adapters.redis import embedded as redis_embedded
from siaga112.doctor.host import UNSEEN_CALLS
from tests.lab import Asterisk, Version, find, ports
from tests.lab.daemon import Daemon, running
from tests.lab.sipp import place_call

pytestmark = [pytest.mark.pbx, pytest.mark.asyncio]

CONTEXT: Final = "from-trunk-sip-telkom"
EXCHANGE: Final = "127.0.0.2"
DIALPLAN: Final = f"""
[{CONTEXT}]
exten => 112,1,Gosub(siaga112-screen,s,1)
 same => n,Hangup()
"""
PJSIP: Final = f"""
[trunk-telkom]
type = endpoint
context = {CONTEXT}
disallow = all
allow = ulaw
[trunk-telkom]
type = identify
endpoint = trunk-telkom
match = {EXCHANGE}
"""
CHAN_SIP: Final = """
[general]
bindport = {port}
udpbindaddr = 127.0.0.1
context = {context}
allowguest = yes
disallow = all
allow = ulaw
"""
"""The trunk as in a FreePBX of 2019; it accepts calls from any address."""

NAMED: Final = f'[pbx]\ntrunk_contexts = ["siaga112-incoming", "{CONTEXT}"]\n'
UNFOLLOWED: Final = f'calls_unfollowed_total{{context="{CONTEXT}",site="lab"}} 1.0'


@asynccontextmanager
async def trunk(version: Version) -> AsyncIterator[tuple[Asterisk, int]]:
    """Run a PBX with that trunk (chan_sip on 16, chan_pjsip on 22); yield it and the port to call."""
    port = ports.free()
    more = {"pjsip.conf": PJSIP}
    if version == "16":
        more = {"sip.conf": CHAN_SIP.format(port=port, context=CONTEXT)}
    async with Asterisk.start(find(version), dialplan=DIALPLAN, more=more, load=("chan_sip",)) as pbx:
        yield pbx, port if version == "16" else pbx.sip_port


async def call(pbx: Asterisk, port: int) -> None:
    """Call 112 over that trunk, and wait until the call ends."""
    placed = await place_call(pbx, number="081234567890", source=EXCHANGE, port=port)
    await placed.ended()


async def doctor(daemon: Daemon) -> str:
    """Return the doctor's line about calls that are not followed."""
    ran = await daemon.command("doctor", "--json")
    (line,) = [row for row in ran.json if row["check"] == "calls followed"]
    return f"{line['health']}: {line['found']} → {line['remedy'] or ''}"


@pytest.mark.parametrize("version", ["22", "16"])
async def test_a_trunk_that_was_left_out_is_named_and_one_that_is_there_is_not(version: Version) -> None:
    """Metric and doctor name a context missing in the settings; if it is there, its call is in the ledger."""
    async with trunk(version) as (pbx, port):
        async with running(pbx) as daemon:
            await call(pbx, port)
            await daemon.shows(UNFOLLOWED)
            await daemon.shows('agi_calls_total{site="lab"} 1.0')
            said = await doctor(daemon)
            assert said.startswith(f"warn: 1 screened call came in [{CONTEXT}]")
            assert f'trunk_contexts = ["siaga112-incoming", "{CONTEXT}"]' in said
            assert (await daemon.command("calls", "--json")).json == []
        async with running(pbx, NAMED) as daemon:
            await call(pbx, port)
            await daemon.event("call")
            await daemon.shows('calls_screened_total{site="lab"} 1.0')
            assert "calls_unfollowed_total{" not in await daemon.metrics()
            assert (await doctor(daemon)).startswith("ok: ")
            (row,) = (await daemon.command("calls", "--json")).json
            assert row["raw_caller"] == "081234567890"


async def test_with_both_halves_apart_the_doctor_reads_both_pages() -> None:
    """With the halves apart, the doctor reads both pages and reports a screened call that is not followed."""
    async with trunk("22") as (pbx, port), running(pbx, only="screen") as screening:
        url = redis_embedded.url(screening.folder / "state")
        more = f'[redis]\nurl = "{url}"\n'
        async with running(pbx, more, only="track") as tracking:
            await call(pbx, port)
            await tracking.shows(UNFOLLOWED)
            await screening.shows('agi_calls_total{site="lab"} 1.0')
            config = tracking.config.read_text("utf-8")
            apart = re.sub(r"screen_port = \d+", f"screen_port = {screening.metrics_port}", config)
            tracking.config.write_text(apart, "utf-8")
            assert (await doctor(tracking)).startswith(f"warn: 1 screened call came in [{CONTEXT}]")


async def test_a_filter_that_hides_the_calls_is_seen() -> None:
    """If an event filter hides screened calls, the doctor says how many of them are missing."""
    async with trunk("22") as (pbx, port):
        user = pbx.folder / "etc/manager.d/siaga112.conf"
        text = user.read_text("utf-8")
        user.write_text("\n".join(line for line in text.splitlines() if "VarSet[[" not in line), "utf-8")
        await pbx.console("manager reload")
        async with running(pbx, NAMED) as daemon:
            for _ in range(UNSEEN_CALLS + 1):
                await call(pbx, port)
            await daemon.shows('agi_calls_total{site="lab"} 6.0')
            await daemon.shows('calls_screened_total{site="lab"} 0.0')
            assert (await doctor(daemon)).startswith("warn: 6 of 6 calls that were asked about are not in")
