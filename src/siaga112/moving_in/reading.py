"""Opens a file of numbers, recognises it by content, and reads it line by line while computing its digest."""

import hashlib
import io
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain, islice
from pathlib import Path
from typing import Any, Final

from siaga112 import intext
from siaga112.errors import SiagaError, UsageError
from siaga112.moving_in import consoles, objects, tables
from siaga112.moving_in.listed import Format, Listed, Reading

WHAT: Final = "numbers"
_JSON: Final = ("[", "{")


class Digesting(io.RawIOBase):
    """Passes the bytes of a file through and computes their SHA-256."""

    def __init__(self, raw: io.BufferedReader) -> None:
        self._raw = raw
        self._digest = hashlib.sha256()

    def readable(self) -> bool:
        """Return True."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Read the next bytes into a buffer; return how many."""
        count = self._raw.readinto1(buffer)
        self._digest.update(memoryview(buffer)[:count])
        return count

    def of_all(self) -> str:
        """Read the rest of the file; return the digest of all of it."""
        rest = bytearray(intext.CHUNK)
        while self.readinto(rest):
            pass
        return self._digest.hexdigest()


class Opened:
    """An open list. Read `digest` after `lines`: it consumes the rest of the file."""

    def __init__(self, lines: Iterator[Listed], digesting: Digesting) -> None:
        self.lines = lines
        self._digesting = digesting

    @property
    def digest(self) -> str:
        """The SHA-256 of the whole file."""
        return self._digesting.of_all()


@contextmanager
def opened(path: Path, reading: Reading, wanted: Format | None) -> Iterator[Opened]:
    """Open a list; errors in its content are raised while its lines are read.

    Raises:
        SiagaError: one line with the file and the remedy.

    """
    digesting: list[Digesting] = []

    def through(raw: io.BufferedReader) -> io.BufferedReader:
        digesting.append(Digesting(raw))
        return io.BufferedReader(digesting[0], intext.CHUNK)

    try:
        with intext.opened(path, WHAT, through) as (data, encoding):
            yield Opened(_lines(path, data, encoding, reading, wanted), digesting[0])
    except OSError as error:
        raise SiagaError(f"{path}: cannot be read ({error.strerror or error})") from error


def _lines(
    path: Path, data: io.BufferedReader, encoding: str, reading: Reading, wanted: Format | None
) -> Iterator[Listed]:
    try:
        begin = data.peek(intext.HEAD)[: intext.HEAD].decode(encoding, "ignore").lstrip()
        if begin.startswith(_JSON) or begin.strip() == "null":
            yield from objects.read(intext.chunks(path, data, encoding), reading, wanted)
        else:
            yield from _of_lines(intext.lines(path, data, encoding), reading, wanted)
    except UsageError:
        raise
    except SiagaError as error:
        said = str(error)
        raise SiagaError(said if said.startswith(f"{path}: ") else f"{path}: {said}") from error


def _of_lines(lines: Iterator[str], reading: Reading, wanted: Format | None) -> Iterator[Listed]:
    first = list(islice(lines, tables.SAMPLE))
    if not any(line.strip() for line in first):
        raise SiagaError("is empty")
    console = any(consoles.ROW.fullmatch(line.strip()) for line in first)
    if wanted is Format.ASTERISK or (wanted is None and console):
        yield from consoles.read(chain(first, lines), reading)
    elif wanted is Format.SIAGA112:
        raise SiagaError("is no JSON, as siaga112 prints it (blocks --json, allowed --json)")
    else:
        yield from tables.read(chain(first, lines), reading, wanted)
