"""`siaga112 doctor` on a real PBX: no trouble on a healthy bench, and for each fault its line."""

import asyncio
import contextlib
import json
import os
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import get_args

import pytest
import pytest_asyncio

from siaga112.adapters.scrape import ProbeError, get
from siaga112.doctor import NAMES
from siaga112.doctor.lines import Line
from tests.lab import Version, ports
from tests.lab.sipp import place_call
from tests.pbx.doctor.bench import AS_NOBODY, Bench
from tests.pbx.doctor.fault import Fault, Settings, spelled
from tests.pbx.doctor.faults import ANOTHER_USER, CLOCK, FAULTS, PBX_LOST, REDIS_CLOCK, STOPPED
from tests.runbook.trying import Trying
from tests.waiting import ended, killed, output, within

pytestmark = [pytest.mark.pbx, pytest.mark.asyncio(loop_scope="module")]

VERSIONS = get_args(Version)
OF_RIGHTS = pytest.mark.fault("ami_rights")
BY_DAY = 2
"""How many faults of each of the doctor's checks are tried by day; at night all are."""


def marks(fault: Fault) -> list[pytest.MarkDecorator]:
    """Return the marks of a fault's test."""
    alike = [one for one in FAULTS if one.check == fault.check]
    rights = [OF_RIGHTS] if fault.check == "AMI read classes" else []
    return rights if alike.index(fault) < BY_DAY else [*rights, pytest.mark.night]


CASES = [
    pytest.param(version, fault, id=f"{version}-{fault.what}", marks=marks(fault))
    for version in VERSIONS
    for fault in FAULTS
    if version in fault.versions
]

on_both = pytest.mark.parametrize("version", VERSIONS)
on_22 = pytest.mark.parametrize("version", VERSIONS[:1])

Give = Callable[[Version], Awaitable[Bench]]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def benches() -> AsyncIterator[Give]:
    """Yield a function that returns a version's bench. Each fault is repaired before the next one is made."""
    running: dict[Version, Bench] = {}
    async with AsyncExitStack() as stack:

        async def give(version: Version) -> Bench:
            if version not in running:
                running[version] = await stack.enter_async_context(Bench.running(version))
            return running[version]

        yield give


@pytest_asyncio.fixture(loop_scope="module")
async def bench(version: Version, benches: Give) -> Bench:
    """Return the bench of that version."""
    return await benches(version)


@asynccontextmanager
async def broken(bench: Bench, fault: Fault) -> AsyncIterator[Settings]:
    """Make the fault; repair it when the block ends."""
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(bench.edited(*fault.edits))
        arranged = await stack.enter_async_context(fault.arrange(bench)) if fault.arrange else {}
        yield {**fault.settings, **arranged}


def told(lines: list[Line]) -> str:
    """Return the lines that are not ok, for the message of a failed test."""
    return "\n".join(spelled(line) for line in lines if line.health.value != "ok")


def trouble(lines: list[Line]) -> list[str]:
    """Return the lines that are not ok, except those about func_config.so and about who keeps the clock.

    The doctor itself needs the module. A container has neither systemd nor chrony: a machine with both is in
    tests/security/test_units.py.
    """
    return [
        spelled(line)
        for line in lines
        if line.health != "ok"
        and "func_config.so is loaded" not in line.found
        and not (line.check == "clock set" and line.health == "-")
    ]


@on_both
async def test_all_is_well_on_a_bench_that_is_as_it_should_be(bench: Bench) -> None:
    """With our files, daemon and embedded Redis no line reports trouble, and the command exits with 0."""
    code, lines = await bench.doctor()
    assert trouble(lines) == []
    assert code == 0
    assert len(lines) > 25


@on_22
async def test_all_is_well_with_a_redis_of_the_centres_own(bench: Bench) -> None:
    """The rights in config/redis-acl.conf are neither too few nor too many for the doctor."""
    lines = await bench.examined({"redis.url": bench.redis_url})
    assert trouble([line for line in lines if line.check != "configuration"]) == []


@pytest.mark.parametrize(("version", "fault"), CASES)
async def test_a_fault_has_its_line(bench: Bench, fault: Fault) -> None:
    """Each fault has its line with the remedy, and once it is repaired no line reports trouble."""
    async with broken(bench, fault) as settings:
        lines = await bench.examined(settings)
        assert fault.is_in(lines, bench.names), f"{fault.line(bench.names)}\nnot in\n{told(lines)}"
    assert trouble(await bench.examined({})) == []


@on_22
async def test_it_changes_nothing_in_redis(bench: Bench) -> None:
    """An examination writes nothing to Redis."""
    before = bench.redis.ask("INFO", "persistence")["rdb_changes_since_last_save"]
    await bench.examined({"redis.url": bench.redis_url})
    assert bench.redis.ask("INFO", "persistence")["rdb_changes_since_last_save"] == before


@on_22
async def test_the_verdict_that_it_asks_for_is_no_callers(bench: Bench) -> None:
    """The doctor's own AGI question is not counted as a verdict; a caller's is."""

    async def counted() -> dict[str, float]:
        lines = (await bench.daemon.metrics()).splitlines()
        series = [line.rpartition(" ") for line in lines if line.startswith("siaga112_agi_verdicts_total{")]
        return {name: float(value) for name, _, value in series}

    before = await counted()
    lines = await bench.examined({})
    assert any(line.check == "AGI round trip" and line.health == "ok" for line in lines)
    call = await place_call(bench.pbx, number="081234567890")
    await call.hang_up()
    async with within(60, "the call's verdict to be counted"):
        while (after := await counted()) == before:
            pass  # the page of metrics may be up to 0.1 s old
    assert sum(after.values()) - sum(before.values()) == 1


@on_22
async def test_a_wrong_clock_is_seen(bench: Bench) -> None:
    """A clock 95 s ahead of the PBX's and of Redis's has a line for each, and the command exits with 1."""
    code, lines = await bench.doctor("env", "FAKETIME_FORCE_MONOTONIC_FIX=0", "faketime", "-f", "+95s")
    for fault in (CLOCK, REDIS_CLOCK):
        assert fault.is_in(lines, bench.names), told(lines)
    assert code == 1


@on_22
async def test_a_state_directory_of_another_user_is_seen(bench: Bench) -> None:
    """A user who may not read the state directory gets a line about it."""
    bench.daemon.folder.chmod(0o755)
    state = bench.daemon.folder / "state"
    if os.geteuid() != 0:
        state.chmod(0o000)
    try:
        code, lines = await bench.doctor(code=AS_NOBODY if os.geteuid() == 0 else "")
    finally:
        state.chmod(0o700)
        bench.daemon.folder.chmod(0o700)
    assert ANOTHER_USER.is_in(lines, bench.names), told(lines)
    assert code == 4  # that user cannot reach the embedded Redis either


@on_22
async def test_a_stopped_daemon_is_seen(bench: Bench) -> None:
    """If the daemon and its embedded Redis are stopped, a line says so and the command exits with 4."""
    async with broken(bench, STOPPED):
        code, lines = await bench.doctor()
    assert STOPPED.is_in(lines, bench.names), told(lines)
    assert code == 4


@on_22
async def test_a_silent_pbx_is_told_in_time(bench: Bench) -> None:
    """If the PBX is frozen, the examination ends within 10 s and says that there was no answer."""
    since = len(bench.daemon.lines)
    bench.pbx.pause()
    began = time.monotonic()
    try:
        lines = await bench.examined({})
        took = time.monotonic() - began
        await bench.daemon.event("ami_lost", since=since)
    finally:
        bench.pbx.resume()
    await bench.daemon.event("ami_connected", since=since)
    assert took < 10
    assert any(line.check == "AMI login" and "no answer within 5 s" in line.found for line in lines)


@on_22
async def test_a_daemon_whom_the_pbx_does_not_let_in_is_seen(bench: Bench) -> None:
    """If the PBX refuses the daemon, the doctor says that the daemon waits for AMI."""
    async with broken(bench, PBX_LOST) as settings:
        lines = await bench.examined(settings)
        assert PBX_LOST.is_in(lines, bench.names), told(lines)


Page = Callable[[str], Awaitable[str]]
"""Waits until the doctor's page has that line; returns the page."""


@asynccontextmanager
async def watching(bench: Bench) -> AsyncIterator[tuple[Page, asyncio.subprocess.Process]]:
    """Run `doctor --watch`; yield a function that waits for a line of its page, and the process."""
    port = ports.free()
    process = await bench.daemon.begin("doctor", "--watch", "--every", "10s", "--port", str(port))

    async def page(line: str) -> str:
        async with within(60, f"{line} on the doctor's page"):
            while True:
                with contextlib.suppress(ProbeError):
                    text = (await get("127.0.0.1", port, "/metrics", 5)).decode()
                    if f"\nsiaga112_doctor_{line}\n" in text:
                        return text
                await asyncio.sleep(0.2)  # a page cannot be waited for

    try:
        yield page, process
    finally:
        if process.returncode is None:
            process.terminate()
        await ended(process, "the doctor that stays")


AGENT = 'findings{check="AMI read classes",level="fail",site="lab"}'


@on_22
async def test_the_runbook_holds_when_the_doctor_fails(bench: Bench, tmp_path: Path) -> None:
    """The alert fires when the doctor fails; its remedy ends the alert."""
    trying = Trying("Doctor fails", bench.daemon, tmp_path)
    fault = next(one for one in FAULTS if one.what == "the read class agent is missing")
    async with watching(bench) as (page, process):
        trying.axis.hold(await page(f"{AGENT} 0.0"), 5)
        assert trying.axis.silent(trying.alert)
        async with broken(bench, fault):
            trying.axis.hold(await page(f"{AGENT} 1.0"), 12)
            assert trying.axis.fires(trying.alert)
            assert fault.remedy in await trying.run("siaga112 doctor", code=1)
        said = await trying.run("siaga112 doctor", code=None)  # on a busy machine the verdict may be late
        assert f"ok    {fault.check}" in said
        trying.axis.hold(await page(f"{AGENT} 0.0"), 2)
        assert trying.axis.silent(trying.alert)
        process.terminate()
        told = (await output(process, "the doctor that stays"))[1].decode()
    assert process.returncode == 0
    found = [line for line in map(json.loads, told.splitlines()) if line["event"] == "doctor_found"]
    assert [line["remedy"] for line in found if line["check"] == fault.check] == [fault.remedy]
    trying.done()


@on_22
async def test_the_runbook_holds_when_the_doctor_is_silent(bench: Bench, tmp_path: Path) -> None:
    """An alert fires once the doctor's page is gone, and ends when it is back."""
    trying = Trying("Doctor silent", bench.daemon, tmp_path)
    async with watching(bench) as (page, process):
        trying.axis.hold(await page(f"{AGENT} 0.0"), 5)
        await killed(process)
        trying.axis.hold(None, 40)
        assert trying.axis.fires(trying.alert)
        assert 'site = "lab"' in await trying.run("siaga112 check-config")
        units = Path(__file__).parents[2] / "config/systemd"
        assert (units / f"{(await trying.run('systemctl restart')).split()[-1]}.service").is_file()
    async with watching(bench) as (page, _):
        trying.axis.hold(await page(f"{AGENT} 0.0"), 2)
        assert trying.axis.silent(trying.alert)
    trying.done()


@on_22
async def test_the_doctors_page_has_checks_and_levels_and_nothing_else(bench: Bench) -> None:
    """The page has a row for every check and level, and its labels hold nobody's name or number."""
    async with watching(bench) as (page, _):
        text = await page(f"{AGENT} 0.0")
    rows = [line for line in text.splitlines() if line.startswith("siaga112_doctor_findings{")]
    assert len(rows) == len(NAMES) * 4
    assert {re.sub(r" [0-9.]+$", "", row) for row in rows} == {
        f'siaga112_doctor_findings{{check="{name}",level="{level}",site="lab"}}'
        for name in NAMES
        for level in ("ok", "warn", "fail", "unchecked")
    }


@on_22
async def test_it_prints_a_line_and_its_remedy(bench: Bench) -> None:
    """A finding has a line with health, check and text, and its remedy below; the last line is the sum."""
    fault = next(one for one in FAULTS if one.what == "the write timeout is low")
    async with broken(bench, fault):
        output = await bench.daemon.command("doctor")
    assert output.code == 0
    assert output.err == ""
    names = bench.names
    warned = [i for i, line in enumerate(output.out.splitlines()) if line.startswith("warn ")]
    (at,) = [i for i in warned if "func_config" not in output.out.splitlines()[i]]
    line, remedy = output.out.splitlines()[at : at + 2]
    assert line.split(maxsplit=1)[1] == f"AMI write timeout     {fault.found.format_map(names)}"
    assert remedy.strip() == f"→ {fault.remedy.format_map(names)}"
    # In a container the doctor cannot see who keeps the clock.
    assert re.search(r" 2 warn, 0 fail, [01] not checked$", output.out.splitlines()[-1])
