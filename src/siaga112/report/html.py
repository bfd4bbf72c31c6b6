"""HTML and SVG as text that is safe by the way it is made: whatever is not `Html` is escaped."""

from html import escape


class Html(str):
    """Text that is HTML already."""

    __slots__ = ()


def tag(name: str, *inside: str, **attributes: str | float) -> Html:
    """Write an element; `class_` is the attribute class, `stroke_width` is stroke-width."""
    written = "".join(
        f' {key.strip("_").replace("_", "-")}="{escape(_number(value))}"' for key, value in attributes.items()
    )
    return Html(f"<{name}{written}>{join(*inside)}</{name}>")


def join(*parts: str) -> Html:
    """Write parts one after the other."""
    return Html("".join(part if isinstance(part, Html) else escape(part) for part in parts))


def _number(value: str | float) -> str:
    return value if isinstance(value, str) else f"{value:.6g}"
