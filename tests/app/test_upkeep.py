"""Backup, restore, move and upgrade of the records, by the commands that the manual names."""

import asyncio
import re
import shlex
import sys
from pathlib import Path
from typing import Final

import pytest
from sqlalchemy import text

from siaga112.app import upkeep
from siaga112.app.records import DATABASE
from siaga112.core.model import Level
from siaga112.settings.schema import Settings
from tests.cli.shell import NUMBER, Shell, live, shell
from tests.lab.postgres import postgres
from tests.lab.stores import site_store
from tests.samples import CALLER

__all__ = ["live", "shell"]

pytestmark = pytest.mark.redis

MANUAL: Final = Path(__file__).parents[2] / "docs" / "manual.md"


def lines_of_the_chapter() -> list[str]:
    """Return the shell lines of the chapter, in order."""
    chapter = (
        MANUAL.read_text("utf-8").partition("### Backup, restore, move, upgrade\n")[2].partition("\n### ")[0]
    )
    typed = re.findall(r"^```sh\n(.*?)^```", chapter, re.DOTALL | re.MULTILINE)
    return [line for block in typed for line in block.splitlines()]


@pytest.fixture
def admin(live: Shell) -> Shell:
    """Return a shell that has the chapter's programs; `systemctl` only records its arguments."""
    (live.home / "bin").mkdir()
    siaga112 = shlex.join((sys.executable, "-m", "siaga112"))
    for name, does in {
        "siaga112": f'exec {siaga112} "$@"',
        "runuser": 'while [ "$1" != -- ]; do shift; done; shift; exec "$@"',
        "systemctl": f'echo "$*" >> {live.home}/asked',
    }.items():
        program = live.home / "bin" / name
        program.write_text(f"#!/bin/sh\n{does}\n")
        program.chmod(0o755)
    (live.home / "state" / "backups").mkdir()
    return live


async def typed(admin: Shell, line: str) -> str:
    """Run a line of the chapter; return its output."""
    line = line.replace("/var/lib/siaga112", str(admin.home / "state"))
    process = await asyncio.create_subprocess_exec(
        *("sh", "-ec", line),
        env={**admin.environ, "PATH": f"{admin.home}/bin:{admin.environ['PATH']}"},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(60):
        out, err = await process.communicate()
    assert process.returncode == 0, (line, err.decode())
    return out.decode()


@pytest.mark.postgresql
async def test_the_chapter_to_the_letter(admin: Shell) -> None:
    """A backup can be restored here and on PostgreSQL, and undoes what was decided after it."""
    enable, start, backup, restore, migrate, move, begin, rebuild = lines_of_the_chapter()
    await typed(admin, enable)
    await typed(admin, start)
    (await admin("block", NUMBER, "--permanent", "--reason", "threats")).done()
    assert "3 calls, 1 caller, 1 block" in await typed(admin, backup)
    (await admin("unblock", NUMBER, "--reason", "after the backup")).done()
    assert "restored 3 calls" in await typed(admin, restore)
    store = site_store(admin.home / "state", "lab")
    await store.published()
    assert (await store.standing(CALLER)).level is Level.PERMANENT
    told = [line.action for line in await store.audit_entries(0, 1 << 60)]
    assert told == ["block", "restore"]
    await store.close()
    with postgres() as server:
        admin.write(database=f'url = "{server.url}"')
        assert await typed(admin, migrate) == "created the tables, version 0001\n"
        assert "restored 3 calls" in await typed(admin, move)
        await typed(admin, begin)
        assert await typed(admin, rebuild) == "the block list is whole: 1 caller\n"
        (held,) = (await admin("blocks", "--json")).json
        assert held["caller"] == CALLER
    asked = (admin.home / "asked").read_text().splitlines()
    assert asked == [
        "enable --now siaga112-backup.timer",
        "start siaga112-backup",
        "start siaga112.target",
    ]


@pytest.mark.postgresql
async def test_a_statement_of_upkeep_may_take_long(monkeypatch: pytest.MonkeyPatch) -> None:
    """A statement of upkeep, such as deleting all calls, may take longer than upkeep waits for others."""
    monkeypatch.setattr(upkeep, "LOCK_SECONDS", 0.5)
    with postgres() as server:
        settings = Settings.model_validate({"site": "lab", "database": {"url": server.url}})
        async with upkeep.opened_records(settings) as records:
            upkeep.migrate(settings)
            await records.ask(lambda connection: connection.execute(text("SELECT pg_sleep(1)")).all())


async def test_a_restore_over_what_is_there_is_asked_for(live: Shell) -> None:
    """A restore over existing records needs `--replace`."""
    backup = str(live.home / "backup.zip")
    (await live("backup", backup)).done()
    said = (await live("restore", backup)).failed(1)
    assert "to replace them with the backup: --replace" in said
    (await live("restore", backup, "--replace")).done()


async def test_another_sites_backup_and_what_is_none_are_refused(live: Shell) -> None:
    """Another site's backup, and a file that is no backup, are refused in one line."""
    backup, junk = live.home / "backup.zip", live.home / "junk.zip"
    (await live("backup", str(backup))).done()
    junk.write_bytes(b"no backup")
    assert "not a complete siaga112 backup" in (await live("restore", str(junk), "--replace")).failed(1)
    live.environ["SIAGA112_SITE"] = "another"
    assert 'the backup is of site "lab"' in (await live("restore", str(backup), "--replace")).failed(1)


async def test_migrating_twice_is_once(shell: Shell) -> None:
    """`migrate` creates the tables once, and then says that they are there."""
    (shell.home / "state").mkdir(mode=0o700)
    assert (await shell("migrate")).done() == "created the tables, version 0001\n"
    assert (shell.home / "state" / DATABASE).stat().st_mode & 0o777 == 0o600
    assert (await shell("migrate")).done() == "the tables have version 0001 already\n"
