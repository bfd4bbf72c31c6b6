"""Parses lists in JSON: another siaga112's (`blocks --json`, `allowed --json`), and crowdsec's decisions.

Objects are parsed one at a time, so a list may have any length, even on a single line.
"""

import json
import re
from collections.abc import Iterator, Mapping
from itertools import chain
from typing import Any, Final

from siaga112.core.importing import Kind, Refusal
from siaga112.core.model import Level
from siaga112.errors import SiagaError
from siaga112.moving_in import tables
from siaga112.moving_in.listed import Format, Listed, Reading, Recognised, Term, number, reason, term
from siaga112.words import say

LONGEST_OBJECT: Final = 1 << 24
"""A longer object is rejected, to bound memory; one alert of crowdsec contains all its decisions."""

_BEGIN: Final = re.compile(r"[ \t\r\n]*\[?[ \t\r\n]*")
_BETWEEN: Final = re.compile(r"[ \t\r\n]*,?[ \t\r\n]*")
_END: Final = "]"
_REST: Final = re.compile(r"(null|\])?[ \t\r\n]*")
_DECODER: Final = json.JSONDecoder()


def read(chunks: Iterator[str], reading: Reading, wanted: Format | None) -> Iterator[Listed]:
    """Yield the entries of a list in JSON.

    Raises:
        SiagaError: if the text is not such a list.

    """
    told = False
    for line, found in _objects(chunks):
        form = _form(found)
        if form is None or wanted not in {None, form}:
            raise SiagaError(f"line {line}: is JSON, but not of {wanted or _EXPECTED}")
        if not told:
            reading.told(Recognised(form, _SAID[form]))
            told = True
        yield from _ours(found, line, reading) if form is Format.SIAGA112 else _alert(found, line, reading)


_EXPECTED: Final = "siaga112 (blocks --json, allowed --json) or crowdsec (decisions list -o json)"
_SAID: Final = {
    Format.SIAGA112: say("the list of another siaga112"),
    Format.CROWDSEC: say("crowdsec's decisions"),
}


def _form(found: Mapping[str, Any]) -> Format | None:
    if "caller" in found and ("reason" in found or "level" in found):
        return Format.SIAGA112
    if "decisions" in found or {"scope", "value"} <= found.keys():
        return Format.CROWDSEC
    return None


def _ours(row: Mapping[str, Any], line: int, reading: Reading) -> Iterator[Listed]:
    kind = Kind.BLOCK if "level" in row else Kind.ALLOW
    if kind is not reading.kind:
        named = {Kind.BLOCK: "siaga112 blocks", Kind.ALLOW: "siaga112 allowed"}[kind]
        raise SiagaError(f"is what `{named} --json` prints: --as {kind}, not {reading.kind}")
    given, said = number(_text(row.get("caller"))), reason(_text(row.get("reason")))
    if not given:
        yield Listed(line, given, refusal=Refusal.NO_NUMBER)
        return
    if kind is Kind.ALLOW:
        yield Listed(line, given, said)
        return
    ends = Term(None) if row.get("level") == Level.PERMANENT else term(_text(row.get("until")), reading)
    if isinstance(ends, Refusal):
        yield Listed(line, given, said, refusal=ends)
        return
    gone = row.get("lifted") or row.get("allowed")
    yield Listed(line, given, said, ends, Refusal.NOT_IN_FORCE if gone else None)


def _alert(found: Mapping[str, Any], line: int, reading: Reading) -> Iterator[Listed]:
    decisions = found.get("decisions", [found])
    for one in decisions if isinstance(decisions, list) else []:
        if isinstance(one, dict):
            yield tables.decision({key: _text(value) for key, value in one.items()}, line, reading)


def _text(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) if isinstance(value, str | int) else ""


def _objects(chunks: Iterator[str]) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield each object of an array, or of JSON lines, with the number of its first line."""
    held, line, enough, before = "", 1, 1, _BEGIN
    for chunk in chain(chunks, [None]):
        held += chunk or ""
        if chunk is not None and len(held) < enough:
            continue
        at = 0
        while found := before.match(held, at):  # ends: each turn advances in `held`
            line += held.count("\n", at, found.end())
            at = found.end()
            if at == len(held) or held.startswith(_END, at):
                break
            before = _BETWEEN
            one, end = _decoded(held, at, line)
            if one is None:
                break
            yield line, one
            line += held.count("\n", at, end)
            at = end
        held = held[at:]
        if len(held) > LONGEST_OBJECT:
            raise SiagaError(f"line {line}: no object of a list is so long, or it is no JSON")
        enough = 2 * len(held)  # do not parse an incomplete object again after every chunk
    if _REST.fullmatch(held) is None:
        raise SiagaError(f"line {line}: is no JSON, or is cut off here")


def _decoded(text: str, at: int, line: int) -> tuple[dict[str, Any] | None, int]:
    """Parse an object; None if it is incomplete.

    Raises:
        SiagaError: if it is not an object.

    """
    if text[at] != "{":
        if "null".startswith(text[at : at + 4].strip()):
            return None, at
        raise SiagaError(f"line {line}: is no list of objects in JSON")
    try:
        found, end = _DECODER.raw_decode(text, at)
    except RecursionError:
        raise SiagaError(f"line {line}: is JSON nested too deep") from None
    except ValueError:
        return None, at
    return found, end
