"""Files that commands write: for their owner only, never through a link, and whole or not at all."""

import os
import stat
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import pytest

from siaga112.errors import SiagaError
from siaga112.settings.schema import RUNBOOK_URL
from siaga112.shipped.copying import plan
from siaga112.terminal import outfile
from tests.cli.test_manners import run
from tests.faults.conftest import redis, rig
from tests.lab.redis_servers import RedisServer

__all__ = ["redis"]

OLD: Final = "the report of last month\n"
WRITERS: Final = (
    ("export",),
    ("report", "--format", "html"),
    ("report", "--format", "json"),
    ("report", "--format", "csv"),
)


def names(folder: Path) -> list[str]:
    """Return the names in a folder, sorted."""
    return sorted(path.name for path in folder.iterdir())


def mode(path: Path) -> str:
    """Return the permissions of a file, as `stat -c %a` prints them."""
    return f"{stat.S_IMODE(path.lstat().st_mode):o}"


@pytest.mark.slow
@pytest.mark.redis
async def test_what_tells_of_callers_is_for_its_owner_alone(redis: RedisServer, tmp_path: Path) -> None:
    """Exports, reports and captures have mode 0600, even where they replace a file that all could read."""
    async with rig(redis) as found:
        for nth, words in enumerate(WRITERS):
            path = tmp_path / str(nth)
            path.write_text(OLD)
            path.chmod(0o644)
            await found.done(*words, "--from", "2019-02-11", "--output", str(path))
            assert mode(path) == "600"
            assert path.read_text() != OLD
        capture = tmp_path / "capture.ami"
        await found.done("record", str(capture), "--for", "500ms")
        assert mode(capture) == "600"
    assert names(tmp_path) == ["0", "1", "2", "3", "capture.ami"]


@pytest.mark.parametrize("words", WRITERS, ids="-".join)
def test_without_redis_the_old_file_stays(words: tuple[str, ...], tmp_path: Path) -> None:
    """If Redis cannot be reached, `--output` leaves the old file as it is, and no other file."""
    path = tmp_path / "report"
    path.write_text(OLD)
    nobody = f"unix://{tmp_path}/nobody.sock"
    ended = run(*words, "--from", "2019-02-11", "--output", str(path), SIAGA112_REDIS__URL=nobody)
    assert ended.returncode == 4, ended.stderr
    assert path.read_text() == OLD
    assert list(tmp_path.iterdir()) == [path]


def test_a_full_disk_is_one_line(tmp_path: Path) -> None:
    """A full device gives its error when it is written to, and a link to a device is refused."""
    (tmp_path / "link").symlink_to("/dev/null")
    with pytest.raises(OSError, match="No space left"):  # noqa: SIM117 - the error may come when the file is closed
        with outfile.replacing(Path("/dev/full")) as file:
            file.write(b"x")
    with pytest.raises(outfile.LinkError), outfile.replacing(tmp_path / "link"):
        pass


def leads_file(folder: Path, victim: Path) -> None:
    """Put a link to the victim's file where ours would be written."""
    folder.mkdir()
    (folder / "siaga112.toml").symlink_to(victim)


def leads_nowhere(folder: Path, victim: Path) -> None:
    """Do the same after deleting the victim's file."""
    victim.unlink()
    leads_file(folder, victim)


@pytest.mark.parametrize("trap", [leads_file, leads_nowhere])
def test_files_writes_through_no_link(trap: Callable[[Path, Path], None], tmp_path: Path) -> None:
    """If somebody put a link into the target folder, `files` does not write to where the link points."""
    victim, folder = tmp_path / "shadow", tmp_path / "to"
    victim.write_text(OLD)
    trap(folder, victim)
    (chosen,) = [c for c in plan("config", folder, RUNBOOK_URL) if c.target.name == "siaga112.toml"]
    with suppress(SiagaError):  # refused, or written beside the link
        chosen.write()
    assert not victim.exists() or victim.read_text() == OLD


def test_files_goes_through_no_linked_folder(tmp_path: Path) -> None:
    """`files` refuses a linked folder below the target, as it could lead anywhere."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (tmp_path / "to").mkdir()
    (tmp_path / "to" / "manager.d").symlink_to(elsewhere)
    copies: list[Any] = [
        c for c in plan("asterisk", tmp_path / "to", RUNBOOK_URL) if c.target.parent.name == "manager.d"
    ]
    assert copies
    for copy in copies:
        with pytest.raises(SiagaError, match="is a link"):
            copy.write()
    assert list(elsewhere.iterdir()) == []


@pytest.mark.parametrize("named", [False, True], ids=["no name meanwhile", "a file system without O_TMPFILE"])
def test_what_fails_leaves_nothing(named: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: FBT001 - pytest passes it by name
    """A Ctrl-C while a file is written leaves the old file, and no other."""
    if named:
        monkeypatch.setattr(os, "O_TMPFILE", os.O_DIRECTORY)  # so that opening "." fails
    path = tmp_path / "report"
    path.write_text(OLD)
    with pytest.raises(KeyboardInterrupt), outfile.replacing(path):
        raise KeyboardInterrupt
    assert path.read_text() == OLD
    assert list(tmp_path.iterdir()) == [path]
    with outfile.replacing(path) as file:
        file.write(b"whole")
    assert (path.read_text(), mode(path)) == ("whole", "600")
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("unit", ["siaga112-screen.service", "siaga112-track.service"])
def test_no_core_is_written(unit: str) -> None:
    """A daemon that dies writes no core dump, which would hold callers' numbers and secrets."""
    text = (Path(__file__).parents[2] / "config/systemd" / unit).read_text("utf-8")
    assert "\nLimitCORE=0\n" in text
