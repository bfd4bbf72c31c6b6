"""Places in lists, as programs and pages hand them back: of letters that an address may have."""

import base64

from siaga112.core.text import whole
from siaga112.errors import UsageError
from siaga112.words import say


def place_of(cursor: str) -> tuple[int, str] | None:
    """Read a place; None for the beginning.

    Raises:
        UsageError: if it is none that we gave.

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
        raise UsageError(say("cursor: it is `next` of the page before, as it was given"))
    return number, rest


def cursor_of(first: int, rest: str = "") -> str:
    """Write a place."""
    return base64.urlsafe_b64encode(f"{first}~{rest}".encode()).decode().rstrip("=")
