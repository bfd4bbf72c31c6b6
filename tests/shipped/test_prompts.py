"""The shipped prompts: exactly those that the dialplan plays, in both languages, fit for a telephone."""

import re
import runpy
import subprocess
import sys
import tomllib
import wave
from array import array
from collections.abc import Callable
from pathlib import Path

import pytest

from siaga112.core.model import Mark
from tests import prompts
from tests.lab.announcement import LANGUAGES

SHIPPED = Path(__file__).resolve().parents[2] / "asterisk"
FILES = sorted(SHIPPED.glob("sounds/*/siaga112/*"))


CONTACT = "contact"
"""The centre records this prompt itself: the dialplan plays it and we have its text, but ship no file."""
ALONE = {"id": {"past"}, "en": {"oh", "am", "pm"}}
"""Prompts that only one language uses, to say the time."""


def played() -> set[str]:
    """Return every prompt that a shipped file names; a variable at its end is a number, a month or a mark."""
    text = "\n".join(
        re.sub(r"(^|\s);.*", "", line)
        for file in SHIPPED.rglob("*.conf")
        for line in file.read_text("utf-8").splitlines()
    )
    names = re.findall(r"siaga112/([a-z0-9-]+)(\$\{)?", text)
    numbers, months = ([f"{n:02}" for n in range(*of)] for of in ((60,), (1, 13)))
    ends = {"number-": numbers, "number-0": [*"0123456789"], "month-": months, "marked-": [*Mark]}
    return {name + last for name, is_open in names for last in (ends[name] if is_open else [""])}


@pytest.mark.parametrize("language", LANGUAGES)
def test_each_prompt_is_there_and_none_is_unused(language: str) -> None:
    """The dialplan, the texts and the sound files have the same prompts."""
    texts = tomllib.loads((SHIPPED / "sounds/prompts.toml").read_text("utf-8"))[language]
    others = set().union(*ALONE.values()) - ALONE[language]
    assert set(texts) == played() - others
    assert {file.stem for file in FILES if file.parts[-3] == language} == set(texts) - {CONTACT}


@pytest.mark.parametrize("file", FILES, ids=lambda file: f"{file.parts[-3]}/{file.stem}")
def test_a_prompt_can_be_heard(file: Path) -> None:
    """A prompt is a WAV with 8 kHz, 16 bit, mono; it is loud, not clipped, and shorter than 12 seconds."""
    assert file.suffix == ".wav"
    with wave.open(str(file)) as sound:
        assert (sound.getframerate(), sound.getsampwidth(), sound.getnchannels()) == (8_000, 2, 1)
        samples = array("h", sound.readframes(sound.getnframes()))
    assert 1_500 < len(samples) < 12 * 8_000
    assert 10_000 < max(abs(sample) for sample in samples) < 32_000
    assert (sum(sample**2 for sample in samples) / len(samples)) ** 0.5 > 1_000


def test_the_page_of_the_prompts_has_their_words_and_their_lengths() -> None:
    """docs/prompts.md agrees with the prompts; `make docs` writes it."""
    assert prompts.PAGE.read_text("utf-8") == prompts.page()


def test_an_announcement_in_both_languages_is_over_within_45_seconds() -> None:
    """With our prompts, an announcement in both languages holds a channel for 45 seconds at most."""
    assert sum(prompts.longest(language) for language in LANGUAGES) <= 45


MAKE = SHIPPED / "sounds/make-prompts"
Filled = Callable[[str, str, dict[str, str]], str]


def test_a_telephone_number_to_object_to_is_spoken_digit_by_digit() -> None:
    """A telephone number in the contact is spoken digit by digit, not as one large number."""
    filled: Filled = runpy.run_path(str(MAKE))["filled"]
    said = filled(prompts.TEXTS["id"][CONTACT], "Diskominfo, 0254-20", prompts.TEXTS["id"])
    assert said.split() == [
        "Keberatan",
        "dapat",
        "diajukan",
        "kepada",
        "Diskominfo,",
        "nol",
        "dua",
        "lima",
        "empat",
        "-",
        "dua",
        "nol",
        ".",
    ]


@pytest.mark.parametrize(
    ("config", "why"),
    [
        ('[citizen]\noffice = "Diskominfo"\n', "[citizen] contact is empty: there is nothing to say"),
        ("[citizen\n", "Expected ']' at the end of a table declaration"),
    ],
)
def test_what_cannot_be_spoken_is_told_in_one_line(tmp_path: Path, config: str, why: str) -> None:
    """If there is no contact to speak, one line names the file and the reason, and no prompt is written."""
    file = tmp_path / "siaga112.toml"
    file.write_text(config, "utf-8")
    ended = subprocess.run(
        [sys.executable, MAKE, "--contact", file, "--to", tmp_path],
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr.startswith(f"make-prompts: {file}: {why}")
    assert len(ended.stderr.splitlines()) == 1
    assert list(tmp_path.iterdir()) == [file]


def test_the_manual_says_how_long_a_blocked_call_holds_a_channel() -> None:
    """The manual gives the lengths of the announcements as measured with our prompts."""
    manual = (SHIPPED.parent / "docs/manual.md").read_text("utf-8")
    longest = sum(prompts.longest(language) for language in LANGUAGES)
    permanent = sum(prompts.lasts(language, "permanent", None) for language in LANGUAGES)
    usual = sum(prompts.lasts(language, "temporary", prompts.USUAL) for language in LANGUAGES)
    assert f"in English ({usual:.0f} s;" in manual
    assert f"{longest:.0f} s at most with our prompts ({permanent:.0f} s for a permanent block)" in manual
