"""The mode in the state directory: a switch to off that anybody can make, and the last known mode."""

import os
import stat
from pathlib import Path

import pytest

from siaga112.adapters.mode_files import ModeFiles
from siaga112.core.mode import Switch
from siaga112.core.model import Mode
from tests.samples import NOW

OFF = Switch(Mode.OFF, NOW, "ratna", "banjir di pelabuhan \u2028\n")


@pytest.fixture
def files(tmp_path: Path) -> ModeFiles:
    """Return the files of a state directory."""
    return ModeFiles(tmp_path, "serang")


def test_what_is_written_is_read_again(files: ModeFiles, tmp_path: Path) -> None:
    """A switch is read back with who, when and why, from private files, and nothing else is left there."""
    assert files.held_off() is None
    assert files.kept() is None
    assert files.hold_off(OFF)
    files.keep(OFF)
    assert files.held_off() == OFF
    assert files.kept() == OFF
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mode", "off"]
    assert {stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()} == {0o600}
    assert files.release()
    assert not files.release()
    assert files.held_off() is None


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"off",
        b"\0\xff",
        b"[" * 100_000,
        b"null",
        b"{}",
        b'{"site":"serang","switch":{"mode":"enforce"}}',
    ],
)
def test_the_switch_is_the_name_of_the_file(files: ModeFiles, tmp_path: Path, content: bytes) -> None:
    """A file named `off` means off, whatever is in it; the same content as last known mode is ignored."""
    (tmp_path / "off").write_bytes(content)
    (tmp_path / "mode").write_bytes(content)
    assert files.held_off() == Switch(Mode.OFF)
    assert files.kept() is None


@pytest.mark.parametrize("kind", ["folder", "fifo", "loose link", "link to a device"])
def test_an_odd_file_is_off_too_and_is_not_waited_for(files: ModeFiles, tmp_path: Path, kind: str) -> None:
    """A folder, FIFO or link named `off` means off too, and is neither followed nor waited for."""
    for name in ("off", "mode"):
        match kind:
            case "folder":
                (tmp_path / name).mkdir()
            case "fifo":
                os.mkfifo(tmp_path / name)
            case "loose link":
                (tmp_path / name).symlink_to(tmp_path / "nowhere")
            case _:
                (tmp_path / name).symlink_to("/dev/zero")
    assert files.held_off() == Switch(Mode.OFF)
    assert files.kept() is None


def test_nothing_is_written_through_a_link(files: ModeFiles, tmp_path: Path) -> None:
    """A switch replaces a link, and the file that the link points to stays as it is."""
    theirs = tmp_path / "theirs"
    theirs.write_text("theirs")
    for name in ("off", "mode"):
        (tmp_path / name).symlink_to(theirs)
    files.keep(OFF)
    files.hold_off(OFF)
    assert theirs.read_text() == "theirs"
    assert files.held_off() == OFF


def test_another_site_is_another_site(tmp_path: Path) -> None:
    """In another site's state directory the last known mode is ignored, but `off` means off."""
    theirs = ModeFiles(tmp_path, "cilegon")
    theirs.keep(OFF)
    theirs.hold_off(OFF)
    files = ModeFiles(tmp_path, "serang")
    assert files.kept() is None
    assert files.held_off() == Switch(Mode.OFF)


def test_without_a_state_directory_there_is_no_daemon_to_switch(tmp_path: Path) -> None:
    """Without a state directory, nothing is made and no switch is written."""
    files = ModeFiles(tmp_path / "none", "serang")
    assert not files.hold_off(OFF)
    assert not files.release()
    assert files.held_off() is None
    assert not (tmp_path / "none").exists()


def test_a_full_disk_has_room_for_the_switch(
    files: ModeFiles, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a full disk the switch loses who, when and why, but off is off."""

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    assert files.hold_off(OFF)
    assert files.held_off() == Switch(Mode.OFF)
    assert [path.name for path in tmp_path.iterdir()] == ["off"]
