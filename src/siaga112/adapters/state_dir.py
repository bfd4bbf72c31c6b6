"""The state directory: it holds callers' numbers, so only the daemon's user may read it."""

import contextlib
import os
import stat
from pathlib import Path
from typing import Final

OURS: Final = ("siaga112.db*", "outbox.db*", "mode", "off", "running.*", "redis", "redis/**/*")
"""What we and our private Redis create in it."""

DAMAGED: Final = ("outbox.db.damaged-*", "redis/appendonlydir.damaged-*")
"""Files that could not be read at a start, set aside for a person."""


def keep_private(state_dir: Path) -> None:
    """Make new and existing files readable only for their owner: 0600, folders 0700.

    The directory is created if need be, so that the `off` file (`mode_files`) has a place. Other users' files
    stay as they are, and so does a directory shared by everybody, such as /tmp.
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
    with contextlib.suppress(OSError):  # deleted meanwhile, or another user's
        found = path.lstat()
        if found.st_uid == os.geteuid() and not stat.S_ISLNK(found.st_mode) and found.st_mode & 0o077:
            path.chmod(found.st_mode & 0o700)


def read(path: Path, longest: int = 64 * 1024) -> bytes:
    """Read a small file that siaga112 wrote, at most `longest` bytes.

    Raises:
        OSError: from the system; also if the path is a symbolic link.

    """
    with os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
        return file.read(longest)


def write(path: Path, data: bytes, *, durable: bool = True) -> None:
    """Replace a small file atomically: a reader sees the old or the new content, never a part.

    A file written by root is given to the daemon's user, who must read it. `durable`: survives a power cut.

    Raises:
        OSError: from the system.

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
