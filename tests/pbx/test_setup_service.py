"""`siaga112 setup` with the daemon's user and units, under a real systemd on a machine of its own."""

import json
import os
import shlex
import tempfile
from pathlib import Path
from typing import Final

import pytest

from tests.lab import find
from tests.lab.systemd import Machine, runs_here
from tests.pbx.foreign import Plain

pytestmark = [pytest.mark.pbx, pytest.mark.skipif(bool(runs_here()), reason=runs_here())]

CONFIG: Final = 'site = "before"\n[pbx]\ntrunk_contexts = ["none"]\n'
FRESH: Final = """
systemctl disable --now siaga112.target siaga112-screen siaga112-track siaga112-screen.socket
rm -rf /etc/systemd/system/siaga112* /etc/siaga112 /var/lib/siaga112 /etc/sysusers.d/siaga112.conf
systemctl daemon-reload
userdel siaga112
"""
"""As a machine is that has only the program."""


async def test_setup_starts_the_daemon_and_undo_leaves_no_unit() -> None:
    """The user is made, the units run, the doctor is content; then a second run has nothing to do."""
    with tempfile.TemporaryDirectory(prefix="s112-service-", dir="/var/tmp") as name:
        folder = Path(name)
        os.chmod(folder, 0o755)  # noqa: S103, PTH101 - the machine looks in
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
        console = shlex.join(pbx.console_command)
        async with Machine.boot(CONFIG) as machine:
            await machine.run(FRESH)
            assert await machine.run("id siaga112 2>&1 | grep -c uid=") == "0"
            program = machine.inside("/usr/local/bin/asterisk")
            program.write_text(f'#!/bin/sh\nexec {console} "$@"\n')
            program.chmod(0o755)
            await machine.run("setsid asterisk -f -q </dev/null >/dev/null 2>&1 &")
            await machine.until("asterisk -rx 'core waitfullybooted' | grep -c 'fully booted'", "1")
            before = await machine.run(f"cd {folder}/etc && sha256sum *")
            setup = f"/opt/siaga112/bin/siaga112 setup --asterisk-conf {folder}/etc/asterisk.conf"

            said = await machine.run(f"{setup} --apply --json --site serang; echo; echo code=$?")
            made = json.loads(said.rpartition("\ncode=")[0])
            print(f"setup --apply with its units: {made['seconds']} s")
            told = made["doctor"]
            assert [line for line in told if line.startswith(("fail", "-"))] == [], told
            assert [line for line in told if line.startswith("warn") and "func_config" not in line] == [], (
                told
            )
            assert made["seconds"] < 60
            for unit in ("siaga112-screen", "siaga112-track"):
                assert await machine.run(f"systemctl is-active {unit}") == "active"
                assert await machine.run(f"systemctl is-enabled {unit}") == "enabled"
            assert await machine.run("stat -c '%U %a' /etc/siaga112/credentials/AMI__SECRET") == "root 600"
            assert "siaga112" in await machine.run("asterisk -rx 'manager show connected'")

            again = json.loads(await machine.run(f"{setup} --apply --json"))
            assert (again["changed"], again["notes"]) == (False, [])

            assert "undone" in await machine.run(f"{setup} --undo")
            assert await machine.run("systemctl is-active siaga112-screen") == "inactive"
            assert await machine.run("ls /etc/systemd/system | grep -c siaga112-") == "0"
            assert await machine.run("ls /etc/siaga112 2>&1 | grep -c AMI") == "0"
            assert await machine.run(f"cd {folder}/etc && sha256sum *") == before
