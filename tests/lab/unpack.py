"""Where the PBX comes from: the one on PATH, or a Debian suite unpacked into the cache folder."""

import fcntl
import os
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final, Literal

Version = Literal["22", "16"]
Progress = Callable[[str], None]

# Debian 12 and 13 have no package asterisk; these two suites do.
SUITES: Final[dict[Version, str]] = {"22": "forky", "16": "bullseye"}
KEYRING: Final = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
HEARTBEAT_SECONDS: Final = 5.0
# A slow mirror gets its time; one that says nothing more is given up.
UNPACK_SECONDS: Final = 900.0
# Not lib64/…: on bullseye that is a link to an absolute path, which leaves the root.
LOADER: Final = "lib/x86_64-linux-gnu/ld-linux-x86-64.so.2"
LIBRARIES: Final = ("usr/lib/x86_64-linux-gnu", "lib/x86_64-linux-gnu", "usr/lib")
"""The last one is for bullseye's pjproject."""


class RootError(RuntimeError):
    """No Asterisk is available; the message says what to do."""


@dataclass(frozen=True, slots=True)
class AsteriskRoot:
    """One installed Asterisk: how to run it, and where its modules and data are."""

    version: Version
    command: tuple[str, ...]
    modules: Path
    data: Path


def find(version: Version, progress: Progress = lambda _: None) -> AsteriskRoot:
    """Return a runnable Asterisk of this version; unpack one if the machine has none."""
    return _installed(version) or _unpacked(version, progress)


def _installed(version: Version) -> AsteriskRoot | None:
    binary = shutil.which("asterisk")
    if binary is None:
        return None
    said = subprocess.run([binary, "-V"], capture_output=True, text=True, check=False, timeout=60).stdout
    if not said.startswith(f"Asterisk {version}."):
        return None
    libraries = (*Path("/usr/lib").glob("*/asterisk"), Path("/usr/lib/asterisk"), Path("/usr/lib64/asterisk"))
    modules = next((place / "modules" for place in libraries if (place / "modules").is_dir()), None)
    places = (Path("/usr/share/asterisk"), Path("/var/lib/asterisk"))
    data = next((place for place in places if (place / "documentation").is_dir()), None)
    if modules is None or data is None:
        return None
    return AsteriskRoot(version, (binary,), modules, data)


def _modules(root: Path) -> Path:
    multiarch = root / "usr/lib/x86_64-linux-gnu/asterisk/modules"
    return multiarch if multiarch.is_dir() else root / "usr/lib/asterisk/modules"


def unpacked(version: Version, progress: Progress = lambda _: None) -> Path:
    """Return the folder of a Debian with this Asterisk; unpack one if the cache has none."""
    suite = SUITES[version]
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "siaga112"
    root = cache / f"asterisk-{suite}"
    if not root.is_dir():
        cache.mkdir(parents=True, exist_ok=True)
        with _only_one(cache / f"asterisk-{suite}.lock"):
            if not root.is_dir():  # another process may have unpacked it while we waited
                _unpack(suite, root, progress)
    return root


def _unpacked(version: Version, progress: Progress) -> AsteriskRoot:
    root = unpacked(version, progress)
    # Not a chroot: the root's own loader and libraries run its asterisk in place.
    libraries = ":".join(str(root / part) for part in LIBRARIES)
    command = (str(root / LOADER), "--library-path", libraries, str(root / "usr/sbin/asterisk"))
    return AsteriskRoot(version, command, _modules(root), root / "usr/share/asterisk")


@contextmanager
def _only_one(lock: Path) -> Iterator[None]:
    with lock.open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        yield


def _unpack(suite: str, root: Path, progress: Progress) -> None:
    tool = shutil.which("mmdebstrap")
    if tool is None or not KEYRING.is_file():
        missing = "mmdebstrap" if tool is None else "debian-archive-keyring"
        msg = f"no Asterisk for suite {suite}: {missing} is not installed (apt-get install {missing})"
        raise RootError(msg)
    # A temporary name, renamed at the end: an interrupted run leaves nothing that looks finished.
    unfinished = Path(tempfile.mkdtemp(prefix=f"unfinished-{suite}-", dir=root.parent))
    options = [
        "--variant=minbase",
        "--include=asterisk",
        '--aptopt=Acquire::Check-Valid-Until "false"',
        '--aptopt=APT::Install-Recommends "false"',
        f"--keyring={KEYRING}",
    ]
    progress(f"unpacking Asterisk from Debian {suite} (about half a minute, 340 MB)")
    try:
        with tempfile.TemporaryFile("w+") as output:
            _run(
                [tool, *options, suite, str(unfinished), mirror()],
                output,
                f"unpacking Debian {suite}",
                progress,
            )
        unfinished.rename(root)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    progress(f"Asterisk from Debian {suite} is in {root}")


def _run(command: list[str], output: IO[str], what: str, progress: Progress) -> None:
    began = time.monotonic()
    # ends: it is killed after UNPACK_SECONDS
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output) as process:
        while True:
            try:
                process.wait(HEARTBEAT_SECONDS)
                break
            except subprocess.TimeoutExpired:
                took = time.monotonic() - began
                progress(f"{what}: {took:.0f} s")
                if took > UNPACK_SECONDS:
                    process.kill()
            except BaseException:
                process.terminate()
                raise
    if process.returncode:
        output.seek(0)
        last = "\n".join(output.read().splitlines()[-5:])
        msg = f"{what} failed:\n{last}"
        raise RootError(msg)


def mirror(apt: Path = Path("/etc/apt")) -> str:
    """Return the Debian mirror that this machine itself uses, from either form of apt sources."""
    for source in _sources(apt):
        # A security archive has no asterisk suite of its own, and other vendors are not Debian.
        if source.rstrip("/").endswith("/debian"):
            return source
    msg = f"no Debian mirror in {apt}/sources.list or {apt}/sources.list.d"
    raise RootError(msg)


def _sources(apt: Path) -> Iterator[str]:
    for deb822 in sorted(apt.glob("sources.list.d/*.sources")):
        for line in deb822.read_text("utf-8").splitlines():
            key, _, value = line.partition(":")
            if key.strip().lower() == "uris":
                yield from value.split()
    for one_line in (apt / "sources.list", *sorted(apt.glob("sources.list.d/*.list"))):
        for line in one_line.read_text("utf-8").splitlines() if one_line.is_file() else ():
            found = re.match(r"\s*deb\s+(?:\[[^]]*\]\s+)?(\S+)", line)
            if found:
                yield found[1]
