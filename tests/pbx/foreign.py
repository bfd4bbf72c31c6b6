"""PBXs without siaga112, and an admin who follows the manual's steps on them."""

import asyncio
import os
import re
import shlex
import sys
import textwrap
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Final

from tests.lab.asterisk import OPERATORS, Asterisk
from tests.waiting import output

REPOSITORY: Final = Path(__file__).parents[2]
MANUAL: Final = REPOSITORY / "docs" / "manual.md"
CHAPTER: Final = "Install beside an existing PBX"

RELOADS: Final = ("dialplan reload", "manager reload", "module reload features", "queue reload all")


class Foreign(Asterisk):
    """A PBX with somebody else's configuration, which names siaga112 nowhere, not even in a comment."""

    files: ClassVar[dict[str, str]]
    sounds: ClassVar[str]

    @classmethod
    def shaped(cls, version: str) -> dict[str, str]:
        """Return its files, as they are on this version of Asterisk."""
        del version
        return dict(cls.files)

    def _texts(self) -> dict[str, str]:
        texts = super()._texts()
        # The lab adds only the port of this run's daemon.
        globals_ = f"[globals]\nOPERATOR=answer\nSIAGA_AGI=agi://127.0.0.1:{self.agi_port}/screen\n"
        manager = texts["manager.conf"].partition("#include")[0].replace("timestampevents = yes\n", "")
        own = self.shaped(self.version)
        own["extensions.conf"] = f"{globals_}{OPERATORS}{own['extensions.conf']}"
        own["manager.conf"] = f"{manager}{own.get('manager.conf', '')}"
        return {**texts, **own}

    def _write_configuration(self) -> None:
        super()._write_configuration()
        (self.folder / "etc/manager.d/siaga112.conf").unlink()
        (self.folder / "etc/manager.d").rmdir()
        for language in (self.folder / "data/sounds").iterdir():
            (language / "siaga112").unlink()
            language.rmdir()


class Plain(Foreign):
    """A configuration written by hand."""

    sounds = "/usr/share/asterisk/sounds"
    files: ClassVar = {
        "extensions.conf": """
[from-telco]
exten => 112,1,Answer()
 same => n,Goto(menu,s,1)
[menu]
exten => s,1,Background(beep)
 same => n,WaitExten(10)
exten => 1,1,Queue(operators,t,,,30)
 same => n,Hangup()
exten => i,1,Hangup()
exten => t,1,Hangup()
""",
        "queues.conf": "[general]\n[operators]\nstrategy = ringall\nmember => Local/101@operators/n\n",
        "features.conf": "[general]\n",
    }


class FreePbx(Foreign):
    """A configuration as FreePBX generates it, with the files that it leaves to the admin."""

    @classmethod
    def shaped(cls, version: str) -> dict[str, str]:
        """Return its files, as they are on this version of Asterisk."""
        files, name = dict(cls.files), "extensions_additional.conf"
        if version == "16":  # there Queue() has an argument for a macro before that for the Gosub
            files[name] = files[name].replace(",,${QGOSUB})", ",,,${QGOSUB})")
        return files

    sounds = "/var/lib/asterisk/sounds"
    files: ClassVar = {
        "extensions.conf": """
#include extensions_additional.conf
#include extensions_custom.conf
[from-trunk]
include => from-pstn
[from-pstn]
include => from-pstn-custom
include => ext-did
include => ext-did-post-custom
include => ext-did-catchall
""",
        "extensions_additional.conf": """
[from-trunk-sip-telco]
include => from-trunk-sip-telco-custom
exten => _.,1,Set(GROUP()=OUT_1)
 same => n,Goto(from-trunk,${EXTEN},1)
[ext-did]
include => ext-did-custom
include => ext-did-0002
[ext-did-0002]
exten => 112,1,Set(__DIRECTION=INBOUND)
 same => n,Set(__FROM_DID=${EXTEN})
 same => n,Set(CDR(did)=${FROM_DID})
 same => n(dest-ext),Goto(ivr-1,s,1)
[ext-did-catchall]
exten => _.,1,Goto(app-blackhole,hangup,1)
[ivr-1]
include => ivr-1-custom
exten => s,1,Set(INVALID_LOOPCOUNT=0)
 same => n,Answer()
 same => n(start),Set(TIMEOUT(digit)=3)
 same => n,ExecIf($["${IVR_MSG}" != ""]?Background(${IVR_MSG}))
 same => n,WaitExten(10,)
exten => 1,1,Goto(ext-queues,600,1)
exten => i,1,Goto(app-blackhole,hangup,1)
exten => t,1,Goto(app-blackhole,hangup,1)
[ext-queues]
exten => 600,1,Answer()
 same => n,Set(QUEUENUM=600)
 same => n(qgosub),Set(QGOSUB=${IF($[${LEN(${VQ_GOSUB})}>0]?${VQ_GOSUB}:${QGOSUB})})
 same => n,Set(VQ_GOSUB=)
 same => n,Queue(600,t,,,30,,${QGOSUB})
 same => n,Goto(app-blackhole,hangup,1)
[app-blackhole]
exten => hangup,1,NoOp(Blackhole Dest: Hangup)
 same => n,Hangup()
""",
        "extensions_custom.conf": "[ivr-1-custom]\n[ext-did-custom]\n[from-pstn-custom]\n",
        "manager.conf": "#include manager_additional.conf\n#include manager_custom.conf\n",
        "manager_additional.conf": "",
        "manager_custom.conf": "",
        "queues.conf": """
#include queues_custom.conf
#include queues_additional.conf
#include queues_post_custom.conf
""",
        "queues_custom.conf": "",
        "queues_additional.conf": "[600]\nstrategy = ringall\nmember => Local/101@operators/n\n",
        "queues_post_custom.conf": "",
        "features.conf": "[applicationmap]\n#include features_applicationmap_custom.conf\n",
        "features_applicationmap_custom.conf": "",
    }


@dataclass(frozen=True, slots=True)
class Block:
    """A code block of the manual: the paragraph before it, its language, its text."""

    said: str
    language: str
    text: str

    @property
    def file(self) -> str:
        """The file that the paragraph before it names."""
        named = re.search(r"(?:ppend to|Write|in) `(/[^`]+)`", self.said)
        assert named, f"no file is named before {self}"
        return named[1]


def blocks(section: str) -> Iterator[Block]:
    """Yield the code blocks of a section of the chapter, in order."""
    chapter = MANUAL.read_text("utf-8").partition(f"\n## {CHAPTER}\n")[2].partition("\n## ")[0]
    text = chapter.partition(f"\n### {section}\n")[2].partition("\n### ")[0]
    assert text, f"the manual has no section {section}"
    for found in re.finditer(r"^( *)```(\w+)\n(.*?)^\1```", text, re.DOTALL | re.MULTILINE):
        said = text[: found.start()].strip().rpartition("\n\n")[2]
        yield Block(said, found[2], textwrap.dedent(found[3]))


class Admin(ABC):
    """Somebody who does what the manual says."""

    not_here: ClassVar[tuple[str, ...]]
    """How the lines begin that this admin leaves out."""

    def __init__(self) -> None:
        self.printed: list[str] = []

    @abstractmethod
    def place(self, path: str) -> Path:
        """Return the path of a file that the manual names."""

    @abstractmethod
    async def run(self, script: str) -> str:
        """Run these lines in the folder of the sources; return what they print."""

    def here(self, text: str) -> str:
        """Replace the manual's paths and addresses by this admin's."""
        return text

    async def follow(self, section: str) -> None:
        """Do every step of a section."""
        for block in blocks(section):
            await self.do(block)

    async def do(self, block: Block) -> None:
        """Run a block of commands, or write a block to its file."""
        if block.language == "sh":
            lines = [line for line in block.text.splitlines() if not line.startswith(self.not_here)]
            self.printed.append(await self.run("\n".join(lines)))
        else:
            self._write(block)

    def _write(self, block: Block) -> None:
        path = self.place(block.file)
        match block.language:
            case "diff":
                old = "".join(f"{line[1:]}\n" for line in block.text.splitlines() if line[0] != "+")
                new = "".join(f"{line[1:]}\n" for line in block.text.splitlines() if line[0] != "-")
                before = path.read_text("utf-8")
                assert before.count(old) == 1, f"{old!r} is not in {path}"
                path.write_text(before.replace(old, new), "utf-8")
            case "toml":
                path.write_text(block.text, "utf-8")
            case _:
                assert path.is_file(), f"{path} is not there to be appended to"
                with path.open("a", encoding="utf-8") as file:
                    file.write(self.here(block.text))


class LabAdmin(Admin):
    """An admin of a PBX of the lab, not of the machine's own."""

    not_here = (
        "apt ",
        "python3 -m venv ",
        "/opt/siaga112/bin/pip ",
        "ln -sf ",
        "systemctl ",
    )
    """These change the machine: `make install-log` runs them on a machine of its own."""

    def __init__(self, pbx: Foreign, home: Path, environ: dict[str, str]) -> None:
        super().__init__()
        self.pbx = pbx
        self.home = home
        self.environ = {**os.environ, **environ}
        self._places = {
            "/etc/asterisk": str(pbx.folder / "etc"),
            pbx.sounds: str(pbx.folder / "data/sounds"),
            "/etc/siaga112": str(home / "siaga112"),
            "/etc/systemd/system": str(home / "units"),
            "127.0.0.1:9113": f"127.0.0.1:{environ['SIAGA112_METRICS__SCREEN_PORT']}",
            " -g asterisk": "",
        }
        (home / "units").mkdir(parents=True)
        (home / "machine/etc").mkdir(parents=True)
        programs = home / "bin"
        programs.mkdir()
        console = shlex.join(pbx.console_command)
        reloads = "".join(f"{console} -rx {shlex.quote(reload)}\n" for reload in RELOADS)
        shims = {
            "asterisk": f'exec {console} "$@"\n',
            "fwconsole": f'[ "$1" = reload ]\n{reloads}',
            # Leave this machine's users as they are: the new user is in a folder with an /etc of its own.
            "systemd-sysusers": f'exec /usr/bin/systemd-sysusers --root={home}/machine "$@"\n',
            "runuser": 'shift 3; exec "$@"\n',
            "siaga112": f'exec {sys.executable} -m siaga112 "$@"\n',
        }
        for name, text in shims.items():
            (programs / name).write_text(f"#!/bin/sh -e\n{text}")
            (programs / name).chmod(0o755)
        self.environ["PATH"] = f"{programs}:{self.environ['PATH']}"

    def place(self, path: str) -> Path:
        """Return its path in the lab."""
        return Path(self.here(path))

    def here(self, text: str) -> str:
        """Replace the manual's paths and addresses by the lab's."""
        for place, ours in self._places.items():
            text = text.replace(place, ours)
        return text

    async def run(self, script: str) -> str:
        """Run these lines with the lab's programs ahead of the machine's."""
        process = await asyncio.create_subprocess_exec(
            *("sh", "-ec", self.here(script)),
            cwd=REPOSITORY,
            env=self.environ,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        said, _ = await output(process, script)
        assert process.returncode == 0, f"{script}\n{said.decode()}"
        return said.decode()
