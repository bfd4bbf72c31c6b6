"""A fresh Debian with systemd, an Asterisk in service that does not know siaga112, and an admin.

Debian 12 and 13 have no Asterisk: the lab's is copied below /opt, and can be reached at Debian's usual paths.
All paths are those of the manual.
"""

import asyncio
import os
import re
import shutil
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from tests.install.log import Log
from tests.lab import systemd
from tests.lab.terminal import CONTROLS, terminal
from tests.lab.unpack import KEYRING, LIBRARIES, LOADER, Version, mirror, unpacked
from tests.pbx.foreign import REPOSITORY, Admin, Block, Foreign, FreePbx, Plain
from tests.waiting import output

PACKAGES: Final = ("ca-certificates", "curl", "dbus", "systemd-sysv")
"""What a server has anyway; the manual installs everything else."""

HERE: Final = "/root/siaga112"
"""Where the release was unpacked."""

OUTSIDE: Final = ("apt ", "apt-get ", "/opt/siaga112/bin/pip ")
"""Commands that download, and so run in the host's network."""

ENVIRON: Final = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "HOME": "/root",
    "LANG": "C.UTF-8",
    "DEBIAN_FRONTEND": "noninteractive",
    "PIP_DISABLE_PIP_VERSION_CHECK": "1",
    "PIP_ROOT_USER_ACTION": "ignore",
    "PIP_CERT": "/etc/below.crt",
}

NO_CARD: Final = "No ethernet interface found for seeding global EID. You will have to set it manually.\n"
"""What Asterisk prints first in a network without an interface."""

TITLE: Final = re.compile(r"\d+\. .*?(?=[.,:;]\s| \(|:$)")
LONGEST_SECONDS: Final = 900.0
TELEPHONE: Final = ("101", ("127.0.0.2", 5062), ("127.0.0.1", 5060))
"""The operator's telephone: its name, its address, and that of the PBX."""

PHONE: Final = f"""
[101]
type = endpoint
context = phones
aors = 101
allow = !all,ulaw
dtmf_mode = rfc4733
direct_media = no
media_address = 127.0.0.1
bind_rtp_to_media_address = yes
[101]
type = aor
contact = sip:101@{TELEPHONE[1][0]}:{TELEPHONE[1][1]}
"""

MANAGER: Final = """
[general]
enabled = yes
port = 5038
bindaddr = 0.0.0.0
"""
"""manager.conf as FreePBX writes it, before its includes."""


@dataclass(frozen=True, slots=True)
class Shape:
    """A kind of machine that centres have."""

    title: str
    suite: str
    asterisk: Version
    pbx: type[Foreign]
    context: str
    """The context in which the trunk's calls arrive."""


SHAPES: Final = {
    "12": Shape("Debian 12, plain Asterisk", "bookworm", "22", Plain, "from-telco"),
    "13": Shape("Debian 13, plain Asterisk", "trixie", "22", Plain, "from-telco"),
    "freepbx17": Shape("Debian 12, FreePBX 17's shape", "bookworm", "22", FreePbx, "from-pstn"),
    "freepbx16": Shape("Debian 12, FreePBX 16's shape", "bookworm", "16", FreePbx, "from-trunk-sip-telco"),
}


def debian(suite: str, target: Path, *packages: str) -> None:
    """Make a minimal Debian of this suite with these packages, as a folder or a tar file."""
    options = (
        '--aptopt=Acquire::Check-Valid-Until "false"',
        '--aptopt=APT::Get::Assume-Yes "true"',
        '--aptopt=APT::Install-Recommends "false"',
        f"--keyring={KEYRING}",
    )
    command = ("mmdebstrap", "--quiet", "--variant=minbase", f"--include={','.join(packages)}", *options)
    subprocess.run(
        [*command, suite, target, mirror()], check=True, stdin=subprocess.DEVNULL, timeout=LONGEST_SECONDS
    )


def furnish(root: Path, release: Path, shape: Shape) -> None:
    """Turn a Debian into such a machine, with the unpacked release and the network's certificates."""
    shutil.copytree(release, root / HERE.lstrip("/"))
    # A proxy may have its own certificate: pip must trust there what this machine trusts.
    shutil.copy(
        os.environ.get("PIP_CERT", "/etc/ssl/certs/ca-certificates.crt"), f"{root}{ENVIRON['PIP_CERT']}"
    )
    (root / "etc/hostname").write_text("pbx\n", "utf-8")
    (root / "etc/hosts").write_text("127.0.0.1 localhost pbx\n", "utf-8")
    _asterisk(root, shape)


def _asterisk(root: Path, shape: Shape) -> None:
    """Install an Asterisk that starts with the machine, by the unit of its package."""
    lab, opt = unpacked(shape.asterisk), root / "opt/asterisk"
    _sh(f'cp -a "{lab}" "{opt}" && chmod 755 "{opt}"')
    for part in (
        "etc/asterisk",
        "usr/share/asterisk",
        "var/lib/asterisk",
        "var/log/asterisk",
        "var/spool/asterisk",
    ):
        (root / part).parent.mkdir(parents=True, exist_ok=True)
        _sh(f'cp -a "{opt}/{part}" "{root}/{part}"')
    for part in ("usr/lib/x86_64-linux-gnu/asterisk", "usr/lib/asterisk"):
        if (opt / part).is_dir():
            (root / part).symlink_to(f"/opt/asterisk/{part}")
    if shape.pbx is FreePbx:
        for one in (opt / "usr/share/asterisk").iterdir():
            if not (target := root / "var/lib/asterisk" / one.name).exists():
                _sh(f'cp -a "{one}" "{target}"')
    libraries = ":".join(f"/opt/asterisk/{part}" for part in LIBRARIES)
    program = root / "usr/sbin/asterisk"
    program.write_text(
        "#!/bin/sh\n"
        f'exec /opt/asterisk/{LOADER} --library-path {libraries} /opt/asterisk/usr/sbin/asterisk "$@"\n'
    )
    program.chmod(0o755)
    for name, text in _texts(shape, root / "etc/asterisk").items():
        (root / "etc/asterisk" / name).write_text(text, "utf-8")
    unit = next(
        path for path in (opt / "lib/systemd/system", opt / "usr/lib/systemd/system") if path.is_dir()
    )
    shutil.copy(unit / "asterisk.service", root / "usr/lib/systemd/system")
    own = "/etc/asterisk /var/lib/asterisk /var/log/asterisk /var/spool/asterisk"
    _sh(
        f'chroot "{root}" sh -ec "useradd --system --home-dir /var/lib/asterisk asterisk; '
        f'chown -R asterisk:asterisk {own}; systemctl enable -q asterisk"'
    )


def _texts(shape: Shape, etc: Path) -> dict[str, str]:
    """Return the PBX's configuration files that are not its package's."""
    texts = {
        name: text.replace("Local/101@operators/n", "PJSIP/101,0,Siti")
        for name, text in shape.pbx.shaped(shape.asterisk).items()
    }
    sip = (REPOSITORY / "tests/image/pbx/pjsip.conf").read_text("utf-8").partition("[101]")
    texts["pjsip.conf"] = sip[0].replace("siaga112-incoming", shape.context) + PHONE
    texts["pjsip.conf"] += "[global]\ntype = global\nendpoint_identifier_order = header,username,ip\n"
    modules = (etc / "modules.conf").read_text("utf-8")
    texts["modules.conf"] = f"{modules}\n[modules](+)\nnoload = chan_sip.so\n"  # in 16: the port is PJSIP's
    if shape.pbx is FreePbx:
        texts["manager.conf"] = MANAGER + texts["manager.conf"]
        conf = (etc / "asterisk.conf").read_text("utf-8")
        conf = conf.replace("[directories](!)", "[directories]")
        texts["asterisk.conf"] = re.sub(r"(?m)^(astdatadir => ).*", r"\1/var/lib/asterisk", conf)
    return texts


def copied(base: Path, root: Path) -> None:
    """Copy a Debian, so that each machine has its own files."""
    _sh(f'cp -a "{base}" "{root}"')


def _sh(line: str) -> None:
    subprocess.run(["sh", "-ec", line], check=True, timeout=LONGEST_SECONDS)


def readme() -> Iterator[str]:
    """Yield the README's installation commands, without the comments beside them."""
    chapter = (REPOSITORY / "README.md").read_text("utf-8").partition("\n## Install it beside your PBX\n")[2]
    for line in chapter.lstrip("\n").partition("\n\n")[0].splitlines():
        yield line.partition(" # ")[0].strip()


class Machine(Admin):
    """The machine, as its admin sees it."""

    not_here = ()

    def __init__(self, booted: systemd.Machine, outside: int, log: Log) -> None:
        """Use a booted machine. `outside`: a descriptor of the host's network namespace."""
        super().__init__()
        self._booted = booted
        self._outside = outside
        self._log = log
        self.asked = 0
        """How many questions were answered."""

    @classmethod
    @asynccontextmanager
    async def boot(cls, folder: Path, outside: int, log: Log, *, alone: bool = True) -> AsyncIterator[Self]:
        """Boot what `furnish` made in `folder`/root. Not `alone`: in this process's network."""
        bound = 'mount --bind "$1/root" "$1/root"'
        own = [one for one in systemd.NAMESPACES if alone or one != "--net"]
        async with systemd.Machine.of(folder, bound, namespaces=own) as booted:
            machine = cls(booted, outside, log)
            await machine.until("asterisk -rx 'core waitfullybooted'", "fully booted")
            yield machine

    def place(self, path: str) -> Path:
        """Return a path on the machine as seen from here."""
        return self._booted.inside(path)

    async def fetch_lists(self) -> None:
        """Fetch the package lists, which a machine in service has."""
        await self.done("apt-get update -qq")

    async def do(self, block: Block) -> None:
        """Run the commands of one block; log which step of the manual it belongs to."""
        if title := TITLE.match(block.said):
            self._log.line(f"\n{title[0]}")
        await super().do(block)

    async def run(self, script: str) -> str:
        """Run a script line by line; return what it prints."""
        return "".join([await self._line(line) for line in script.splitlines() if line])

    async def _line(self, line: str) -> str:
        if "/pip install" in line:
            self._log.begin()
        self._log.done(f"$ {line}")
        said = await self.done(line)
        if not line.startswith(OUTSIDE):
            self._log.said(said)
        return said

    async def done(self, line: str) -> str:
        """Run a line as root in the unpacked release; return what it prints."""
        outside = line.startswith(OUTSIDE)
        into = ("nsenter", f"--net=/proc/self/fd/{self._outside}") if outside else ()
        process = await asyncio.create_subprocess_exec(
            *(*into, *self.inner(line, network=not outside)),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            pass_fds=[self._outside] if outside else [],
        )
        told, _ = await output(process, line, LONGEST_SECONDS)
        said = told.decode("utf-8", "replace").replace(NO_CARD, "")
        assert process.returncode == 0, f"{line}\n{said}"
        return said

    async def answered(self, line: str, *answers: tuple[str, str], last: str) -> str:
        """Run a line on a terminal, answer each of these questions, and return what the terminal shows."""
        self._log.done(f"$ {line}")
        async with terminal(*self.inner(line), environ={}, columns=200) as screen:
            for question, answer in answers:
                await screen.shows(question)
                screen.press(f"{answer}\r")
            await screen.shows(last, seconds=LONGEST_SECONDS)
            code = await screen.ended()
        said = CONTROLS.sub("", screen.raw)
        assert code == 0, said
        return said

    def inner(self, line: str, *, network: bool = True) -> tuple[str, ...]:
        """Return the command that runs a line there. Not `network`: in the network of its caller."""
        given = (f"{name}={value}" for name, value in ENVIRON.items())
        command = ("env", "-i", "TERM=xterm", *given, "sh", "-ec", f"cd {HERE}\n{line}")
        return self._booted.inner(*command, network=network)

    async def until(self, command: str, wanted: str) -> None:
        """Run a command again and again until its output contains `wanted`."""
        ends = time.monotonic() + systemd.BOOT_SECONDS
        while wanted not in (told := await self._booted.run(command)):
            if time.monotonic() > ends:
                log = await self._booted.run("systemctl --failed; journalctl -n 40 --no-pager -o cat")
                raise TimeoutError(f"{command}: {told}, not {wanted}\n{log}")
            await asyncio.sleep(0.1)
