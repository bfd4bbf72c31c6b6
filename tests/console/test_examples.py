"""The programs in examples/ do what their heads say."""

import asyncio
import base64
import contextlib
import json
import os
import secrets
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import pytest
from aiohttp import web
from starlette.datastructures import Headers

from siaga112.app.records import now
from siaga112.console.hooks import Hooks
from siaga112.core.fold import subject, take
from siaga112.core.model import CallId, Mark
from siaga112.service.marking import NOTHING, ReportDetails
from siaga112.settings.schema import Settings
from tests.console.calls import GENUINE, entry
from tests.console.centre import Centre
from tests.lab import ports
from tests.samples import RULES, answered
from tests.waiting import output

pytestmark = pytest.mark.redis
EXAMPLES: Final = Path(__file__).parents[2] / "examples"
PATIENCE: Final = 30.0


@asynccontextmanager
async def started(*command: str, **environ: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run an example until the block ends."""
    process = await asyncio.create_subprocess_exec(
        *command,
        env={**os.environ, **environ},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)  # a pipeline has several processes
        await output(process, command[0], PATIENCE)


async def happen(centre: Centre, number: int) -> str:
    """Store an ended call; return its id."""
    one = entry(answered(number, now(), GENUINE))
    await centre.site.store.records.transaction([subject(one)], lambda work: take(work, one, RULES))
    return one.finding.call.id


@pytest.mark.parametrize("example", ["follow.py", "follow.sh"])
async def test_an_example_follows_events_and_goes_on_where_it_was(
    centre: Centre, tmp_path: Path, example: str
) -> None:
    """An example that follows events resumes after the last one it got, so it misses none."""
    last = await centre.site.store.records.last_announced()
    calls = [await happen(centre, number) for number in (80, 81)]
    words = [str(EXAMPLES / example), centre.url]
    if example.endswith(".py"):
        kept = tmp_path / "last"
        kept.write_text(str(last))
        words = [sys.executable, *words, str(kept)]
    else:
        words.append(str(last))
    async with started(*words, SIAGA112_TOKEN=centre.token) as process:
        assert process.stdout
        found: list[Any] = []
        async with asyncio.timeout(PATIENCE):
            while len(found) < 2:
                event = json.loads(await process.stdout.readline())
                if event["type"] == "id.siaga112.call.ended":
                    found.append(event)
    assert [one["subject"] for one in found] == calls


async def test_the_bridge_opens_an_incident_for_a_genuine_call_and_for_no_other(centre: Centre) -> None:
    """The bridge opens an incident for a genuine call only; siaga112 retries until it is taken."""
    secret = "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode()
    port, dispatch = ports.free(), ports.free()
    got: list[Any] = []
    status = 503

    async def incidents(request: web.Request) -> web.Response:
        got.append(await request.json())
        return web.Response(status=status)

    app = web.Application()
    app.router.add_post("/incidents", incidents)
    runner = web.AppRunner(app, handle_signals=False)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", dispatch).start()
    hook = {"url": f"http://127.0.0.1:{port}/", "secret": secret, "private": True, "types": ["call.marked"]}
    settings = Settings.model_validate({"site": "lab", "events": {"webhooks": {"bridge": hook}}})
    clock = now()
    hooks = Hooks(centre.site.slow.records, lambda: settings, lambda: clock)
    await hooks.go_on("bridge")
    desk = centre.site.desk(await visitor(centre))
    first, second = [CallId(await happen(centre, number)) for number in (82, 83)]
    await desk.mark(first, Mark.PRANK, "", NOTHING)
    await desk.mark(second, Mark.GENUINE, "", ReportDetails("fire", "Cipocok", ""))
    words = (str(EXAMPLES / "bridge.py"), f"127.0.0.1:{port}", f"http://127.0.0.1:{dispatch}/incidents")
    async with started(sys.executable, *words, WEBHOOK_SECRET=secret):
        async with asyncio.timeout(PATIENCE):
            while (await centre.site.store.records.webhook("bridge")).error in {"", "connection refused"}:
                clock += 60 * 60_000 if got else 1_000
                await hooks.go_on("bridge")
                if not got:
                    await wake(centre)
        assert (await centre.site.store.records.webhook("bridge")).error == "answered 502"
        status = 201
        await wake(centre)
        await hooks.go_on("bridge")
    await runner.cleanup()
    assert got[-1]["reference"] == second
    assert (got[-1]["kind"], got[-1]["district"]) == ("fire", "Cipocok")
    assert {one["reference"] for one in got} == {second}


async def wake(centre: Centre) -> None:
    """Have the webhook retried at once."""
    await centre.site.store.records.wake_webhook("bridge")


async def visitor(centre: Centre) -> Any:
    """Return the visitor that the centre's token stands for."""
    return await centre.site.gate.program(Headers({"authorization": f"Bearer {centre.token}"}))
