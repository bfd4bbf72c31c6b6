"""Our units under a real systemd: the port, restarts during calls, the watchdog, reloads, the backup."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Final

import pytest

from siaga112.doctor.lines import Line
from tests.faults.figures import Measured
from tests.lab import systemd
from tests.lab.systemd import Machine
from tests.pbx.doctor.host_faults import CLOCK_KEPT_BY_NOBODY

pytestmark = pytest.mark.skipif(bool(systemd.runs_here()), reason=systemd.runs_here() or "-")

CONFIG: Final = 'site = "lab"\nmode = "enforce"\n'
CALLERS: Final = (
    "runuser -u nobody -- env LD_LIBRARY_PATH=/opt/python/lib "
    f"/opt/python/bin/python3 {Path(__file__).with_name('callers.py')}"
)
TAKE: Final = (
    "runuser -u nobody -- /usr/bin/python3 -c 'import socket\ns = socket.socket()\n"
    's.setsockopt(1, 2, 1)\ntry: s.bind(("127.0.0.1", 4573)); print("taken")\n'
    "except OSError as e: print(e.errno)'"
)
IN_USE: Final = "98"
SCREEN: Final = "siaga112-screen"
ACTIVE: Final = f"systemctl is-active {SCREEN}"


@pytest.fixture
async def machine() -> AsyncIterator[Machine]:
    """Yield a machine with siaga112 installed as in the manual, without a PBX."""
    async with Machine.boot(CONFIG) as booted:
        yield booted


async def calls(machine: Machine, rate: float, seconds: float) -> dict[str, Any]:
    """Ask for verdicts as an ordinary local user, `rate` times a second; return what became of the calls."""
    told: dict[str, Any] = json.loads(await machine.run(f"{CALLERS} {rate} {seconds}"))
    return told


async def pid(machine: Machine) -> str:
    """Return the process id of the screening half."""
    return await machine.run(f"systemctl show -P MainPID {SCREEN}")


async def test_doctor_says_that_nothing_keeps_the_clock(machine: Machine) -> None:
    """The doctor finds that nothing keeps the clock: it asks systemd, and systemd asks the kernel."""
    await machine.run("systemctl start dbus")
    await machine.until("timedatectl show --property=NTPSynchronized --value", "no")
    environ = "SIAGA112_AMI__SECRET=a-secret-of-the-lab"
    told = await machine.run(f"{environ} /opt/siaga112/bin/siaga112 doctor --json")
    lines = [
        Line(row["health"], row["found"], row["remedy"] or "", row["check"])
        for row in json.loads(told[told.index("[") :])
    ]
    assert CLOCK_KEPT_BY_NOBODY.is_in(lines, {}), told


async def test_the_doctor_that_stays_sees_through_its_walls(machine: Machine) -> None:
    """Confined by its unit, the doctor still checks daemon, Redis and records, and finds no PBX."""
    await machine.until("systemctl is-active siaga112-track", "active")
    await machine.run("systemctl start siaga112-doctor")
    ask = (
        "/usr/bin/python3 -c 'import urllib.request as u\n"
        'print(u.urlopen("http://127.0.0.1:9114/metrics").read().decode())\''
    )
    await machine.until(f'{ask} | grep -c \'check="AMI login",level="fail".* 1.0\'', "1")
    page = await machine.run(ask)
    for check in ("Redis", "database", "AGI round trip", "state directory", "disk", "secrets"):
        assert f'{{check="{check}",level="ok",site="lab"}} 1.0' in page, (check, page)


@pytest.mark.fault("unit_socket")
async def test_the_port_is_nobody_elses_while_the_daemon_is_down(
    machine: Machine, measured: Measured
) -> None:
    """A restart or kill refuses no call, and no other local user gets the port, even while it is stopped."""
    log = "journalctl -o cat -u siaga112-screen"
    assert '"kept_by_systemd": true' in await machine.run(log)
    tries = []
    asked = asyncio.create_task(calls(machine, 20, 8))
    await machine.run(f"systemctl restart {SCREEN}")
    tries.append(await machine.run(TAKE))
    restarted = await asked
    assert (await calls(machine, 5, 1))["allow"] == 5
    measured("calls refused in a restart", restarted.get("refused", 0), at_most=0)
    measured("calls that a restart kept for the guard's 2 s", restarted.get("guard", 0))

    asked = asyncio.create_task(calls(machine, 20, 8))
    await machine.run(f"systemctl kill -s KILL --kill-whom=main {SCREEN}")
    tries.append(await machine.run(TAKE))
    killed = await asked
    measured("calls refused after a kill", killed.get("refused", 0), at_most=0)

    await machine.run(f"systemctl stop {SCREEN}")
    tries.append(await machine.run(TAKE))
    await calls(machine, 1, 1)  # a call starts it again
    await machine.until(ACTIVE, "active")
    assert tries == [IN_USE] * 3
    measured("local users who got the port", sum(told != IN_USE for told in tries), at_most=0)


@pytest.mark.fault("unit_systemd")
async def test_a_daemon_that_stands_still_is_started_again(machine: Machine, measured: Measured) -> None:
    """If the daemon is frozen (SIGSTOP), systemd's watchdog starts it again, and it answers each call."""
    before = await pid(machine)
    await machine.run(f"kill -STOP {before}")
    await machine.until(f"[ $(systemctl show -P MainPID {SCREEN}) = {before} ] || echo another", "another")
    await machine.until(ACTIVE, "active")
    told = await calls(machine, 5, 1)
    assert "watchdog" in (await machine.run(f"journalctl -o cat -u {SCREEN}")).lower()
    measured("verdicts after the watchdog", told["allow"])
    assert told["allow"] == 5


@pytest.mark.fault("unit_systemd")
async def test_reloading_a_good_and_a_bad_configuration(machine: Machine) -> None:
    """After reloading a good or a bad configuration, the unit is active in the same process and answers."""
    before, file = await pid(machine), machine.inside("/etc/siaga112/siaga112.toml")
    for text, event in (
        ('site = "lab"\nmode = "off"\n', '"event": "reloaded"'),
        ("mode = [[[", '"event": "reload_refused"'),
    ):
        file.write_text(text)
        await machine.run(f"systemctl reload {SCREEN}")
        await machine.until(f"journalctl -o cat -u {SCREEN} | grep -c '{event}'", "1")
        await machine.until(ACTIVE, "active")
    assert await pid(machine) == before
    assert (await calls(machine, 5, 1))["allow"] == 5


@pytest.mark.fault("unit_systemd")
async def test_a_bad_configuration_at_the_start_holds_no_call_up(
    machine: Machine, measured: Measured
) -> None:
    """If the configuration is bad at the start, calls wait for the guard at most, and the port stays ours."""
    machine.inside("/etc/siaga112/siaga112.toml").write_text("mode = [[[")
    await machine.run(f"systemctl restart {SCREEN}")
    await machine.until(ACTIVE, "failed")
    told = await calls(machine, 2, 3)
    assert set(told) <= {"closed", "guard", "slowest"}
    measured("calls kept for the guard's 2 s by a bad configuration, of 6", told.get("guard", 0))
    await machine.until(ACTIVE, "failed")
    assert await machine.run(TAKE) == IN_USE
    assert await machine.run(f"systemctl is-active {SCREEN}.socket") == "active"


async def test_the_nightly_backup_is_made_and_the_last_fourteen_are_kept(machine: Machine) -> None:
    """The nightly backup keeps the files of the last fourteen nights, and files with other names."""
    await machine.until("systemctl is-active siaga112-track", "active")
    folder = "/var/lib/siaga112/backups"
    await machine.run(
        f"install -d -o siaga112 -m 700 {folder}; "
        f"for day in $(seq -w 1 18); do touch {folder}/2026-11-$day.zip; done; touch {folder}/by-hand.zip"
    )
    told = await machine.run("systemctl start siaga112-backup; systemctl is-failed siaga112-backup")
    assert told == "inactive", await machine.run("journalctl -u siaga112-backup -n 20 --no-pager -o cat")
    kept = (await machine.run(f"ls {folder}")).split()
    today = await machine.run("date +%F")
    assert kept == [*(f"2026-11-{day:02}.zip" for day in range(6, 19)), f"{today}.zip", "by-hand.zip"]
    assert await machine.run(f"stat -c '%U %a' {folder}/{today}.zip") == "siaga112 600"
    timer = await machine.run(
        "systemctl enable --now siaga112-backup.timer; systemctl list-timers --no-pager"
    )
    assert "siaga112-backup.timer" in timer
