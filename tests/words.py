"""Update the catalogues from the code: `make words`. People write the translations.

`locale/siaga112.pot` is extracted from the code and the console's templates, merged into
`locale/id/LC_MESSAGES/siaga112.po`, and compiled to `siaga112.mo`, which the program reads. A test checks all
three.
"""

import io
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from babel.messages.catalog import Catalog
from babel.messages.extract import extract
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po
from jinja2.ext import babel_extract

from siaga112.words import DOMAIN, LOCALE

SOURCE: Final = Path(__file__).parents[1] / "src" / "siaga112"
KEYWORDS: Final[dict[str, Any]] = {
    **dict.fromkeys(("t", "say", "Said", "WrongValueError")),
    "many": (1, 2),
}
OPTIONS: Final = {"trim_blocks": "true", "lstrip_blocks": "true"}
PO: Final = LOCALE / "id" / "LC_MESSAGES" / f"{DOMAIN}.po"
MADE: Final = datetime(2026, 11, 29, tzinfo=UTC)
"""The date in a compiled catalogue, always the same so that files can be compared."""

MO: Final = PO.with_suffix(".mo")
POT: Final = LOCALE / f"{DOMAIN}.pot"


def said() -> Iterator[tuple[str, Any]]:
    """Yield each text of the code that people read, with its file."""
    for path in sorted(SOURCE.rglob("*.py")):
        with path.open("rb") as file:
            for _, message, _, _ in extract("python", file, KEYWORDS):
                yield str(path.relative_to(SOURCE)), message
    for path in sorted(SOURCE.rglob("*.html.j2")):
        if path.parent.name == "templates":
            with path.open("rb") as file:
                for _, _, told, _ in babel_extract(file, ("t", "many"), (), OPTIONS):
                    yield str(path.relative_to(SOURCE)), told


def template() -> Catalog:
    """Return the catalogue of the code's texts."""
    catalog = Catalog(project="siaga112", charset="utf-8")
    catalog.header_comment = "# What siaga112 says to people."
    for file, message in said():
        given = message if isinstance(message, tuple) else (message,)
        texts = [one for one in given if isinstance(one, str)]
        if texts:  # otherwise it is translated where the text is written
            catalog.add((texts[0], texts[1]) if len(texts) > 1 else texts[0], locations=[(file, 0)])
    return catalog


def merged() -> Catalog:
    """Return the Indonesian catalogue with the code's current texts; new ones are not translated yet."""
    if PO.exists():
        with PO.open("rb") as file:
            catalog = read_po(file, locale="id", domain=DOMAIN)
    else:
        catalog = Catalog(locale="id", domain=DOMAIN, charset="utf-8")
    catalog.update(template(), no_fuzzy_matching=True)
    catalog.obsolete.clear()
    return catalog


def spelled(catalog: Catalog) -> bytes:
    """Return a catalogue as text, the same bytes each time."""
    file = io.BytesIO()
    write_po(file, catalog, width=110, omit_header=False, sort_by_file=True, include_previous=False)
    lines = file.getvalue().decode().splitlines()
    kept = [
        line
        for line in lines
        if not line.startswith(('"POT-Creation-Date', '"PO-Revision-Date', '"Generated-By'))
    ]
    return ("\n".join(kept) + "\n").encode()


def compiled(catalog: Catalog) -> bytes:
    """Return a compiled catalogue, the same bytes each time."""
    catalog.creation_date = catalog.revision_date = MADE
    file = io.BytesIO()
    write_mo(file, catalog)
    return file.getvalue()


def main() -> None:
    """Write all three files, and print the texts that are not translated."""
    PO.parent.mkdir(parents=True, exist_ok=True)
    catalog = merged()
    POT.write_bytes(spelled(template()))
    PO.write_bytes(spelled(catalog))
    with PO.open("rb") as file:
        MO.write_bytes(compiled(read_po(file, locale="id", domain=DOMAIN)))
    for message in catalog:
        if message.id and not all(message.string if isinstance(message.string, tuple) else [message.string]):
            print(f"not translated: {message.id}")


if __name__ == "__main__":
    main()
