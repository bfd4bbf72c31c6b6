"""The manual's installation by hand, followed literally on PBXs without siaga112."""

import re
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import pytest

from tests.lab import Event, Observer, Version, find, place_call, ports
from tests.lab.agi_client import ask
from tests.lab.daemon import Daemon
from tests.pbx.foreign import Foreign, FreePbx, LabAdmin, Plain, blocks
from tests.waiting import within

pytestmark = pytest.mark.pbx
CALLER: Final = "081234567890"

PLAIN: Final = "By hand: plain Asterisk"
FREEPBX: Final = "By hand: FreePBX"
PBXS: Final = [
    pytest.param("22", Plain, PLAIN, "from-telco", id="22-plain", marks=pytest.mark.night),
    pytest.param("16", Plain, PLAIN, "from-telco", id="16-plain", marks=pytest.mark.night),
    pytest.param("22", FreePbx, FREEPBX, "from-pstn", id="22-freepbx", marks=pytest.mark.night),
    pytest.param("16", FreePbx, FREEPBX, "from-pstn", id="16-freepbx"),
]


async def served(pbx: Foreign, seen: Observer) -> Event:
    """Call, press 1, talk to the operator; return this call's BridgeEnter, not an earlier call's."""
    since = seen.mark()
    call = await place_call(pbx, number=CALLER, presses="1")
    uid = (await seen.caller_channel(CALLER, since=since, timeout=30))["Uniqueid"]
    bridged = await seen.wait_for(
        lambda e: e.name == "BridgeEnter" and e["Uniqueid"] == uid, since=since, timeout=30
    )
    assert (await call.hang_up()).status == 200
    return bridged


async def known(pbx: Foreign, reason: str) -> None:
    """Ask until the verdict has this reason: a decision takes effect within a second, not at once."""
    async with within(30, f"a verdict for the reason {reason}"):
        while (await ask(pbx.agi_port, CALLER)).reason != reason:
            pass  # each look is a request for a verdict


@asynccontextmanager
async def both_halves(admin: LabAdmin, environ: dict[str, str]) -> AsyncIterator[tuple[Daemon, Daemon]]:
    """Run what the two units run, with the files that the first steps wrote."""
    secret = (admin.home / "siaga112/credentials/AMI__SECRET").read_text("utf-8")
    credentials = Path(environ["CREDENTIALS_DIRECTORY"])
    credentials.mkdir()  # noqa: ASYNC240 - a folder of this test's own
    (credentials / "SIAGA112_AMI__SECRET").write_text(secret, "utf-8")  # as LoadCredential= names it
    config = (admin.home / "siaga112/siaga112.toml").read_text("utf-8")
    folder = admin.home
    screen, track = (Daemon(folder, config, environ, int(environ["SIAGA112_METRICS__PORT"])) for _ in "12")
    try:
        await screen.start("--only", "screen")
        await screen.event("store_up")
        await screen.event("started")
        await track.start("--only", "track")
        await track.event("ami_connected")
        yield screen, track
    finally:
        await track.stop()
        await screen.stop()


@pytest.mark.parametrize(("version", "kind", "section", "trunk"), PBXS)
async def test_the_steps_of_the_manual_lead_to_a_rejected_call(
    version: Version, kind: type[Foreign], section: str, trunk: str
) -> None:
    """Calls are served at every step, screened or rejected once the daemon runs, served without our file."""
    with tempfile.TemporaryDirectory(prefix="s112-admin-") as folder:
        home = Path(folder)
        environ = {
            "SIAGA112_CONFIG": f"{home}/siaga112.toml",
            "SIAGA112_STATE_DIR": f"{home}/state",
            "SIAGA112_METRICS__PORT": str(ports.free()),
            "SIAGA112_METRICS__SCREEN_PORT": str(ports.free()),
            "CREDENTIALS_DIRECTORY": f"{home}/credentials",
        }
        async with (
            kind.start(find(version), context=trunk, globals_={"SIAGA_AGI": ""}) as pbx,
            await pbx.observe() as seen,
        ):
            environ |= {"SIAGA112_AMI__PORT": str(pbx.ami_port), "SIAGA112_AGI__PORT": str(pbx.agi_port)}
            admin = LabAdmin(pbx, home, environ)
            await served(pbx, seen)

            await admin.follow("By hand: the program")
            assert "siaga112:" in (home / "machine/etc/passwd").read_text("utf-8"), "the daemon has its user"
            await admin.follow(section)
            assert re.search(r"Timestamp events:\s+Yes", await pbx.console("manager show settings"))
            assert "siaga112-prank" in await pbx.console("features show")
            await served(pbx, seen)  # no daemon runs yet
            await seen.wait_for(lambda e: e.name == "VarSet" and e["Variable"] == "DYNAMIC_FEATURES")
            async with both_halves(admin, environ) as (screen, track):
                _, doctor = blocks("By hand: start it")
                look, wait, enforce, block, unblock = blocks("Observe, read, enforce")
                await admin.do(doctor)
                assert "1 warn, 0 fail, 2 not checked" in admin.printed[-1], admin.printed[-1]
                for hidden in (
                    "operators' phones",
                    "clock set",
                ):  # there is no phone, and nobody keeps the clock
                    assert f"\n-     {hidden} " in admin.printed[-1]
                assert "func_config.so is loaded" in admin.printed[-1], "what doctor itself reads with"
                since = seen.mark()
                bridged = await served(pbx, seen)
                verdict = await seen.wait_for(
                    lambda e: (
                        e.name == "VarSet"
                        and e["Variable"] == "SIAGA_REASON"
                        and e["Uniqueid"] == bridged["Uniqueid"]
                    ),
                    since=since,
                )
                assert verdict["Value"] == "not_blocked"
                assert (await track.settled(bridged["Uniqueid"]))["outcome"] == "answered"

                await admin.do(look)
                assert "answered" in admin.printed[-1]
                await admin.do(wait)
                assert "siaga112_would_block_total" in admin.printed[-1]
                await admin.do(enforce)
                await screen.wait_for(lambda line: line["event"] == "mode" and line["mode"] == "enforce")
                await admin.do(block)
                await known(pbx, "blocked")
                told = await place_call(pbx, number=CALLER)
                assert (await told.ended(timeout=60)).status == 403
                assert "SIP/2.0 183" in told.messages()
                await admin.do(unblock)
                await known(pbx, "not_blocked")
                await served(pbx, seen)
            warned = (line.replace(str(pbx.folder), "") for line in pbx.warnings())
            assert [line for line in warned if "siaga112" in line] == []

            (pbx.folder / "etc/extensions_siaga112.conf").unlink()
            await pbx.console("dialplan reload")
            await served(pbx, seen)
