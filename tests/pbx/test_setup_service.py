"""`siaga112 setup` creates the daemon's user and units, on a machine of its own with a real systemd."""

import json
import os
import shlex
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest
from redis import Redis

from tests.lab import find
from tests.lab.systemd import Machine, runs_here
from tests.moving_in.older.make import BY_HAND, SITE, loaded
from tests.pbx.foreign import Plain
from tests.pbx.test_setup import MOST_SECONDS

pytestmark = [pytest.mark.pbx, pytest.mark.skipif(bool(runs_here()), reason=runs_here())]

OLDER: Final = Path(__file__).parents[1] / "moving_in" / "older" / "redis.json"
HELD: Final[dict[str, Any]] = json.loads(OLDER.read_text("utf-8"))
"""What an older version kept in Redis."""

CONFIG: Final = 'site = "before"\n[pbx]\ntrunk_contexts = ["none"]\n'
FRESH: Final = """
systemctl disable --now siaga112.target siaga112-screen siaga112-track siaga112-screen.socket
rm -rf /etc/systemd/system/siaga112* /etc/siaga112 /var/lib/siaga112 /etc/sysusers.d/siaga112.conf
systemctl daemon-reload
userdel siaga112
"""
"""Leaves a machine with nothing of siaga112 but the program."""


KILLED: Final = """
import os, signal
from siaga112.setup import doing
def point(name):
    if name.startswith(os.environ["KILL_AT"]):
        os.kill(os.getpid(), signal.SIGKILL)
doing.point = point
from siaga112.cli import main
main()
"""
SERVED: Final = "asterisk -rx 'core show channels concise' | grep -c '!menu!'"
CALL: Final = "asterisk -rx 'channel originate Local/112@from-telco/n application Wait 20'"
ENDED: Final = (
    "asterisk -rx 'channel request hangup all' >/dev/null; "
    "asterisk -rx 'core show channels concise' | grep -c !"
)


@dataclass(frozen=True)
class Here:
    """A machine with a PBX in service."""

    machine: Machine
    etc: str
    setup: str
    """The command; tests add options to it."""

    async def files(self) -> str:
        """Return the digest of every file of the PBX's configuration."""
        return await self.machine.run(f"cd {self.etc} && sha256sum *")

    async def call(self) -> None:
        """Place a call, wait until it is in the menu, and end it."""
        await self.machine.run(CALL)
        await self.machine.until(SERVED, "1")
        await self.machine.until(ENDED, "0")


@asynccontextmanager
async def in_service() -> AsyncIterator[Here]:
    """Run a machine with systemd, a PBX, and nothing of siaga112 but the program."""
    with tempfile.TemporaryDirectory(prefix="s112-service-", dir="/var/tmp") as name:
        folder = Path(name)
        os.chmod(folder, 0o755)  # noqa: S103, PTH101 - the machine reads it
        pbx = Plain(
            find("22"),
            folder,
            context="from-telco",
            dialplan="",
            globals_={"SIAGA_AGI": ""},
            operators=("101",),
            siaga_secret="none",
            more={},
            load=(),
        )
        pbx._write_configuration()
        async with Machine.boot(CONFIG) as machine:
            await machine.run(FRESH)
            assert await machine.run("id siaga112 2>&1 | grep -c uid=") == "0"
            shim = machine.inside("/usr/local/bin/asterisk")
            shim.write_text(f'#!/bin/sh\nexec {shlex.join(pbx.console_command)} "$@"\n')
            shim.chmod(0o755)
            program = machine.inside("/opt/siaga112/bin/siaga112").read_text()
            killed = machine.inside("/opt/siaga112/bin/killed")
            killed.write_text(program.partition("from siaga112")[0] + KILLED)
            killed.chmod(0o755)
            await machine.run("groupadd --system asterisk")
            # As Debian has it.
            await machine.run(f"chgrp -R asterisk {folder}/etc; chmod 640 {folder}/etc/*.conf")
            await machine.run("setsid asterisk -f -q -G asterisk </dev/null >/dev/null 2>&1 &")
            await machine.until("asterisk -rx 'core waitfullybooted' | grep -c 'fully booted'", "1")
            etc = f"{folder}/etc"
            yield Here(machine, etc, f"setup --asterisk-conf {etc}/asterisk.conf")


async def test_setup_starts_the_daemon_and_undo_leaves_no_unit() -> None:
    """Setup starts the units and passes the doctor; a second run changes nothing; undo leaves no unit."""
    async with in_service() as here:
        machine, setup = here.machine, f"/opt/siaga112/bin/siaga112 {here.setup}"
        before = await here.files()
        made = json.loads(await machine.run(f"{setup} --apply --json --site serang"))
        print(f"setup --apply with its units: {made['seconds']} s")
        told = made["doctor"]
        unseen = (
            "clock set",
            "operators' phones",
        )  # no clock keeper, no phone behind the Local channels
        rest = [line for line in told if line.startswith(("fail", "-"))]
        assert [line for line in rest if not any(one in line for one in unseen)] == [], told
        assert [line for line in told if line.startswith("warn") and "func_config" not in line] == [], told
        assert made["seconds"] < MOST_SECONDS
        for unit in ("siaga112-screen", "siaga112-track"):
            assert await machine.run(f"systemctl is-active {unit}") == "active"
            assert await machine.run(f"systemctl is-enabled {unit}") == "enabled"
        assert await machine.run("stat -c '%U %a' /etc/siaga112/credentials/AMI__SECRET") == "root 600"
        assert "siaga112" in await machine.run("asterisk -rx 'manager show connected'")
        await here.call()

        await machine.until("systemctl is-active siaga112-console", "active")
        again = json.loads(await machine.run(f"{setup} --apply --json"))
        assert (again["changed"], again["notes"]) == (False, [])
        assert [line for line in again["doctor"] if line.startswith("fail")] == []  # the console answers

        assert "undone" in await machine.run(f"{setup} --undo")
        for unit in ("screen.socket", "screen", "track", "console"):
            assert await machine.run(f"systemctl is-active siaga112-{unit}") == "inactive"
        assert await machine.run("ls /etc/systemd/system | grep -c siaga112-") == "0"
        assert await machine.run("ls /etc/siaga112 2>&1 | grep -c AMI") == "0"
        assert await here.files() == before
        await here.call()


async def test_setup_carries_over_what_an_older_version_kept_in_redis() -> None:
    """If only Redis has an older version's data, the doctor says so, and setup carries it over once."""
    async with in_service() as here:
        machine, program = here.machine, "/opt/siaga112/bin/siaga112"
        ours = f"runuser -u siaga112 -- {program}"
        doctor = f"SIAGA112_AMI__SECRET=$(cat /etc/siaga112/credentials/AMI__SECRET) {ours} doctor"
        await machine.run(f"{program} {here.setup} --apply --json --site {SITE}")
        socket = machine.inside("/var/lib/siaga112/redis/redis.sock")
        with Redis(unix_socket_path=str(socket)) as client:
            loaded(client, HELD)
        assert "fail  Redis of before" in await machine.run(doctor)
        assert "migrate --from-redis" in await machine.run(f"{program} {here.setup} --plan")
        made = json.loads(await machine.run(f"{program} {here.setup} --apply --json"))
        print(f"setup --apply of an older installation: {made['seconds']} s")
        assert [step["step"] for step in made["steps"]] == ["units", "older"]
        assert any(line.startswith("warn  Redis of before") for line in made["doctor"]), made["doctor"]
        blocked = json.loads(await machine.run(f"{ours} blocks --json"))
        assert BY_HAND in {row["caller"] for row in blocked}
        assert (json.loads(await machine.run(f"{program} {here.setup} --apply --json")))["steps"] == []
        assert "is deleted" in await machine.run(f"{ours} migrate --forget-old")
        assert "ok    Redis of before" in await machine.run(doctor)


@pytest.mark.parametrize(
    "moments",
    [
        pytest.param(("units ran systemctl start", "guard ran"), id="some"),
        pytest.param(
            (
                *("account noted", "account wrote", "account ran", "units noted", "units wrote"),
                *(
                    "units ran systemctl daemon-reload",
                    "units ran systemctl enable",
                    "units ran systemctl start",
                    "units done",
                ),
                *("guard noted", "guard wrote", "guard ran", "guard done"),
            ),
            id="all",
            marks=[pytest.mark.night, pytest.mark.timeout(1_200)],
        ),
    ],
)
async def test_killed_amid_the_machines_part_calls_go_on_and_a_second_setup_completes_it(
    moments: tuple[str, ...],
) -> None:
    """After SIGKILL at a point of this part a call reaches the menu, and a second setup completes it."""
    async with in_service() as here:
        machine, before = here.machine, await here.files()
        for moment in moments:
            at = f"KILL_AT={shlex.quote(moment)}"
            said = await machine.run(
                f"{at} /opt/siaga112/bin/killed {here.setup} --apply --json --site serang; echo code=$?"
            )
            assert said.endswith("code=137"), (moment, said)
            await here.call()
            setup = f"/opt/siaga112/bin/siaga112 {here.setup}"
            made = json.loads(await machine.run(f"{setup} --apply --json --site serang"))
            assert made["applied"], moment
            assert await machine.run("systemctl is-active siaga112-screen siaga112-track") == "active\nactive"
            assert (json.loads(await machine.run(f"{setup} --apply --json")))["steps"] == [], moment
            assert "undone" in await machine.run(f"{setup} --undo"), moment
            assert await here.files() == before, moment
            await machine.run(FRESH)  # undo keeps the user; the next setup must create it again
