"""A fresh Debian with an Asterisk in service that knows nothing of us, and an admin at it, as root.

Every path is the manual's own. A chroot has no systemd: what setup enables is started here as the units say
it, with their user, their credentials and their state directory.
"""

import asyncio
import configparser
import os
import pwd
import re
import shlex
import shutil
import subprocess
from pathlib import Path
from typing import IO, Final

from tests.install.log import Log
from tests.lab.asterisk import OPERATORS
from tests.lab.unpack import KEYRING, SUITES, mirror
from tests.pbx.foreign import REPOSITORY, Admin, Block, Plain
from tests.waiting import output

PACKAGES: Final = ("asterisk", "curl", "systemd")
"""What a PBX in service has; all else is for the manual to install."""

HERE: Final = "/root/siaga112"
"""Where the release was unpacked."""

OUTSIDE: Final = ("apt ", "apt-get ", "/opt/siaga112/bin/pip ")
"""What fetches, and so is done in the network of the machine below."""

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
"""What Asterisk says first of all in a network of its own."""

TITLE: Final = re.compile(r"\d+\. .*?(?=[.,:;]\s| \(|:$)")


def build(root: Path, release: Path) -> None:
    """Make the machine, with the release unpacked and the network's certificates, and no siaga112 yet."""
    command = [
        *("mmdebstrap", "--quiet", "--variant=minbase", f"--include={','.join(PACKAGES)}"),
        *('--aptopt=Acquire::Check-Valid-Until "false"', '--aptopt=APT::Get::Assume-Yes "true"'),
        *('--aptopt=APT::Install-Recommends "false"', f"--keyring={KEYRING}"),
    ]
    subprocess.run(
        [*command, SUITES["22"], root, mirror()], check=True, stdin=subprocess.DEVNULL, timeout=900
    )
    shutil.copytree(release, root / HERE.lstrip("/"))
    # A proxy may have a certificate of its own: pip believes there what this machine believes.
    shutil.copy(
        os.environ.get("PIP_CERT", "/etc/ssl/certs/ca-certificates.crt"), f"{root}{ENVIRON['PIP_CERT']}"
    )
    (root / "etc/hosts").write_text(f"127.0.0.1 localhost {os.uname().nodename}\n", "utf-8")
    (root / "usr/sbin/policy-rc.d").write_text("#!/bin/sh\nexit 101\n", "utf-8")  # nobody starts a Redis
    (root / "usr/sbin/policy-rc.d").chmod(0o755)
    etc = root / "etc/asterisk"
    for name, text in Plain.files.items():
        (etc / name).write_text(text, "utf-8")
    dialplan = f"[globals]\nOPERATOR=answer\n{OPERATORS}{Plain.files['extensions.conf']}"
    (etc / "extensions.conf").write_text(dialplan, "utf-8")
    sip = (REPOSITORY / "tests/image/pbx/pjsip.conf").read_text("utf-8")
    (etc / "pjsip.conf").write_text(sip.replace("siaga112-incoming", "from-telco"), "utf-8")


class Machine(Admin):
    """The machine, as its admin sees it. In a mount, process and network namespace of its own."""

    not_here = ()

    def __init__(self, root: Path, outside: int, wheel: str, log: Log) -> None:
        """Go to it. `outside` is a descriptor of the network below."""
        super().__init__()
        self.environ = dict(ENVIRON)
        self._root = root
        self._outside = outside
        self._wheel = wheel
        self._log = log
        self._running: list[subprocess.Popen[bytes]] = []
        for mount in (("--rbind", "/dev", f"{root}/dev"), ("-t", "proc", "proc", f"{root}/proc")):
            subprocess.run(["mount", *mount], check=True, timeout=900)

    def place(self, path: str) -> Path:
        """Say where it is below."""
        return self._root / path.lstrip("/")

    async def fetch_lists(self) -> None:
        """Know what packages there are, as a machine in service does."""
        await self._done("apt-get update -qq")

    async def do(self, block: Block) -> None:
        """Do what one block says; log which step of the manual's it is."""
        if title := TITLE.match(block.said):
            self._log.line(f"\n{title[0]}")
        if block.language != "sh":
            self._log.done(f"edit {block.file}")
        await super().do(block)

    async def run(self, script: str) -> str:
        """Do what stands there, line by line."""
        return "".join([await self._line(line) for line in script.splitlines() if line])

    async def _line(self, line: str) -> str:
        line = line.replace("pip install .", f"pip install {self._wheel}")
        if "pip install" in line:
            self._log.begin()
        self._log.done(f"$ {line}")
        output = await self._result(line)
        if not line.startswith(OUTSIDE):
            self._log.said(output)
        return output

    async def _result(self, line: str) -> str:
        match line.split()[:2]:
            case ["export", assignment]:
                name, _, _ = assignment.partition("=")
                self.environ[name] = (await self._done(f"{line}; printf %s ${name}")).strip()
                return ""
        return await self._done(line)

    async def _done(self, line: str) -> str:
        into = ("nsenter", f"--net=/proc/self/fd/{self._outside}") if line.startswith(OUTSIDE) else ()
        process = await asyncio.create_subprocess_exec(
            *(*into, *self._inside(), *("sh", "-ec", f"cd {HERE}\n{line}")),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            pass_fds=[self._outside] if into else [],
        )
        told, _ = await output(process, line, 900)
        said = told.decode().replace(NO_CARD, "")
        # The manual's own word: check-config rightly misses the secret.
        assert process.returncode == 0 or line.endswith("check-config"), f"{line}\n{said}"
        return said

    def _inside(self, user: str = "root", **environ: str) -> tuple[str, ...]:
        given = (f"{name}={value}" for name, value in {**self.environ, **environ}.items())
        return ("chroot", f"--userspec={user}", str(self._root), "env", "-i", *given)

    def start_asterisk(self) -> None:
        """Start the PBX, as its unit does."""
        user = self._user("asterisk")
        (self._root / "run/asterisk").mkdir(exist_ok=True)
        os.chown(self._root / "run/asterisk", user.pw_uid, user.pw_gid)
        self._start("asterisk", *self._inside(), "asterisk", "-f", "-U", "asterisk", "-G", "asterisk")

    def start_units(self) -> None:
        """Start what setup enabled, as systemd would."""
        for unit in ("siaga112-screen", "siaga112-track"):
            assert (self._root / f"etc/systemd/system/siaga112.target.wants/{unit}.service").is_symlink()
            self._start_unit(unit)

    def _start_unit(self, name: str) -> None:
        unit = configparser.RawConfigParser(strict=False)
        unit.read(self._root / f"etc/systemd/system/{name}.service")
        said = unit["Service"]
        user = self._user(said["User"])
        state = self._root / "var/lib" / said["StateDirectory"]
        state.mkdir(mode=int(said["StateDirectoryMode"], 8), exist_ok=True)
        os.chown(state, user.pw_uid, user.pw_gid)
        prefix, _, source = said["LoadCredential"].partition(":")
        given = self._root / "run/credentials" / name
        given.mkdir(parents=True)
        for secret in (self._root / source.lstrip("/")).iterdir():
            shutil.copy(secret, given / f"{prefix}_{secret.name}")
        for path in (given, *given.iterdir()):
            os.chown(path, user.pw_uid, user.pw_gid)
        inside = self._inside(
            f"{user.pw_uid}:{user.pw_gid}", CREDENTIALS_DIRECTORY=f"/run/credentials/{name}"
        )
        self._start(name, *inside, *shlex.split(said["ExecStart"]))

    def _start(self, name: str, *command: str) -> None:
        with self._logged(name).open("wb") as log:
            self._running.append(subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log))

    def _logged(self, name: str) -> Path:
        return self._root.parent / f"{name}.log"

    def said(self, name: str) -> str:
        """Give what it has logged so far."""
        return self._logged(name).read_text("utf-8", "replace")

    def _user(self, name: str) -> pwd.struct_passwd:
        lines: IO[str] = (self._root / "etc/passwd").open(encoding="utf-8")
        with lines:
            fields = next(line.rstrip("\n").split(":") for line in lines if line.startswith(f"{name}:"))
        return pwd.struct_passwd((*fields[:2], int(fields[2]), int(fields[3]), *fields[4:]))

    async def console(self, command: str) -> str:
        """Ask the PBX's console, if it answers already."""
        process = await asyncio.create_subprocess_exec(
            *self._inside(),
            *("asterisk", "-rx", command),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
        )
        told, _ = await output(process, f"the console's {command!r}")
        return told.decode().replace(NO_CARD, "") if process.returncode == 0 else ""

    def stop(self) -> None:
        """End what was started."""
        for process in reversed(self._running):
            process.terminate()
            process.wait(20)
