"""The shipped prompts are what the dialplan plays, in both languages, and fit for a telephone."""

import re
import tomllib
import wave
from array import array
from pathlib import Path

import pytest

from siaga112.core.model import Mark

SHIPPED = Path(__file__).resolve().parents[2] / "asterisk"
LANGUAGES = ("id", "en")
FILES = sorted(SHIPPED.glob("sounds/*/siaga112/*"))


def played() -> set[str]:
    """Give every prompt that a shipped file names; a variable at its end is a digit or a mark."""
    text = "\n".join(
        re.sub(r"(^|\s);.*", "", line)
        for file in SHIPPED.rglob("*.conf")
        for line in file.read_text("utf-8").splitlines()
    )
    names = re.findall(r"siaga112/([a-z0-9-]+)(\$\{)?", text)
    ends = {"digit-": [*"0123456789"], "marked-": [*Mark]}
    return {name + last for name, is_open in names for last in (ends[name] if is_open else [""])}


@pytest.mark.parametrize("language", LANGUAGES)
def test_each_prompt_is_there_and_none_is_unused(language: str) -> None:
    """The dialplan, the texts and the files name the same prompts."""
    assert {file.stem for file in FILES if file.parts[-3] == language} == played()
    assert set(tomllib.loads((SHIPPED / "sounds/prompts.toml").read_text("utf-8"))[language]) == played()


@pytest.mark.parametrize("file", FILES, ids=lambda file: f"{file.parts[-3]}/{file.stem}")
def test_a_prompt_can_be_heard(file: Path) -> None:
    """8 kHz, 16 bit, mono WAV; loud enough, never at the limit, and not longer than anybody listens."""
    assert file.suffix == ".wav"
    with wave.open(str(file)) as sound:
        assert (sound.getframerate(), sound.getsampwidth(), sound.getnchannels()) == (8_000, 2, 1)
        samples = array("h", sound.readframes(sound.getnframes()))
    assert 2_000 < len(samples) < 10 * 8_000
    assert 10_000 < max(abs(sample) for sample in samples) < 32_000
    assert (sum(sample**2 for sample in samples) / len(samples)) ** 0.5 > 1_000
