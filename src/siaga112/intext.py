"""The text of a file that somebody else wrote: unpacked if it is gz, xz or bz2, decoded, a line at a time."""

import bz2
import gzip
import lzma
import zlib
from codecs import BOM_UTF8, BOM_UTF16_BE, BOM_UTF16_LE, register_error
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import BufferedReader, TextIOWrapper
from pathlib import Path
from typing import Any, Final

from siaga112 import infile
from siaga112.errors import SiagaError

LONGEST_LINE: Final = 1 << 17
"""A longer line is of no file that we read (and must not fill the memory)."""

HEAD: Final = 4_096
"""So much of the beginning is looked at to say what a file is."""

CHUNK: Final = 1 << 16

_PACKED: Final[dict[bytes, Callable[[Any], Any]]] = {
    b"\x1f\x8b": gzip.open,
    b"\xfd7zXZ\0": lzma.open,
    b"BZh": bz2.open,
}
_NAMED: Final = {
    b"PK\x03\x04": "a zip or a spreadsheet; unpack it, or export it as CSV",
    b"\x28\xb5\x2f\xfd": "packed by zstd; unpack it first (zstd -d)",
    b"7z\xbc\xaf\x27\x1c": "packed by 7z; unpack it first",
    b"SQLite format 3\0": "an SQLite database; export its table (sqlite3 -header -csv FILE 'SELECT …')",
    b"%PDF-": "a PDF; export the table as CSV",
}
_WIDE: Final = {BOM_UTF16_LE: "utf-16", BOM_UTF16_BE: "utf-16"}

DAMAGED: Final = (EOFError, gzip.BadGzipFile, lzma.LZMAError, zlib.error)
"""What is raised in the middle of a packed file that is cut off or broken."""


def _western(error: UnicodeError) -> tuple[str, int]:
    """Read what is no UTF-8 as Windows' western code page, as exports of old databases are."""
    if not isinstance(error, UnicodeDecodeError):
        raise error
    return error.object[error.start : error.end].decode("cp1252", "replace"), error.end


register_error("siaga112-western", _western)


@contextmanager
def opened(
    path: Path, what: str, through: Callable[[BufferedReader], BufferedReader] = lambda raw: raw
) -> Iterator[tuple[BufferedReader, str]]:
    """Open a file; give its bytes, unpacked, and their encoding.

    `what` it should be of, as in "a file of calls". `through`: what is put before its bytes as they are.

    Raises:
        SiagaError: if it is of a kind that is known and cannot be read, with the remedy.
        OSError: if it cannot be opened.

    """
    with infile.opened(path) as file, through(file) as raw:
        head = raw.peek(HEAD)[:HEAD]
        for magic, kind in _NAMED.items():
            if head.startswith(magic):
                raise SiagaError(f"{path}: is {kind}")
        unpack = next((unpack for magic, unpack in _PACKED.items() if head.startswith(magic)), None)
        data: BufferedReader = BufferedReader(unpack(raw)) if unpack else raw
        with data:
            yield data, _encoding(path, _start(path, data), what)


def _start(path: Path, data: BufferedReader) -> bytes:
    try:
        return data.peek(HEAD)[:HEAD]
    except DAMAGED as error:
        raise SiagaError(f"{path}: the packed file is damaged at its beginning; copy it again") from error


def _encoding(path: Path, head: bytes, what: str) -> str:
    for mark, encoding in _WIDE.items():
        if head.startswith(mark):
            return encoding
    if b"\0" not in head:
        return "utf-8-sig" if head.startswith(BOM_UTF8) else "utf-8"
    # UTF-16 without its mark: every second byte of what is ASCII is 0.
    even, odd = head[::2].count(0), head[1::2].count(0)
    half = len(head) // 2
    if half and (even == 0 or odd == 0) and max(even, odd) > half * 9 // 10:
        return "utf-16-le" if odd > even else "utf-16-be"
    raise SiagaError(f"{path}: is binary, not a file of {what}")


def lines(path: Path, data: BufferedReader, encoding: str) -> Iterator[str]:
    """Give the lines, ends included.

    Raises:
        SiagaError: in one line, if a packed file is damaged or a line has no end.

    """
    text = TextIOWrapper(data, encoding, "siaga112-western", newline="")
    number = 0
    try:
        while line := text.readline(LONGEST_LINE):
            number += 1
            if len(line) == LONGEST_LINE:
                raise SiagaError(f"{path}: line {number} has no end within {LONGEST_LINE:,} characters")
            yield line
    except DAMAGED as error:
        raise _damaged(path, number) from error
    finally:
        if not data.closed:  # a reader that had enough of it leaves this to the garbage collection
            text.detach()


def chunks(path: Path, data: BufferedReader, encoding: str) -> Iterator[str]:
    """Give the text in pieces of a bounded size, wherever its lines end.

    Raises:
        SiagaError: in one line, if a packed file is damaged.

    """
    text = TextIOWrapper(data, encoding, "siaga112-western", newline="")
    number = 0
    try:
        while chunk := text.read(CHUNK):
            number += chunk.count("\n")
            yield chunk
    except DAMAGED as error:
        raise _damaged(path, number) from error
    finally:
        if not data.closed:
            text.detach()


def _damaged(path: Path, number: int) -> SiagaError:
    return SiagaError(
        f"{path}: the packed file is cut off or damaged after line {number:,}; "
        f"copy it again, or unpack what is there (zcat {path.name} > FILE) and read that"
    )
