"""Files that others wrote: regular ones and pipes, of a sensible length; none is waited for without end."""

import os
import select
import stat
from errno import EISDIR
from io import BufferedReader
from pathlib import Path
from typing import Final

PATIENCE_SECONDS: Final = 5.0
"""So long may a pipe be silent while nobody has it open for writing, or where a whole file is asked for."""

MIB: Final = 1 << 20
_STEP: Final = 1 << 16


class UnfitError(OSError):
    """What has that name is nothing to be read; `strerror` says what it is."""


def opened(path: Path) -> BufferedReader:
    """Open a file, or a pipe that somebody writes to.

    Raises:
        UnfitError: if it is a device, or a pipe that stays without a writer.
        OSError: as the system says.

    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    except ValueError as error:  # a NUL in it
        raise UnfitError(0, "is no file's name", str(path)) from error
    try:
        _require_fit(descriptor, path)
        os.set_blocking(descriptor, True)
        return os.fdopen(descriptor, "rb")
    except BaseException:
        os.close(descriptor)
        raise


def read(path: Path, most: int = MIB) -> bytes:
    """Read a whole file of no more than so many bytes.

    Raises:
        UnfitError: if it is longer, a device, or a pipe that falls silent.
        OSError: as the system says.

    """
    parts: list[bytes] = []
    size = 0
    with opened(path) as file:
        while size <= most:
            if not _readable(file.fileno()):
                raise UnfitError(0, "is a pipe through which nothing comes", str(path))
            part = os.read(file.fileno(), _STEP)
            if not part:
                return b"".join(parts)
            parts.append(part)
            size += len(part)
    raise UnfitError(0, f"is longer than {most // MIB} MiB", str(path))


def _readable(descriptor: int) -> bool:
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    return bool(poll.poll(PATIENCE_SECONDS * 1_000))


def _require_fit(descriptor: int, path: Path) -> None:
    found = os.fstat(descriptor)
    if stat.S_ISDIR(found.st_mode):
        raise IsADirectoryError(EISDIR, os.strerror(EISDIR), str(path))
    if stat.S_ISREG(found.st_mode) or os.isatty(descriptor) or Path(os.devnull).samefile(path):
        return
    if not stat.S_ISFIFO(found.st_mode):
        raise UnfitError(0, "is a device, not a file", str(path))
    if _readable(descriptor):
        return
    try:
        os.read(descriptor, 1)
    except BlockingIOError:
        return  # somebody is there, and says nothing yet
    raise UnfitError(0, "is a pipe that nobody writes to", str(path))
