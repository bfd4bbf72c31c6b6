"""What an AMI user may do with each write class, on both PBXs; docs/security.md has the table."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final, get_args

import pytest

from tests.faults.figures import Measured
from tests.lab import Asterisk, Version, find
from tests.lab.ami import ActionError, Observer
from tests.lab.asterisk import LAB_SECRET
from tests.waiting import until

pytestmark = pytest.mark.pbx

CLASSES: Final = (
    *("", "reporting", "system", "call", "agent", "user", "config", "command", "dialplan", "originate"),
)
ACTIONS: Final = ("CoreShowChannels", "QueueStatus", "Getvar", "ShowDialPlan", "Hangup", "Originate")
FURTHER: Final = ("DBGet", "DBPut", "GetConfig", "UpdateConfig", "Command", "ModuleLoad", "Redirect")
TABLE: Final = Path(__file__).parents[2] / "docs/security.md"
CLOSED: Final = ("func_config", "func_sorcery", "func_realtime")
"""Modules through which Getvar reaches beyond calls. We advise not to load them."""


@pytest.fixture(params=get_args(Version))
def version(request: pytest.FixtureRequest) -> Version:
    """Return each version of Asterisk in turn."""
    found: Version = request.param
    return found


@asynccontextmanager
async def pbx_with(version: Version, *, noload: tuple[str, ...] = ()) -> AsyncIterator[Asterisk]:
    """Run a PBX with an AMI user for each write class."""
    users = "".join(f"[u-{one}]\nsecret = lab\nread = system\nwrite = {one}\n" for one in CLASSES)
    modules = "".join(f"noload = {name}.so\n" for name in noload)
    more = {"manager.conf": users, "modules.conf": modules}
    async with Asterisk.start(find(version), more=more) as pbx:
        yield pbx


async def may(user: Observer) -> set[str]:
    """Return the actions that a user may call; ListCommands lists these and no others."""
    return set((await user.action({"Action": "ListCommands"}))[0]) - {"Response", "ActionID"}


async def read(user: Observer, expression: str) -> str:
    """Return what Getvar gives for a dialplan function; '' if nothing."""
    try:
        return (await user.action({"Action": "Getvar", "Variable": expression}))[0]["Value"]
    except ActionError:
        return ""


def table() -> dict[str, set[str]]:
    """Return the table of docs/security.md: write class → the actions that it allows."""
    text = TABLE.read_text("utf-8").partition("| `write` |")[2].partition("\n\n")[0]
    rows = [line.strip("| ").split("|") for line in text.splitlines()[2:]]
    return {
        row[0].strip().strip("`()").replace("empty", ""): set(re.findall(r"`(\w+)`", row[1])) for row in rows
    }


async def test_the_table_of_write_classes_is_true(version: Version) -> None:
    """The table in docs/security.md is true; only `reporting` and `system` allow CoreShowChannels."""
    told = table()
    assert set(told) == set(CLASSES)
    async with pbx_with(version) as pbx:
        free: set[str] = set()
        for one in CLASSES:
            async with await Observer.connect(pbx.ami_port, f"u-{one}", "lab") as user:
                found = await may(user)
                free = free or found
                assert found & {*ACTIONS, *FURTHER} == told[one], one
        assert {one for one, opened in told.items() if "CoreShowChannels" in opened} == {
            "reporting",
            "system",
        }
        # Asterisk requires no class for these: every logged-in user may call them.
        assert {"QueueStatus", "BridgeDestroy", "BridgeKick", "QueueWithdrawCaller", "QueueReset"} <= free


@pytest.mark.fault("ami_reach")
async def test_what_the_shipped_user_reads_of_others(version: Version, measured: Measured) -> None:
    """Our AMI user can read secrets of others unless three modules are left out; we work without these."""
    other, trunk = "AST_CONFIG(manager.conf,lab,secret)", "AST_SORCERY(res_pjsip,endpoint,trunk,context)"
    async with pbx_with(version) as pbx, await pbx.observe_as_siaga() as siaga:
        assert await read(siaga, other) == LAB_SECRET
        assert await read(siaga, trunk) == "siaga112-incoming"
    async with pbx_with(version, noload=CLOSED) as pbx, await pbx.observe_as_siaga() as siaga:
        told = [await read(siaga, one) for one in (other, trunk, "REALTIME(a,b)")]
        for action in ("CoreShowChannels", "QueueStatus"):
            assert (await siaga.action({"Action": action}))[0]["Response"] == "Success"
        assert pbx.pid
        measured(
            "secrets of others that Getvar reads, without the modules",
            len(list(filter(None, told))),
            at_most=0,
        )


async def test_realtime_ends_asterisk_where_it_is_loaded(version: Version) -> None:
    """With func_realtime loaded, a single Getvar ends Asterisk, which is why we advise to leave it out."""
    async with pbx_with(version) as pbx:
        async with await pbx.observe_as_siaga() as siaga:
            with pytest.raises(ActionError, match="closed the AMI connection"):
                await siaga.action({"Action": "Getvar", "Variable": "REALTIME(a,b)"})

        def gone() -> bool:
            return pbx._process is None or pbx._process.returncode is not None

        await until(gone, 20, "the end of Asterisk")
