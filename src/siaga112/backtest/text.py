"""Splits a capture, compressed or not, into its messages."""

from collections.abc import Callable, Iterator
from io import BufferedReader
from pathlib import Path
from typing import Final

from siaga112.captures.capture import MESSAGE_END
from siaga112.errors import SiagaError
from siaga112.intext import DAMAGED

LONGEST_MESSAGE: Final = 1 << 20
"""A longer message is an error, to bound memory."""

_CHUNK: Final = 1 << 16


def messages(path: Path, data: BufferedReader, told: Callable[[int, int], None]) -> Iterator[bytes]:
    """Yield the messages of a capture; call `told` with the messages and bytes since the last call.

    Raises:
        SiagaError: if a compressed file is damaged or a message has no end.

    """
    rest = b""
    try:
        while chunk := data.read(_CHUNK):
            *whole, rest = (rest + chunk).split(MESSAGE_END)
            yield from filter(None, whole)
            told(len(whole), len(chunk))
            if len(rest) > LONGEST_MESSAGE:
                raise SiagaError(f"{path}: a message is longer than any of Asterisk's")
    except DAMAGED as error:
        raise SiagaError(f"{path}: the packed file is cut off or damaged; copy it again") from error
    if rest.strip():
        yield rest
