"""Files that we write for people: for their owner alone, through no link, and whole or not at all."""

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
"""What tells of callers is for the user who asked for it alone."""

_FOLDER: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_NEW: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW


class LinkError(OSError):
    """A link stands where we were to write: what it points to is not ours to change."""


def created(path: Path) -> BinaryIO:
    """Make a file that is not there yet, for what is written as it comes.

    Raises:
        FileExistsError: if anything has that name, be it a link that leads nowhere.
        OSError: as the system says.

    """
    return os.fdopen(os.open(path, _NEW, PRIVATE), "wb")


@contextlib.contextmanager
def replacing(path: Path, mode: int = PRIVATE, root: Path | None = None) -> Iterator[BinaryIO]:
    """Give a file to write to, which takes its place when all is written; until then the old one stays.

    Below `root` no folder may be a link either; missing ones are made. A device or a pipe is written to
    as it is.

    Raises:
        LinkError: if a link has its name.
        OSError: as the system says.

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
    """Give the file to write text to, or the screen; the file has its place once all is written.

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
    """Give the file to write to, or the pipe to another program; the file has its place once all is written.

    Raises:
        UsageError: if it would go to a person's screen.
        SiagaError: if it cannot be written.

    """
    if output is None:
        if sys.stdout.isatty() or not isinstance(sys.stdout, TextIOWrapper):
            raise UsageError("--output: name the file; this is nothing for a screen")
        yield sys.stdout.buffer
        return
    try:
        with replacing(output) as raw:
            yield raw
    except OSError as error:
        said = say("{file}: cannot be written ({why})")
        raise SiagaError(said, file=output, why=plainly(error) or error.strerror) from error


def _unnamed(beside: str, folder: int) -> tuple[int, bool]:
    """Open a file without a name, so that nothing is left of it if we are ended; else one with a name."""
    try:
        return os.open(".", os.O_TMPFILE | os.O_WRONLY | os.O_CLOEXEC, PRIVATE, dir_fd=folder), False
    except OSError:  # a file system that has none
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
