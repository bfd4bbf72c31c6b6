"""`siaga112 files`, from the wheel, in an environment that has nothing else of ours."""

import json
import os
import subprocess
import sys
import sysconfig
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from siaga112 import share

ROOT = Path(__file__).parents[1]
USER_FILE = "manager.d/siaga112.conf"

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the wheel, by way of the sdist, as `pip wheel` would from a release."""
    folder = tmp_path_factory.mktemp("dist")
    build = [sys.executable, "-m", "hatchling", "build", "-d", str(folder)]
    subprocess.run([*build, "-t", "sdist"], cwd=ROOT, check=True, capture_output=True, timeout=60)
    (sdist,) = folder.glob("*.tar.gz")
    subprocess.run(["tar", "xzf", sdist, "-C", folder], check=True, timeout=60)
    unpacked = folder / sdist.name.removesuffix(".tar.gz")
    subprocess.run([*build, "-t", "wheel"], cwd=unpacked, check=True, capture_output=True, timeout=60)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def siaga112(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Install the wheel alone into a fresh environment; it borrows the libraries of this one."""
    home = tmp_path_factory.mktemp("venv")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", home], check=True, timeout=60)
    pip = [sys.executable, "-m", "pip", "--python", str(home / "bin/python")]
    subprocess.run([*pip, "install", "-q", "--no-deps", "--no-index", wheel], check=True, timeout=60)
    environ = {**os.environ, "PYTHONPATH": sysconfig.get_path("purelib")}

    def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
        command = [home / "bin/siaga112", *arguments]
        return subprocess.run(
            command, env=environ, cwd=home, check=False, capture_output=True, text=True, timeout=60
        )

    return run


def rows(ended: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    """Read what it listed, by file."""
    assert ended.returncode == 0, ended.stderr
    return {row["file"]: row for row in json.loads(ended.stdout)}


def ours(name: str) -> str:
    """Read one of our files in the checkout."""
    return (ROOT / "asterisk" / name).read_text("utf-8")


def test_the_wheel_carries_every_file(wheel: Path) -> None:
    """What lies in asterisk/ and config/ of the checkout is in the wheel's share, byte for byte."""
    with zipfile.ZipFile(wheel) as archive:
        for folder in ("asterisk", "config", "systemd"):
            for path in (path for path in (ROOT / folder).rglob("*") if path.is_file()):
                name = f"siaga112/share/{path.relative_to(ROOT).as_posix()}"
                assert archive.read(name) == path.read_bytes()


def test_every_file_is_in_one_set() -> None:
    """No file is forgotten, and none is copied twice."""
    listed = [path for name in share.SETS for _, path in share.files(name)]
    there = [
        p for folder in ("asterisk", "config", "systemd") for p in (ROOT / folder).rglob("*") if p.is_file()
    ]
    assert sorted(listed) == sorted(p for p in there if p.name not in {"make-prompts", "prompts.toml"})


def test_it_lists_what_there_is_and_where_it_goes(siaga112: Run) -> None:
    """Without --to: each file at its usual place, and nothing is written."""
    found = rows(siaga112("files", "--json"))
    assert found["/etc/asterisk/extensions_siaga112.conf"]["set"] == "asterisk"
    assert found["/usr/share/asterisk/sounds/id/siaga112/menu.wav"]["set"] == "sounds"
    assert found["/etc/prometheus/siaga112.rules.yml"]["set"] == "prometheus"
    assert {row["writes"] for row in found.values()} == {None}


def test_it_copies_a_set_into_a_folder(siaga112: Run, tmp_path: Path) -> None:
    """Byte for byte, with the folders in it; again, and there is nothing left to do."""
    found = rows(siaga112("files", "asterisk", "--to", tmp_path, "--json"))
    assert {row["there"] for row in found.values()} == {"absent"}
    assert (tmp_path / USER_FILE).read_text("utf-8") == ours(USER_FILE)
    assert (tmp_path / "extensions_siaga112.conf").read_text("utf-8") == ours("extensions_siaga112.conf")
    again = rows(siaga112("files", "asterisk", "--to", tmp_path, "--json"))
    assert {(row["there"], row["writes"]) for row in again.values()} == {("same", None)}


def test_it_never_overwrites_what_somebody_edited(siaga112: Run, tmp_path: Path) -> None:
    """The edited file stays, ours is written beside it, once; what Asterisk includes (*.conf) is not ours."""
    siaga112("files", "asterisk", "--to", tmp_path)
    edited = ours(USER_FILE).replace("change-me", "a secret of our own")
    (tmp_path / USER_FILE).write_text(edited, "utf-8")
    beside = tmp_path / "manager.d/siaga112.conf.new"
    planned = rows(siaga112("files", "asterisk", "--to", tmp_path, "--dry-run", "--json"))
    assert planned[str(tmp_path / USER_FILE)]["writes"] == str(beside)
    assert not beside.exists()
    done = rows(siaga112("files", "asterisk", "--to", tmp_path, "--json"))
    assert done == planned
    assert (tmp_path / USER_FILE).read_text("utf-8") == edited
    assert beside.read_text("utf-8") == ours(USER_FILE)
    again = rows(siaga112("files", "asterisk", "--to", tmp_path, "--json"))
    assert {row["writes"] for row in again.values()} == {None}


def test_it_shows_what_ours_would_change(siaga112: Run, tmp_path: Path) -> None:
    """--diff writes nothing, and prints a unified diff from the file that is there to ours."""
    siaga112("files", "asterisk", "--to", tmp_path)
    (tmp_path / USER_FILE).write_text(ours(USER_FILE).replace("change-me", "our own"), "utf-8")
    before = sorted(tmp_path.rglob("*"))
    ended = siaga112("files", "asterisk", "--to", tmp_path, "--diff")
    assert "-secret = our own\n+secret = change-me\n" in ended.stdout
    assert ended.stdout.count("@@") == 2
    assert sorted(tmp_path.rglob("*")) == before


def test_all_sets_go_into_folders_of_their_names(siaga112: Run, tmp_path: Path) -> None:
    """Without a set: everything, to look at or to pack up."""
    assert siaga112("files", "--to", tmp_path).returncode == 0
    assert (tmp_path / "sounds/en/siaga112/menu.wav").is_file()
    assert (tmp_path / "config/siaga112.toml").is_file()
    assert (tmp_path / "asterisk/extensions_siaga112.conf").is_file()


def test_a_place_that_cannot_be_written_is_told_in_a_line(siaga112: Run, tmp_path: Path) -> None:
    """A file where a folder should be: one line that names it, and no traceback."""
    (tmp_path / "in the way").write_text("")
    ended = siaga112("files", "config", "--to", tmp_path / "in the way")
    assert ended.returncode == 1
    assert ended.stderr.startswith("siaga112: ")
    assert len(ended.stderr.splitlines()) == 1
    assert "in the way" in ended.stderr


def test_an_unknown_set_is_a_usage_error(siaga112: Run) -> None:
    """The known ones are named."""
    ended = siaga112("files", "asterix")
    assert ended.returncode == 2
    assert "asterisk" in ended.stderr
