"""docs/panduan.md fits the console: its pages, its labels, and the pictures of it."""

import io
import re
from pathlib import Path
from typing import Final

import pytest
from babel.messages.pofile import read_po
from PIL import Image

from siaga112.console.rendering import NAVIGATION
from siaga112.words import DOMAIN, Language, tongue
from tests import words
from tests.console import pictures

GUIDE: Final = pictures.IMAGES.parent / "panduan.md"
BESIDE: Final = {"Masuk", "Penelepon"}
"""Sections on pages that are in no menu."""

TAGS: Final = re.compile(r"(?<!\*)\*([^*\s][^*]*)\*(?!\*)")
NOT_PROSE: Final = re.compile(r"^```.*?^```|`[^`\n]*`|\*\*|!\[[^\]]*\]\([^)]*\)", re.DOTALL | re.MULTILINE)


def guide() -> str:
    """Return the guide's text."""
    return GUIDE.read_text("utf-8")


def console() -> str:
    """Return the chapter on the console."""
    return guide().partition("\n## Konsol\n")[2].partition("\n## ")[0]


def labels(text: str) -> list[str]:
    """Return the labels that a text quotes: what is in italics."""
    prose = NOT_PROSE.sub("", text)
    return [
        " ".join(found.split())
        for part in re.split(r"\n\n|\n[-|]|\n\d", prose)
        for found in TAGS.findall(part)
    ]


def test_every_page_of_the_menu_has_its_section() -> None:
    """The guide's sections are the menu's pages, in its order and words, and the few beside it."""
    t = tongue(Language.ID)
    menu = [t(text) for _, text, _ in NAVIGATION]
    sections = re.findall(r"^### (.+)$", console(), re.MULTILINE)
    assert [section for section in sections if section not in BESIDE] == menu
    assert set(sections) >= BESIDE


def test_the_pictures_are_those_that_are_made() -> None:
    """The guide shows exactly the pictures that `make pictures` makes, and each is small."""
    shown = re.findall(r"!\[[^\]]+\]\(images/([^)]+)\.png\)", guide())
    assert shown == list(dict.fromkeys(shown))
    assert set(shown) == set(pictures.PICTURES)
    assert {path.stem for path in pictures.IMAGES.glob("konsol-*")} == set(pictures.PICTURES)
    for name in shown:
        check(name, (pictures.IMAGES / f"{name}.png").read_bytes())


def check(name: str, png: bytes) -> None:
    """Check a picture's size, and that it is as wide as its page was seen."""
    assert len(png) <= pictures.MOST_BYTES, name
    with Image.open(io.BytesIO(png)) as image:
        assert image.width == pictures.PICTURES[name].seen
        assert pictures.LEAST_HEIGHT <= image.height <= pictures.PICTURES[name].most


def test_what_the_guide_quotes_stands_in_the_console() -> None:
    """Every label that the guide quotes is in the console's catalogue, letter for letter."""
    with words.PO.open("rb") as file:
        catalog = read_po(file, locale="id", domain=DOMAIN)
    said = {
        text
        for message in catalog
        for text in (message.string if isinstance(message.string, tuple) else (message.string,))
    }
    quoted = labels(guide())
    assert sorted({label for label in quoted if label not in said and label != "miring"}) == []
    assert len(quoted) > 100


def test_a_label_that_is_not_there_would_be_found() -> None:
    """Labels are found across lines too; bold text, code and pictures are no labels."""
    text = "*Papan\npantau* `*71`, **tebal *Cari* lagi**\n\n![*x*](y.png) 2 * 3\n\n* *Blokir*"
    assert labels(text) == ["Papan pantau", "Cari", "Blokir"]


@pytest.mark.redis
@pytest.mark.slow
async def test_the_pictures_can_be_made(tmp_path: Path) -> None:
    """`made` draws every picture, and each passes `check`."""
    made = await pictures.made()
    assert list(made) == list(pictures.PICTURES)
    for name, png in made.items():
        (tmp_path / name).write_bytes(png)
        check(name, png)
