"""`siaga112 top` beside a real PBX shows who waits in a real queue, and the operators by name."""

import asyncio
import time
from datetime import datetime
from typing import Any, get_args

import pytest

from tests.lab import Asterisk, Version, find, place_call
from tests.lab.daemon import Daemon, midday, running
from tests.lab.day import Witnessed

pytestmark = pytest.mark.pbx

NUMBER = "081234567890"


async def test_a_caller_in_the_queue_is_shown_waiting() -> None:
    """`top` shows a call in the queue, with an age that grows while it waits."""
    environ = {"SIAGA112_TIMEZONE": midday()}
    async with (
        Asterisk.start(find("22")) as pbx,
        await pbx.observe() as seen,
        running(pbx, environ=environ) as daemon,
    ):
        await seen.set_global("OPERATOR", "never")
        since = seen.mark()
        placed = await place_call(pbx, number=NUMBER, presses="1")
        uid = (await seen.caller_channel(NUMBER, since=since))["Uniqueid"]
        await Witnessed(placed, uid, seen, since).until("QueueCallerJoin")
        async with asyncio.timeout(20):
            while not (row := (await daemon.command("top", "--json")).json)["queues"]:
                pass  # each look is a question to the store
            age = row["calls"][0]["stage_seconds"]
            while (later := (await daemon.command("top", "--json")).json)["calls"][0]["stage_seconds"] <= age:
                pass
        screen = (await daemon.command("top", "--once")).out
        await placed.hang_up()
        await daemon.settled(uid)
        over = (await daemon.command("top", "--json")).json
    (call,) = row["calls"]
    assert (call["call"], call["stage"], call["queue"]) == (uid, "queue", "siaga112")
    assert (call["caller"], call["screened"]) == ("+62812*****890", "ALLOW not_blocked")
    (queue,) = row["queues"]
    assert (queue["queue"], queue["waiting"]) == ("siaga112", 1)
    assert 0 <= queue["longest_seconds"] == call["stage_seconds"] < 20
    (grown,) = later["calls"]
    assert grown["since"] == call["since"]
    assert "siaga112   1 waiting, longest 0:" in screen
    assert "queue  0:" in screen
    assert row["operators"] is not None
    assert row["pbx_connected"]
    assert row["verdict_p99_seconds"] < 0.3
    assert [(ended["call"], ended["outcome"]) for ended in over["last"]] == [(uid, "abandoned")]


async def look(daemon: Daemon) -> Any:
    """Return what `top` shows."""
    return (await daemon.command("top", "--json")).json


BREAK = {"Queue": "siaga112", "Interface": "Local/never@operators/n"}
COUNTS = {"available": 0, "busy": 1, "paused": 1}


@pytest.mark.parametrize("version", get_args(Version))
async def test_operators_are_shown_by_name(version: Version) -> None:
    """`top` names operators as the queue or the configuration does: one is paused for a reason, one talks."""
    names = '[operators]\n"101" = "Siti Rahma"\n'
    async with Asterisk.start(find(version)) as pbx, await pbx.observe() as seen:
        await seen.action({"Action": "QueueAdd", "MemberName": "Budi Santoso", **BREAK})
        began = int(time.time())
        await seen.action({"Action": "QueuePause", "Paused": "true", "Reason": "sholat Jumat", **BREAK})
        async with running(pbx, names) as daemon:
            since = seen.mark()
            placed = await place_call(pbx, number=NUMBER, presses="1")
            uid = (await seen.caller_channel(NUMBER, since=since))["Uniqueid"]
            await Witnessed(placed, uid, seen, since).until("AgentConnect")
            async with asyncio.timeout(30):
                while (row := await look(daemon))["operators"] != COUNTS:
                    pass  # the queues are asked every few seconds
            screen = (await daemon.command("top", "--once")).out
            await placed.hang_up()
            await daemon.settled(uid)
    budi, siti = row["logged_in"]
    assert (budi["operator"], budi["reason"]) == ("Budi Santoso", "sholat Jumat")
    assert 0 <= datetime.fromisoformat(budi["since"]).timestamp() - began <= 2
    assert (siti["operator"], siti["reason"]) == ("Siti Rahma", None)
    assert siti["state_seconds"] < 30, "the change was seen"
    assert [(call["stage"], call["operator"]) for call in row["calls"]] == [("talking", "Siti Rahma")]
    (shown,) = (line for line in screen.splitlines() if line.startswith("Budi Santoso  paused"))
    assert shown.endswith("sholat Jumat")
    assert "Siti Rahma" in next(line for line in screen.splitlines() if line.startswith("talking"))
