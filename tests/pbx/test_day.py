"""The day of the demo, on both PBXs."""

import stat
from pathlib import Path
from typing import get_args

import pytest

from tests.lab import Version, find
from tests.lab.daemon import running
from tests.lab.day import CONFIG, Day, centre

pytestmark = pytest.mark.pbx


@pytest.mark.parametrize("version", get_args(Version))
async def test_the_day_comes_out_as_expected(version: Version) -> None:
    """Every call of the day gets the outcome, the strike and the block that it should, on this PBX."""
    async with (
        centre(find(version)) as (pbx, phone),
        await pbx.observe() as seen,
        running(pbx, CONFIG) as daemon,
    ):
        day = Day(pbx, daemon, seen, phone)
        rows = [row async for row in day.rows()]
        broken = [line for line in daemon.lines if line["event"] in {"not json", "unexpected"}]
        rights = {
            path.relative_to(daemon.folder): stat.S_IMODE(path.lstat().st_mode)
            for path in (daemon.folder / "state", *(daemon.folder / "state").rglob("*"))
        }
        # chan_pjsip warns if a caller is gone before Answer(), which is no fault of our files.
        warnings = [line for line in pbx.warnings() if "Session already DISCONNECTED" not in line]
    assert [row for row in rows if not row.ok] == []
    assert day.calls == 39
    assert broken == []
    assert {Path("state"), Path("state/outbox.db"), Path("state/outbox.db-wal"), Path("state/redis")} <= set(
        rights
    )
    assert {path: oct(mode) for path, mode in rights.items() if mode & 0o077} == {}
    assert warnings == []
