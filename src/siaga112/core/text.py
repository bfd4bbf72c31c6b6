"""Text that somebody else wrote: what of it is a number, and what may be shown of it."""


def whole(text: str | bytes, most: int = 18) -> int | None:
    """Read a whole number of ASCII digits, of so many at most; None if it is none (`²` is no digit here)."""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= most else None


def digits(text: str) -> bool:
    """Say whether a text is made of ASCII digits, and has one (`²` is none here)."""
    return text.isascii() and text.isdigit()


def printable(text: str) -> str:
    """Replace what a terminal obeys or what turns text around: control characters, bidi marks, line ends."""
    if text.isprintable():
        return text
    return "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in text)


def one_line(text: str) -> str:
    """Put what a person wrote on one line, and what cannot be seen aside."""
    return printable(" ".join(text.split()))
