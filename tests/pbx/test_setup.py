"""`siaga112 setup` beside real PBXs without siaga112: applied, killed halfway, and undone."""

import asyncio
import fcntl
import json
import os
import shlex
import signal
import sys
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest

from tests.lab import Observer, Version, find, ports
from tests.lab.terminal import terminal
from tests.pbx.foreign import Foreign, FreePbx, LabAdmin, Plain
from tests.pbx.test_install import both_halves, served
from tests.waiting import output

pytestmark = pytest.mark.pbx

MOST_SECONDS: Final = 60.0
"""The longest that `setup --apply` may take."""

KILLED: Final = """
import os, signal, sys
from siaga112.setup import doing
seen = open(os.environ["SEEN"], "a", buffering=1)
def point(name, left=[int(os.environ["KILL_AT"])]):
    print(name, file=seen)
    left[0] -= 1
    if left[0] == 0:
        os.kill(os.getpid(), signal.SIGKILL)
doing.point = point
from siaga112.cli import main
main()
"""
"""The program; it writes each point that it reaches to SEEN, and is killed at point number KILL_AT."""

OLDER: Final = """
from dataclasses import replace
from siaga112.setup import looking
name, ours = "asterisk/extensions_siaga112.conf", looking.ours()
looking.ours = lambda: replace(ours, texts={**ours.texts, name: ours.texts[name] + "; an older one\\n"})
from siaga112.cli import main
main()
"""
"""The program as an older version, with another text of extensions_siaga112.conf."""

KINDS: Final = [
    pytest.param("22", Plain, "from-telco", id="22-plain"),
    pytest.param("16", Plain, "from-telco", id="16-plain", marks=pytest.mark.night),
    pytest.param("22", FreePbx, "from-pstn", id="22-freepbx", marks=pytest.mark.night),
    pytest.param("16", FreePbx, "from-trunk-sip-telco", id="16-freepbx"),
]


@dataclass(frozen=True)
class Ran:
    """How a setup ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The JSON that it printed."""
        return json.loads(self.out)


@dataclass(frozen=True)
class Bench:
    """A PBX, its admin, and an observer of its events."""

    pbx: Foreign
    admin: LabAdmin
    seen: Observer
    environ: dict[str, str]

    def command(self, *words: str, program: tuple[str, ...] = ("-m", "siaga112")) -> tuple[str, ...]:
        """Return the command line of a setup."""
        return (
            *(sys.executable, *program, "--config", str(self.admin.home / "siaga112/siaga112.toml")),
            *("setup", "--no-service", "--kept", str(self.admin.home / "kept")),
            *("--asterisk-conf", str(self.pbx.folder / "etc/asterisk.conf"), *words),
        )

    async def setup(self, *words: str, kill_at: int = 0, program: str = "", **environ: str) -> Ran:
        """Run `siaga112 setup` without a terminal."""
        script = KILLED if kill_at else program
        process = await asyncio.create_subprocess_exec(
            *self.command(*words, program=("-c", script) if script else ("-m", "siaga112")),
            env={
                **self.admin.environ,
                "KILL_AT": str(kill_at),
                "SEEN": str(self.admin.home / "moments"),
                **environ,
            },
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        out, err = await output(process, f"setup {shlex.join(words)}")
        return Ran(process.returncode or 0, out.decode(), err.decode())

    def files(self) -> dict[str, tuple[int, bytes]]:
        """Return mode and content of all files of the PBX's configuration and sounds, and of siaga112's."""
        folders = (self.pbx.folder / "etc", self.pbx.folder / "data/sounds", self.admin.home / "siaga112")
        return {
            str(path): (path.stat().st_mode, path.read_bytes())
            for folder in folders
            for path in sorted(folder.rglob("*"))
            if path.is_file()
        }

    def fails(self, when: str) -> None:
        """Make the PBX's console refuse to reload the dialplan while this shell condition holds."""
        (self.admin.home / "bin/asterisk").write_text(
            f'#!/bin/sh -e\nif [ "$*" != "${{*%dialplan reload}}" ] && {when}; '
            f'then echo "cannot"; exit 1; fi\nexec {shlex.join(self.pbx.console_command)} "$@"\n'
        )

    async def call(self) -> None:
        """Call, press 1, talk to an operator."""
        await served(self.pbx, self.seen)


@asynccontextmanager
async def bench(version: Version, kind: type[Foreign], trunk: str) -> AsyncIterator[Bench]:
    """Run a PBX that is in service."""
    with tempfile.TemporaryDirectory(prefix="s112-setup-") as folder:
        home = Path(folder)
        environ = {
            "SIAGA112_CONFIG": f"{home}/siaga112/siaga112.toml",
            "SIAGA112_STATE_DIR": f"{home}/state",
            "SIAGA112_METRICS__PORT": str(ports.free()),
            "SIAGA112_METRICS__SCREEN_PORT": str(ports.free()),
            "CREDENTIALS_DIRECTORY": f"{home}/credentials",
        }
        async with kind.start(find(version), context=trunk) as pbx, await pbx.observe() as seen:
            yield Bench(pbx, LabAdmin(pbx, home, environ), seen, environ)


@pytest.mark.parametrize(("version", "kind", "trunk"), KINDS)
async def test_setup_leads_to_a_line_that_asks_and_undo_back_byte_for_byte(
    version: Version, kind: type[Foreign], trunk: str
) -> None:
    """Setup needs one answer and passes the doctor; a second run does nothing; undo restores every byte."""
    async with bench(version, kind, trunk) as here:
        before = here.files()
        await here.call()
        missing = await here.setup("--apply")
        assert missing.code == 2
        assert missing.err.count("\n") == 1
        assert "--site is missing" in missing.err

        wrong = await here.setup("--plan", "--site", "serang", "--trunk", "nope")
        assert (wrong.code, wrong.err.count("\n")) == (1, 1)
        assert "no context [nope] (--trunk)" in wrong.err

        planned = await here.setup("--plan", "--json", "--site", "serang")
        assert (planned.code, planned.json["changed"]) == (0, True)
        assert here.files() == before, "--plan changes nothing"
        shown = await here.setup("--plan", "--site", "serang")
        assert "+exten => 112,1,ExecIf" in shown.out
        assert "asterisk -rx 'dialplan reload'" in shown.out

        applied = await here.setup("--apply", "--json", "--site", "serang")
        assert applied.json["applied"], applied
        assert applied.json["seconds"] < MOST_SECONDS
        print(f"setup --apply: {applied.json['seconds']} s, 1 answer")
        secret = (here.admin.home / "siaga112/credentials/AMI__SECRET").read_text("utf-8").strip()
        assert secret not in planned.out + shown.out + applied.out
        await here.call()  # no daemon runs yet
        await here.seen.wait_for(lambda e: e.name == "VarSet" and e["Variable"] == "DYNAMIC_FEATURES")

        async with both_halves(here.admin, here.environ) as (_, track):
            again = await here.setup("--apply", "--json")
            assert again.json["steps"] == []
            assert again.code == 0, again.out
            told = again.json["doctor"]
            rest = [line for line in told if line.startswith(("fail", "-"))]
            # The doctor can see neither who keeps the lab's clock nor the phones behind its Local channels.
            assert [
                line for line in rest if "clock set" not in line and "operators' phones" not in line
            ] == []
            warned = [line for line in told if line.startswith("warn")]
            assert [line for line in warned if "func_" not in line] == []
            since = here.seen.mark()
            bridged = await served(here.pbx, here.seen)
            verdict = await here.seen.wait_for(
                lambda e: e.name == "VarSet" and e["Variable"] == "SIAGA_REASON", since=since
            )
            assert verdict["Value"] == "not_blocked"
            assert (await track.settled(bridged["Uniqueid"]))["outcome"] == "answered"

        undone = await here.setup("--undo")
        assert undone.code == 0, undone
        assert here.files() == before
        assert "siaga112-screen" not in await here.pbx.console("dialplan show")
        await here.call()


async def test_a_person_is_asked_what_cannot_be_seen_and_whether_to_do_it() -> None:
    """Setup asks only for the site and a confirmation; a no changes nothing, a yes applies the plan."""
    async with bench("22", Plain, "from-telco") as here:
        before = here.files()
        for word in ("n", "y"):
            async with terminal(*here.command(), environ=here.admin.environ, columns=200) as screen:
                await screen.shows("A short name of the site")
                screen.press("serang\r")
                await screen.shows("Do this?")
                screen.press(f"{word}\r")
                await screen.shows("nothing was changed" if word == "n" else "questions answered: 1")
                await screen.ended()
            assert (here.files() == before) == (word == "n")
        assert (await here.setup("--undo")).code == 0
        assert here.files() == before


async def moments(here: Bench) -> list[str]:
    """Run a setup and undo it; return its points, of those that write prompts only the first and the last."""
    await here.setup("--apply", "--site", "serang", kill_at=1_000)
    seen = (here.admin.home / "moments").read_text("utf-8").splitlines()
    assert (await here.setup("--undo")).code == 0
    sounds = [number for number, name in enumerate(seen) if "prompts wrote" in name]
    return [name for number, name in enumerate(seen) if number not in sounds[1:-1]]


async def killed_and_gone_on(
    here: Bench, before: Mapping[str, tuple[int, bytes]], name: str, at: int
) -> None:
    """Kill a setup at this point; call; complete it with a second setup; undo."""
    ran = await here.setup("--apply", "--site", "serang", kill_at=at)
    assert ran.code == -signal.SIGKILL, (name, ran)
    if at % 2:  # somebody else reloads meanwhile
        await here.pbx.console("dialplan reload")
        await here.pbx.console("queue reload all")
    await here.call()
    again = await here.setup("--apply", "--json", "--site", "serang")
    assert again.json["applied"], (name, again)
    assert "siaga112-screen" in await here.pbx.console("dialplan show 112@from-telco"), name
    assert (await here.setup("--apply", "--json")).json["steps"] == [], name
    assert (await here.setup("--undo")).code == 0, name
    assert here.files() == before, name


@pytest.mark.parametrize(
    "which",
    [
        pytest.param(("guard wrote", "dialplan ran"), id="some"),
        pytest.param((), id="all", marks=[pytest.mark.night, pytest.mark.timeout(1_800)]),
    ],
)
async def test_killed_at_any_moment_calls_go_on_and_a_second_setup_completes_it(
    which: tuple[str, ...],
) -> None:
    """After SIGKILL between two changes a call is served, and a second setup completes the installation."""
    async with bench("22", Plain, "from-telco") as here:
        before = here.files()
        seen = await moments(here)
        all_ = (here.admin.home / "moments").read_text("utf-8").splitlines()
        tried = [name for name in dict.fromkeys(seen) if not which or name.startswith(which)]
        assert len(tried) >= len(which)
        for name in tried:
            await killed_and_gone_on(here, before, name, all_.index(name) + 1)
        print(f"{len(tried)} moments")


@pytest.mark.night
async def test_undo_that_is_killed_is_undone_by_the_next() -> None:
    """After SIGKILL at four of its points calls are served, and a second undo restores every byte."""
    async with bench("22", Plain, "from-telco") as here:
        before = here.files()
        for at in (1, 4, 9, 16):
            await here.setup("--apply", "--site", "serang")
            ran = await here.setup("--undo", kill_at=at)
            assert ran.code == -signal.SIGKILL
            await here.pbx.console("dialplan reload")
            await here.call()
            assert (await here.setup("--undo")).code == 0
            assert here.files() == before


async def test_a_step_that_fails_takes_everything_back() -> None:
    """If the PBX cannot load our dialplan, setup restores every byte of its files, and calls are served."""
    async with bench("22", Plain, "from-telco") as here:
        before = here.files()
        here.fails(f"grep -q siaga112-screen {here.pbx.folder}/etc/extensions.conf")
        ran = await here.setup("--apply", "--site", "serang")
        assert ran.code == 1, ran
        assert "everything is as it was before" in ran.err
        assert ran.err.count("\n") == 1
        assert here.files() == before
        await here.call()


async def test_an_upgrade_changes_what_has_changed_and_one_that_fails_leaves_the_older_version() -> None:
    """An upgrade has a step only for what differs; one that fails restores the older version."""
    async with bench("22", Plain, "from-telco") as here:
        before = here.files()
        await here.setup("--apply", "--site", "serang", program=OLDER)
        older = here.files()
        here.fails(f"! grep -q 'an older one' {here.pbx.folder}/etc/extensions_siaga112.conf")
        failed = await here.setup("--apply")
        assert failed.code == 1, failed
        assert here.files() == older
        await here.call()
        here.fails("false")
        upgraded = await here.setup("--apply", "--json")
        assert [step["step"] for step in upgraded.json["steps"]] == ["dialplan"]
        await here.call()
        assert (await here.setup("--undo")).code == 0
        assert here.files() == before


async def test_edits_since_are_shown_and_kept_by_undo() -> None:
    """Undo keeps an admin's comment; if one of our lines was edited, it stops before it changes anything."""
    async with bench("22", Plain, "from-telco") as here:
        await here.setup("--apply", "--site", "serang")
        dialplan = here.pbx.folder / "etc/extensions.conf"
        whole = dialplan.read_text("utf-8")
        dialplan.write_text(whole.replace("ExecIf(${DIALPLAN_EXISTS", "ExecIf(1 & ${DIALPLAN_EXISTS"))
        before = here.files()
        refused = await here.setup("--undo")
        assert refused.code == 1
        assert "take them out by hand" in refused.err
        assert here.files() == before
        dialplan.write_text(f"; of the admin's\n{whole}")
        undone = await here.setup("--undo")
        assert undone.code == 0, undone
        assert "+; of the admin's" in undone.out
        assert dialplan.read_text("utf-8").startswith("; of the admin's\n")
        assert "siaga112" not in dialplan.read_text("utf-8")
        await here.call()


async def test_two_setups_at_once_are_one() -> None:
    """While another setup holds the lock, a setup fails and says that another one runs."""
    async with bench("22", Plain, "from-telco") as here:
        kept = here.admin.home / "kept"
        kept.mkdir(0o700)
        lock = os.open(kept / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            ran = await here.setup("--apply", "--site", "serang")
        finally:
            os.close(lock)
        assert ran.code == 1
        assert "another siaga112 setup runs" in ran.err


async def test_where_the_prompts_go_is_asked_of_the_running_pbx() -> None:
    """Setup takes the folder of sounds from the running PBX, not from a template in asterisk.conf."""
    async with bench("22", Plain, "from-telco") as here:
        with (here.pbx.folder / "etc/asterisk.conf").open("a", encoding="utf-8") as conf:
            conf.write("[directories](!)\nastdatadir => /nowhere\n")
        shown = await here.setup("--plan", "--site", "serang")
        assert f"{here.pbx.folder}/data/sounds" in shown.out
        assert "/nowhere" not in shown.out
