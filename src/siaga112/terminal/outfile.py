"""Write files for people: readable by their owner alone, through no link, and complete or not at all."""

import contextlib
import os
import secrets
import stat
import sys
from collections.abc import Iterator
from io import TextIOWrapper
from pathlib import Path, PurePath
from typing import BinaryIO, Final, TextIO

from siaga112.errors import SiagaError, UsageError
from siaga112.reasons import plainly
from siaga112.words import say

PRIVATE: Final = 0o600
"""Files about callers are for the user who asked alone."""

_FOLDER: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_NEW: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW


class LinkError(OSError):
    """The file to write is a link: its target must not be changed."""


def created(path: Path) -> BinaryIO:
    """Create a new file, to be written piece by piece.

    Raises:
        FileExistsError: if anything has that name, even a dangling link.
        OSError: from the system.

    """
    return os.fdopen(os.open(path, _NEW, PRIVATE), "wb")


@contextlib.contextmanager
def replacing(path: Path, mode: int = PRIVATE, root: Path | None = None) -> Iterator[BinaryIO]:
    """Yield a file to write; it replaces the old one once it is complete.

    Below `root` no folder may be a link either; missing ones are created. A device or a pipe is written
    directly.

    Raises:
        LinkError: if the name is that of a link.
        OSError: from the system.

    """
    with contextlib.ExitStack() as stack:
        folder = _folder(path.parent, root)
        stack.callback(os.close, folder)
        found = _lstat(path.name, folder)
        if found and stat.S_ISLNK(found.st_mode):
            raise LinkError(0, "is a link; name the file itself", str(path))
        if found and stat.S_ISDIR(found.st_mode):
            raise IsADirectoryError(21, "is a folder", str(path))
        if found and not stat.S_ISREG(found.st_mode):
            flags = os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK  # a pipe that nobody reads
            with os.fdopen(os.open(path.name, flags, dir_fd=folder), "wb") as device:
                os.set_blocking(device.fileno(), True)
                yield device
            return
        beside = f".{path.name[:200]}.{secrets.token_hex(4)}.part"
        descriptor, named = _unnamed(beside, folder)
        try:
            with os.fdopen(descriptor, "wb") as file:
                yield file
                file.flush()
                os.fchmod(file.fileno(), mode)
                os.fsync(file.fileno())
                if not named:
                    os.link(f"/proc/self/fd/{file.fileno()}", beside, dst_dir_fd=folder, follow_symlinks=True)
                    named = True
            os.replace(beside, path.name, src_dir_fd=folder, dst_dir_fd=folder)
        except BaseException:
            if named:
                with contextlib.suppress(OSError):
                    os.unlink(beside, dir_fd=folder)
            raise


@contextlib.contextmanager
def text(output: Path | None) -> Iterator[TextIO]:
    """Yield the file to write text to, or the screen; the file appears once it is complete.

    Raises:
        SiagaError: if it cannot be written.

    """
    if output is None:
        yield sys.stdout
        return
    with binary(output) as raw:
        file = TextIOWrapper(raw, encoding="utf-8", newline="")
        yield file
        file.detach()


@contextlib.contextmanager
def binary(output: Path | None) -> Iterator[BinaryIO]:
    """Yield the file to write to, or the pipe to another program; the file appears once it is complete.

    Raises:
        UsageError: if it would go to a person's screen.
        SiagaError: if it cannot be written.

    """
    if output is None:
        if sys.stdout.isatty() or not isinstance(sys.stdout, TextIOWrapper):
            raise UsageError("--output: name the file; this is not for a screen")
        yield sys.stdout.buffer
        return
    try:
        with replacing(output) as raw:
            yield raw
    except OSError as error:
        said = say("{file}: cannot be written ({why})")
        raise SiagaError(said, file=output, why=plainly(error) or error.strerror) from error


def _unnamed(beside: str, folder: int) -> tuple[int, bool]:
    """Open a file without a name, which leaves nothing behind if the process dies; else one with a name."""
    try:
        return os.open(".", os.O_TMPFILE | os.O_WRONLY | os.O_CLOEXEC, PRIVATE, dir_fd=folder), False
    except OSError:  # the file system does not support it
        return os.open(beside, _NEW, PRIVATE, dir_fd=folder), True


def _folder(parent: Path, root: Path | None) -> int:
    if root is None:
        return os.open(parent, _FOLDER)
    root.mkdir(parents=True, exist_ok=True)
    folder = os.open(root, _FOLDER)
    for name in PurePath(parent).relative_to(root).parts:
        try:
            with contextlib.suppress(FileExistsError):
                os.mkdir(name, dir_fd=folder)
            if stat.S_ISLNK(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode):
                raise LinkError(0, "is a link; it must be a folder", str(parent))
            inner = os.open(name, _FOLDER | os.O_NOFOLLOW, dir_fd=folder)
        finally:
            os.close(folder)
        folder = inner
    return folder


def _lstat(name: str, folder: int) -> os.stat_result | None:
    try:
        return os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return None
