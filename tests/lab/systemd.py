"""A real systemd as the first process of a container, with this machine's files or others.

Its mounts, processes, network, names and control groups are its own, so that nothing outside sees them. It
needs root and namespaces, and is skipped elsewhere.
"""

import asyncio
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import IO, Final, Self

ROOT: Final = Path(__file__).parents[2]
INIT: Final = Path("/lib/systemd/systemd")
BOOT_SECONDS: Final = 60.0
NAMESPACES: Final = ("--mount", "--pid", "--net", "--uts", "--ipc", "--cgroup")

_COPIED: Final = r"""
mount -t tmpfs -o mode=755 machine "$1"
mkdir "$1/upper" "$1/work" "$1/root"
mount -t overlay machine -o "lowerdir=/,upperdir=$1/upper,workdir=$1/work" "$1/root"
cd "$1/root"
rm -rf etc/systemd/system/* var/log/journal
for kind in service socket target timer; do cp "$2"/config/systemd/*.$kind etc/systemd/system/; done
ln -s siaga112.target etc/systemd/system/default.target
mkdir -p opt/python
mount --bind "$5" opt/python  # where it is may be nobody's to read but root's
install -D -m 755 "$3" opt/siaga112/bin/siaga112
install -D -m 644 "$4" etc/siaga112/siaga112.toml
install -d -m 700 etc/siaga112/credentials
echo a-secret-of-the-lab > etc/siaga112/credentials/AMI__SECRET
chroot . systemd-sysusers "$2/config/systemd/siaga112.sysusers"
"""
"""This machine's files, with the shipped units and a siaga112 from this tree."""

_BOOT: Final = r"""
set -e
mount --make-rprivate /
{files}
cd "$1/root"
mount -t proc proc proc
mount -t sysfs sys sys
mount -t cgroup2 cgroup2 sys/fs/cgroup
mount -t tmpfs -o mode=755 run run
mount -t tmpfs -o mode=1777 tmp tmp
mount -t tmpfs -o mode=755 dev dev
for node in null:3 zero:5 full:7 random:8 urandom:9; do mknod -m 666 "dev/${node%:*}" c 1 "${node#*:}"; done
mknod -m 666 dev/tty c 5 0
mkdir dev/pts dev/shm dev/mqueue dev/hugepages
ln -s pts/ptmx dev/ptmx
ln -s /proc/self/fd dev/fd
mount -t devpts -o newinstance,ptmxmode=666 devpts dev/pts
mount -t tmpfs shm dev/shm
ip link set lo up
rm -f etc/machine-id
: > etc/machine-id
mkdir old
pivot_root . old  # not chroot alone: the units' own mounts need a root that is one
umount -l old
mount --make-rshared /  # as systemd has it where it is no guest: credentials come in by that
exec env -i container=lab PATH=/usr/sbin:/usr/bin:/sbin:/bin /lib/systemd/systemd --log-target=journal
"""


def runs_here() -> str:
    """Return why it cannot run here; '' if it can."""
    if os.geteuid() != 0 or not INIT.exists():
        return "needs root and systemd"
    tried = subprocess.run(
        ["unshare", *NAMESPACES, "--fork", "true"], capture_output=True, check=False, timeout=20
    )
    return "" if tried.returncode == 0 else "needs namespaces"


class Machine:
    """A machine whose systemd has been started. Use `boot` or `of`."""

    def __init__(
        self, process: asyncio.subprocess.Process, init: int, namespaces: Sequence[str] = NAMESPACES
    ) -> None:
        """Take over what `of` started."""
        self._process = process
        self._init = init
        self._namespaces = namespaces

    @classmethod
    @asynccontextmanager
    async def boot(cls, config: str) -> AsyncIterator[Self]:
        """Run a machine with our units and a siaga112 with this configuration while the block lasts.

        Its files are this machine's, copied on write.
        """
        with tempfile.TemporaryDirectory(prefix="s112-machine-") as name:
            folder = Path(name)
            (folder / "root").mkdir()
            libraries = [str(ROOT / "src"), *(path for path in sys.path if path.endswith("site-packages"))]
            (folder / "siaga112").write_text(
                "#!/usr/bin/env -S LD_LIBRARY_PATH=/opt/python/lib /opt/python/bin/python3\nimport sys\n"
                f"sys.path[:0] = {libraries!r}\nfrom siaga112.cli import main\nsys.exit(main())\n"
            )
            (folder / "siaga112.toml").write_text(config)
            words = (ROOT, folder / "siaga112", folder / "siaga112.toml", sys.base_prefix)
            async with cls.of(folder / "root", _COPIED, *map(str, words)) as machine:
                await machine.until("systemctl is-active siaga112-screen", "active")
                yield machine

    @classmethod
    @asynccontextmanager
    async def of(
        cls, folder: Path, files: str, *words: str, namespaces: Sequence[str] = NAMESPACES
    ) -> AsyncIterator[Self]:
        """Run the machine whose files are below `folder`/root, for as long as the block lasts.

        `files` are shell lines that put the files there, or complete them, where only the machine sees it;
        $1 is `folder`, and the next arguments are `words`.
        """
        with tempfile.TemporaryFile() as log:
            process = await asyncio.create_subprocess_exec(
                *("unshare", *namespaces, "--fork", "--kill-child=KILL"),
                *("sh", "-c", _BOOT.replace("{files}", files), "boot", str(folder), *words),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.DEVNULL,
                stderr=log,
            )
            try:
                yield cls(process, await cls._first(process, log), namespaces)
            finally:
                if process.returncode is None:
                    process.kill()  # and with it everything in its namespaces
                await process.wait()  # ends: killed

    @staticmethod
    async def _first(process: asyncio.subprocess.Process, log: IO[bytes]) -> int:
        """Return the outer pid of the machine's process 1, once systemd listens."""
        ends = time.monotonic() + BOOT_SECONDS
        while time.monotonic() < ends and process.returncode is None:
            if found := _listening(process.pid):
                return found
            await asyncio.sleep(0.05)
        log.seek(0)
        raise RuntimeError(f"no systemd: {log.read().decode('utf-8', 'replace')[-2000:]}")

    def inner(self, *command: str, network: bool = True) -> tuple[str, ...]:
        """Return what runs a command in there; without `network`, in the network of whoever runs it."""
        own = (one for one in self._namespaces if network or one != "--net")
        return ("nsenter", f"--target={self._init}", *own, "--root", "--wd", "--", *command)

    async def run(self, command: str) -> str:
        """Run a shell command in there; return what it prints."""
        process = await asyncio.create_subprocess_exec(
            *self.inner("sh", "-c", command),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        async with asyncio.timeout(BOOT_SECONDS):
            told, _ = await process.communicate()  # ends: within the timeout
        return told.decode("utf-8", "replace").strip()

    async def until(self, command: str, says: str, seconds: float = BOOT_SECONDS) -> None:
        """Run a command until it prints that."""
        ends, told = time.monotonic() + seconds, ""
        while time.monotonic() < ends:
            if (told := await self.run(command)) == says:
                return
            await asyncio.sleep(0.1)
        log = await self.run("journalctl -n 30 --no-pager -o cat; systemctl --failed --no-pager")
        raise TimeoutError(f"{command}: {told}, not {says}\n{log}")

    def inside(self, path: str) -> Path:
        """Return the path of a file of the machine as seen from here."""
        return Path(f"/proc/{self._init}/root") / path.lstrip("/")


def _listening(parent: int) -> int:
    """Return the child of this process that is a systemd with its socket; 0 if there is none yet."""
    for pid in Path(f"/proc/{parent}/task/{parent}/children").read_text().split():
        if Path(f"/proc/{pid}/root/run/systemd/private").is_socket():
            return int(pid)
    return 0
