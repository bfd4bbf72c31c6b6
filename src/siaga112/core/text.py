"""Untrusted text: read numbers from it, and make it safe to display."""


def whole(text: str | bytes, most: int = 18) -> int | None:
    """Parse a whole number of at most `most` ASCII digits (so not `²`); return None if it is not one."""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= most else None


def digits(text: str) -> bool:
    """Return whether a text consists of one or more ASCII digits (so not `²`)."""
    return text.isascii() and text.isdigit()


def printable(text: str) -> str:
    """Replace characters that control a terminal or reorder text: control, bidi and line-end characters."""
    if text.isprintable():
        return text
    return "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in text)


def one_line(text: str) -> str:
    """Join a text into one line and replace unprintable characters."""
    return printable(" ".join(text.split()))
