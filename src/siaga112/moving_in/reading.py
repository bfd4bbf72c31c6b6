"""A file of numbers: opened, recognised by content, read a line at a time, its digest taken on the way."""

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
    """Gives the bytes of a file on, and takes their SHA-256."""

    def __init__(self, raw: io.BufferedReader) -> None:
        self._raw = raw
        self._digest = hashlib.sha256()

    def readable(self) -> bool:
        """Say that it can be read."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Read the next bytes."""
        count = self._raw.readinto1(buffer)
        self._digest.update(memoryview(buffer)[:count])
        return count

    def of_all(self) -> str:
        """Give the digest of the whole file, of which nothing need have been read yet."""
        rest = bytearray(intext.CHUNK)
        while self.readinto(rest):
            pass
        return self._digest.hexdigest()


class Opened:
    """A list that is being read. `digest` is of the whole file once its lines are read."""

    def __init__(self, lines: Iterator[Listed], digesting: Digesting) -> None:
        self.lines = lines
        self._digesting = digesting

    @property
    def digest(self) -> str:
        """The file's SHA-256."""
        return self._digesting.of_all()


@contextmanager
def opened(path: Path, reading: Reading, wanted: Format | None) -> Iterator[Opened]:
    """Open a list; what is wrong with it is said while its lines are read.

    Raises:
        SiagaError: in one line, with the file and the remedy.

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
