"""The announcement for a blocked caller: as the dialplan composes it, and as the caller hears it."""

import re
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final, get_args
from zoneinfo import ZoneInfo

import pytest

from siaga112.core.screening import zone_at
from tests.lab import Asterisk, Observer, Version, agi_stub, find, ports
from tests.lab.announcement import LANGUAGES, Language, told
from tests.lab.daemon import running
from tests.lab.ear import hears_in_order
from tests.lab.phone import Phone
from tests.pbx.foreign import Block, FreePbx, LabAdmin
from tests.prompts import PAGE
from tests.waiting import within

pytestmark = pytest.mark.pbx
CALLER: Final = "081234567890"
NOW: Final = datetime.now(UTC)
PATIENCE_SECONDS: Final = 90.0
"""The longest that a call with an announcement may take."""

ZONES: Final = ("Asia/Jakarta", "Asia/Jayapura", "Asia/Kathmandu", "America/St_Johns", "UTC")


@pytest.fixture(params=get_args(Version))
def version(request: pytest.FixtureRequest) -> Version:
    """Return each version of Asterisk in turn."""
    found: Version = request.param
    return found


@dataclass(frozen=True, slots=True)
class Case:
    """The variables from the daemon, and the end of the block to be announced; None if without a date."""

    level: str
    until: str
    zone: str
    end: datetime | None

    def dialplan(self, number: int) -> str:
        """Return dialplan steps that compose the announcement in both languages and report it in an event."""
        asked = "".join(
            f" same => n,Gosub(siaga112-announcement,s,1({language}))\n"
            f" same => n,Set({language}=${{GOSUB_RETVAL}})\n"
            for language in LANGUAGES
        )
        return (
            f" same => n,Set(SIAGA_BLOCK_LEVEL={self.level})\n"
            f" same => n,Set(SIAGA_BLOCK_UNTIL={self.until})\n"
            f" same => n,Set(SIAGA_TIMEZONE={self.zone})\n{asked}"
            f" same => n,UserEvent(Told,Case: {number},id: ${{id}},en: ${{en}})\n"
        )

    def names(self, language: Language) -> list[str]:
        """Return the names of the prompts that should be played."""
        level = "permanent" if self.level == "permanent" else "temporary"
        return told(language, level, self.end, NOW)


def _of(end: datetime) -> Case:
    until = int(end.timestamp())
    assert end.tzinfo
    return Case(
        "temporary", str(until), zone_at(until * 1_000, end.tzinfo), datetime.fromtimestamp(until, end.tzinfo)
    )


def cases() -> Iterator[Case]:
    """Yield ends of blocks at every edge, in several zones, and values that our daemon never sends."""
    year = NOW.year
    for name in ZONES:
        zone = ZoneInfo(name)
        for text in (
            *("11-29T22:05:00", "11-29T22:04:01", "11-29T22:00:00", "11-29T21:59:01", "12-01T00:00:00"),
            *("11-30T23:59:59", "12-31T23:59:00", "12-31T23:59:30", "07-31T12:00:00", "02-28T23:59:30"),
        ):
            yield _of(datetime.fromisoformat(f"{year}-{text}").replace(tzinfo=zone))
        yield _of(datetime(year + 1, 1, 1, tzinfo=zone))
        yield _of(datetime(2059, 12, 31, 23, 59, tzinfo=zone))
        for hour in range(24):
            yield _of(datetime(year, 1 + hour // 2, 1 + hour, hour, (hour * 7) % 60, tzinfo=zone))
    jakarta = ZoneInfo("Asia/Jakarta")
    until = str(int((NOW + timedelta(days=3)).timestamp()))
    yield Case("permanent", "", "", None)
    yield Case("permanent", until, "<WIB>-07:00", None)
    yield Case("temporary", "", "<WIB>-07:00", None)
    yield Case("", "", "", None)
    yield Case("forever", "soon", "<WIB>-07:00", None)
    for odd in (
        "0",
        "-1",
        "12345",
        f"{until}0",
        f"-{until}",
        f"{until[:5]} {until[5:]}",
        f"{until}.5",
        "1e9",
        "inf",
    ):
        yield Case("temporary", odd, "<WIB>-07:00", None)
    for late in (datetime(2059, 12, 31, 23, 59, 1, tzinfo=jakarta), datetime(2126, 11, 29, tzinfo=jakarta)):
        yield Case("temporary", str(int(late.timestamp())), "<WIB>-07:00", None)
    # If the daemon sends no zone, the PBX's own applies.
    yield Case("temporary", until, "", datetime.fromtimestamp(int(until)).astimezone())


CASES: Final = list(cases())


async def test_the_dialplan_tells_the_end_of_a_block_as_it_should(version: Version) -> None:
    """The end has each language's order and the centre's zone; one that no prompts express is left out."""
    walk = "".join(case.dialplan(number) for number, case in enumerate(CASES))
    dialplan = f"[announcing]\nexten => walk,1,NoOp()\n{walk} same => n,Hangup()\n"
    async with Asterisk.start(find(version), dialplan=dialplan) as pbx, await pbx.observe() as seen:
        order = {"Action": "Originate", "Channel": "Local/walk@announcing/n", "Async": "true"}
        await seen.action({**order, "Application": "Wait", "Data": "60"})
        await seen.wait_for(lambda e: e["UserEvent"] == "Told" and e["Case"] == str(len(CASES) - 1))
        said = [e for e in seen.events if e["UserEvent"] == "Told"]
        # About 7,000 steps within a second overload its manager interface, which warns of that.
        assert [line for line in pbx.warnings() if "taskprocessor.c" not in line] == []
    wrong = [
        (case, language, said[number][language])
        for number, case in enumerate(CASES)
        for language in LANGUAGES
        if said[number][language] != "&".join(f"siaga112/{name}" for name in case.names(language))
    ]
    assert wrong == []


async def test_by_default_a_blocked_caller_is_told_until_when_in_the_centres_zone(version: Version) -> None:
    """By default a blocked caller hears the end that `blocks` shows, and gets 403 without an answer."""
    async with (
        Asterisk.start(find(version)) as pbx,
        await pbx.observe() as seen,
        running(pbx) as daemon,
    ):
        blocked = await daemon.command("block", CALLER, "--for", "3h", "--reason", "threats")
        assert blocked.code == 0, blocked
        await daemon.shows('blocks_active{level="temporary",site="lab"} 1.0')
        (row,) = (await daemon.command("blocks", "--json")).json
        end = datetime.fromisoformat(row["until"])
        assert end.utcoffset() == timedelta(hours=7)
        until = datetime.fromtimestamp(int(end.timestamp()), end.tzinfo)  # the PBX knows whole seconds only
        phone = await Phone.open(CALLER, ("127.0.0.1", ports.free()), ("127.0.0.1", pbx.sip_port))
        try:
            leg = phone.call("112")
            uid = (await seen.caller_channel(CALLER))["Uniqueid"]
            names = [
                (language, name) for language in LANGUAGES for name in told(language, "temporary", until, NOW)
            ]
            async with within(PATIENCE_SECONDS, "the end of the announcement"):
                await leg.over.wait()
            assert hears_in_order(bytes(leg.sound.heard), *names)
            assert leg.statuses == [100, 183, 403]
            assert (await daemon.settled(uid))["outcome"] == "blocked"
        finally:
            phone.close()


async def warned(pbx: FreePbx, seen: Observer, number: str, presses: str = "") -> bool:
    """Call, press these keys once there is sound, reach the IVR; return whether the warning was complete."""
    since = seen.mark()
    phone = await Phone.open(number, ("127.0.0.1", ports.free()), ("127.0.0.1", pbx.sip_port))
    try:
        leg = phone.call("112")
        uid = (await seen.caller_channel(number, since=since))["Uniqueid"]
        if presses:
            await leg.sound.for_another(1)
            leg.sound.press(presses)
        await seen.wait_for(
            lambda e: (e["Uniqueid"], e["Context"]) == (uid, "ivr-1"), since=since, timeout=PATIENCE_SECONDS
        )
        await leg.hang_up()
        return hears_in_order(bytes(leg.sound.heard), ("id", "notice"))
    finally:
        phone.close()


async def test_the_recipe_warns_who_is_near_the_limit_before_the_menu_of_freepbx() -> None:
    """With the recipe of docs/prompts.md, who is near the limit hears the warning, unless a key skips it."""
    answer = ("SET VARIABLE SIAGA_NOTICE WARN", "SET VARIABLE SIAGA_VERDICT ALLOW")
    (recipe,) = re.findall(r"^```diff\n(.*?)^```", PAGE.read_text("utf-8"), re.DOTALL | re.MULTILINE)
    with tempfile.TemporaryDirectory(prefix="s112-admin-") as folder:
        async with (
            FreePbx.start(find("16"), context="from-pstn", globals_={"SIAGA_AGI": ""}) as pbx,
            await pbx.observe() as seen,
            agi_stub(pbx.agi_port, callers={"0811": answer, "0822": answer}),
        ):
            admin = LabAdmin(pbx, Path(folder), {"SIAGA112_METRICS__SCREEN_PORT": str(ports.free())})
            await admin.follow("By hand: the program")
            await admin.follow("By hand: FreePBX")
            await admin.do(Block("in `/etc/asterisk/extensions_custom.conf`", "diff", recipe))
            await pbx.console("dialplan reload")
            assert await warned(pbx, seen, "0811")
            assert not await warned(pbx, seen, "0822", "5")
            assert not await warned(pbx, seen, "0833")
