"""Recognises what was heard on a line: our own prompts, byte for byte, and beeps.

The PBX only converts a prompt's samples to µ-law (ITU-T G.711). After the same conversion, the prompt is
found byte for byte in the sound of the line, and differs from every other prompt and language.
"""

import math
import wave
from array import array
from functools import cache
from typing import Final

from tests.lab.asterisk import SHIPPED

RATE: Final = 8_000
PACKET: Final = 160
BLOCK: Final = 80
_CLIP: Final = 32_635
_BIAS: Final = 0x84
# The PBX's table has one entry for four sample values, made from the last of them (ulaw.c, ast_ulaw_init).
_TABLE: Final = 3


def _to_ulaw(sample: int) -> int:
    sample |= _TABLE
    sign = 0x80 if sample < 0 else 0
    size = min(abs(sample), _CLIP) + _BIAS
    exponent = size.bit_length() - 8
    return ~(sign | exponent << 4 | size >> (exponent + 3) & 0x0F) & 0xFF


def _to_linear(code: int) -> int:
    code = ~code & 0xFF
    size = (((code & 0x0F) << 3) + _BIAS << (code >> 4 & 0x07)) - _BIAS
    return -size if code & 0x80 else size


_LINEAR: Final = [_to_linear(code) for code in range(256)]


@cache
def prompt(language: str, name: str) -> bytes:
    """Return a shipped prompt as it sounds on the line, without its first and last packet.

    The last packet is seldom full, and Asterisk 22 loses the first one of a line.
    """
    with wave.open(str(SHIPPED / f"sounds/{language}/siaga112/{name}.wav")) as file:
        samples = array("h", file.readframes(file.getnframes()))
    return bytes(_to_ulaw(sample) for sample in samples[PACKET:-PACKET])


def seconds(language: str, name: str) -> float:
    """Return the length of a shipped prompt in seconds."""
    with wave.open(str(SHIPPED / f"sounds/{language}/siaga112/{name}.wav")) as file:
        return float(file.getnframes() / file.getframerate())


def after(heard: bytes, wanted: bytes, since: int = 0) -> int | None:
    """Return the place just after the first such sound since that place; None if it was not heard."""
    place = heard.find(wanted, since)
    return None if place < 0 else place + len(wanted)


def hears_in_order(heard: bytes, *prompts: tuple[str, str]) -> bool:
    """Return whether these prompts, as (language, name), were heard one after another."""
    place: int | None = 0
    for language, name in prompts:
        place = None if place is None else after(heard, prompt(language, name), place)
    return place is not None


def digit(heard: bytes, language: str, since: int = 0) -> str | None:
    """Return the digit that was spoken right after that place; None if there was none."""
    spoken = heard[since : since + RATE]
    found = {str(n): spoken.find(prompt(language, f"number-{n:02}")) for n in range(10)}
    return next((n for n, place in found.items() if 0 <= place <= 4 * PACKET), None)


def loudness(heard: bytes) -> float:
    """Return the root mean square; 1 is the loudest possible sample."""
    if not heard:
        return 0.0
    return math.sqrt(sum(_LINEAR[code] ** 2 for code in heard) / len(heard)) / 32_768


def beeps(heard: bytes, hertz: int = 1_000) -> list[float]:
    """Return the length in seconds of each beep of that pitch."""
    runs: list[float] = []
    running = False
    for start in range(0, len(heard) - BLOCK, BLOCK):
        is_tone = _is_tone([_LINEAR[code] for code in heard[start : start + BLOCK]], hertz)
        if is_tone and running:
            runs[-1] += BLOCK / RATE
        elif is_tone:
            runs.append(BLOCK / RATE)
        running = is_tone
    return runs


def _is_tone(samples: list[int], hertz: int) -> bool:
    """Return whether nearly all the power of these samples is at that pitch (one term of the Fourier sum)."""
    power = sum(sample * sample for sample in samples)
    angles = [2 * math.pi * hertz * place / RATE for place in range(len(samples))]
    across = sum(sample * math.cos(angle) for sample, angle in zip(samples, angles, strict=True))
    along = sum(sample * math.sin(angle) for sample, angle in zip(samples, angles, strict=True))
    share = 2 * (across**2 + along**2) / (len(samples) * power) if power else 0.0
    return power / len(samples) > 500**2 and share > 0.8
