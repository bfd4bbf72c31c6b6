"""The state directory: callers' numbers lie in it, for the daemon's user alone, whatever its umask."""

import contextlib
import os
import stat
from pathlib import Path
from typing import Final

OURS: Final = ("siaga112.db*", "outbox.db*", "mode", "off", "running.*", "redis", "redis/**/*")
"""What we and our private Redis make in it."""

DAMAGED: Final = ("outbox.db.damaged-*",)
"""What could not be read at a start, set aside for a person to look at."""


def keep_private(state_dir: Path) -> None:
    """Let nobody else read what is made there from now on, nor what is there already: 0600, folders 0700.

    It is made, so that there is a place for the switch that needs nobody (`mode_files`).
    What belongs to somebody else stays as it is, and so does a folder that is everybody's, like /tmp.
    """
    os.umask(0o077)
    with contextlib.suppress(OSError):
        state_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not state_dir.stat().st_mode & stat.S_ISVTX:
            _shut(state_dir)
        for pattern in OURS:
            for path in state_dir.glob(pattern):
                _shut(path)


def _shut(path: Path) -> None:
    with contextlib.suppress(OSError):  # gone meanwhile, or somebody else's
        found = path.lstat()
        if found.st_uid == os.geteuid() and not stat.S_ISLNK(found.st_mode) and found.st_mode & 0o077:
            path.chmod(found.st_mode & 0o700)


def read(path: Path, longest: int = 64 * 1024) -> bytes:
    """Read a small file of ours, no more than so many bytes of it.

    Raises:
        OSError: as the system says; also of a link.

    """
    with os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
        return file.read(longest)


def write(path: Path, data: bytes, *, durable: bool = True) -> None:
    """Put a small file of ours in its place: whoever reads has the old one or the new one, never a part.

    What root writes is given to the daemon's user, who must read it. `durable`: it outlives a power cut.

    Raises:
        OSError: as the system says.

    """
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        with os.fdopen(os.open(beside, flags, 0o600), "wb") as file:
            if os.geteuid() == 0:
                owner = path.parent.stat()
                os.fchown(file.fileno(), owner.st_uid, owner.st_gid)
            file.write(data)
            if durable:
                file.flush()
                os.fsync(file.fileno())
        beside.replace(path)
    except OSError:
        with contextlib.suppress(OSError):
            beside.unlink()
        raise
