"""Cursors of lists, in letters that are safe in a URL."""

import base64

from siaga112.core.text import whole
from siaga112.errors import UsageError
from siaga112.words import say


def place_of(cursor: str) -> tuple[int, str] | None:
    """Parse a cursor; None is the beginning.

    Raises:
        UsageError: if we never issued it.

    """
    if not cursor:
        return None
    try:
        text = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode()
    except ValueError:
        text = ""
    first, _, rest = text.partition("~")
    number = whole(first)
    if number is None or not rest.isprintable():
        raise UsageError(say("cursor must be `next` of the previous page, as you received it"))
    return number, rest


def cursor_of(first: int, rest: str = "") -> str:
    """Return a cursor."""
    return base64.urlsafe_b64encode(f"{first}~{rest}".encode()).decode().rstrip("=")
