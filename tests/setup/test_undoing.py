"""Steps done and undone on real files, with a console that agrees to everything."""

import os
import stat
from collections.abc import Sequence
from contextlib import AbstractContextManager
from errno import ENOSPC
from pathlib import Path
from typing import BinaryIO

import pytest

from siaga112.setup import looking, session, showing
from siaga112.setup.doing import Doer
from siaga112.setup.journal import Journal
from siaga112.setup.looking import Console
from siaga112.setup.questions import Answers
from siaga112.setup.steps import Plan, Step, Write
from siaga112.terminal import outfile
from siaga112.words import Language, tongue
from tests.setup.found import PLAIN, SECRET, facts

OURS = "#tryinclude ours.conf\n"


def quiet(_: str) -> None:
    """Print nothing."""


@pytest.fixture(autouse=True)
def a_console_that_agrees(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Put an `asterisk` first on PATH that says yes to everything."""
    program = tmp_path / "bin/asterisk"
    program.parent.mkdir()
    program.write_text(
        "#!/bin/sh\n"
        'case "$*" in\n'
        f'*"core show settings") echo "  Configuration directory:     {tmp_path}/etc";;\n'
        "*reload) echo Dialplan reloaded;;\n"
        "esac\n",
        "utf-8",
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(program.parent), prepend=os.pathsep)


class Bench:
    """A folder in which setup has made its steps."""

    def __init__(self, folder: Path) -> None:
        self.etc, self.kept = folder / "etc", folder / "kept"
        self.etc.mkdir()
        self.options = session.Options(
            self.etc / "siaga112.toml", str(self.etc / "asterisk.conf"), self.kept, Answers()
        )

    def applied(self, writes: Sequence[Write]) -> None:
        """Execute a plan of one step that writes these files."""
        notes = Journal.locked(self.kept)
        doer = Doer(Console(self.options.asterisk_conf), notes, quiet)
        doer.apply(Plan((Step("some", "Some files", tuple(writes)),)), facts(PLAIN))
        notes.close()

    def shown(self) -> list[str]:
        """Return what an undo shows."""
        return list(session.undoing(Journal(self.kept), self.options, quiet))

    def undone(self) -> list[str]:
        """Undo; return what is left."""
        notes = Journal.locked(self.kept)
        try:
            return session.undo(self.options, notes, quiet)
        finally:
            notes.close()


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    """Give an empty folder."""
    return Bench(tmp_path)


def edit(path: Path, after: bytes) -> Write:
    """Return the write that changes a file."""
    return Write(str(path), after, path.read_bytes())


def test_a_mode_that_was_set_since_stays_when_setup_is_undone(bench: Bench) -> None:
    """Somebody has hidden the passwords in manager.conf meanwhile: an undo does not show them to all."""
    path = bench.etc / "manager.conf"
    path.write_text("[general]\n", "utf-8")
    path.chmod(0o644)
    bench.applied([edit(path, b"[general]\n#tryinclude ours.conf\n")])
    path.chmod(0o640)
    assert bench.undone() == []
    assert path.read_text("utf-8") == "[general]\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


def test_our_lines_go_from_a_file_that_is_no_utf_8_and_was_edited_since(bench: Bench) -> None:
    """A comment in Latin-1 is no reason to leave our line behind, and the edit stays."""
    path = bench.etc / "extensions.conf"
    path.write_bytes(b"; caf\xe9\n[a]\n")
    bench.applied([edit(path, b"; caf\xe9\n[a]\n" + OURS.encode())])
    path.write_bytes(b"; mine\n" + path.read_bytes())
    assert any("+; mine" in line for line in bench.shown())
    assert bench.undone() == []
    assert path.read_bytes() == b"; mine\n; caf\xe9\n[a]\n"


def test_an_undo_shows_no_secret(bench: Bench) -> None:
    """Neither ours, whose file goes away, nor those beside our lines and beside edits."""
    secret, user, manager = (bench.etc / name for name in ("AMI__SECRET", "ours.conf", "manager.conf"))
    manager.write_text("[admin]\nsecret=amp111\n", "utf-8")
    bench.applied(
        [
            Write(str(secret), f"{SECRET}\n".encode(), None, 0o600),
            Write(str(user), f"[siaga112]\nsecret = {SECRET}\nread = call\n".encode(), None, 0o640),
            edit(manager, f"[admin]\nsecret=amp111\n{OURS}".encode()),
        ]
    )
    with user.open("a", encoding="utf-8") as file:
        file.write("; mine\n")
    shown = "\n".join(bench.shown())
    assert "; mine" in shown
    assert f"-{OURS.strip()}" in shown
    assert SECRET not in shown
    assert "amp111" not in shown


def test_a_file_of_ours_is_known_again_where_its_folder_is_a_link(bench: Bench) -> None:
    """Asterisk's configuration may be on a shared disk: an upgrade there may rewrite our files."""
    real = bench.etc.with_name("shared")
    bench.etc.rename(real)
    bench.etc.symlink_to(real)
    (real / "asterisk.conf").write_text("[options]\n", "utf-8")
    path, older = str(bench.etc / "extensions_siaga112.conf"), b"; an older one\n"
    bench.applied([Write(path, older, None)])
    facts_ = looking.look(
        Console(bench.options.asterisk_conf),
        bench.options.asterisk_conf,
        looking.places(bench.options.config),
        Journal(bench.kept).installed,
        (),
    )
    assert facts_.there[path] == older
    assert facts_.installed[path] == looking.digest(older)


def test_a_plan_shows_what_it_changes_in_a_file_that_is_no_utf_8(bench: Bench) -> None:
    """Nobody is asked to agree to a change of the dialplan that is called a sound."""
    path = bench.etc / "extensions.conf"
    path.write_bytes(b"; caf\xe9\n[a]\n")
    step = Step("some", "Some files", (edit(path, path.read_bytes() + OURS.encode()),))
    shown = list(showing.text(Plan((step,)), "", tongue(Language.EN)))
    assert f"+{OURS.strip()}" in shown
    assert not any("sound" in line for line in shown)


def test_what_a_full_disk_keeps_from_being_undone_is_undone_later(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The earlier file stays beside until it is back in its place."""
    path = bench.etc / "extensions.conf"
    path.write_text("[a]\n", "utf-8")
    bench.applied([edit(path, b"[a]\n" + OURS.encode())])
    really = outfile.replacing

    def replacing(to: Path, mode: int = outfile.PRIVATE) -> AbstractContextManager[BinaryIO]:
        if to == path:
            raise OSError(ENOSPC, os.strerror(ENOSPC))
        return really(to, mode)

    with monkeypatch.context() as full:
        full.setattr(outfile, "replacing", replacing)
        assert bench.undone() == [f"{path}: the disk is full"]
    assert bench.undone() == []
    assert path.read_text("utf-8") == "[a]\n"
