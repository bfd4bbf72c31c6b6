"""Parses lists as tables: CSV with or without a header, FusionPBX's call block, crowdsec's raw output."""

import csv
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import chain, islice
from typing import Any, Final

from siaga112.core.importing import Refusal
from siaga112.core.text import digits, printable
from siaga112.errors import SiagaError, UsageError
from siaga112.moving_in.listed import (
    Format,
    Listed,
    Reading,
    Recognised,
    Term,
    lasting,
    number,
    reason,
    term,
)
from siaga112.words import say

SAMPLE: Final = 50
"""How many rows are examined to find the column of the numbers."""

_NUMBERS: Final = (
    "number", "phone_number", "phonenumber", "phone", "caller", "callerid", "caller_id", "caller_number",
    "cid", "cidnum", "callerid_num", "cid_number", "blocked_number", "msisdn", "mobile", "tel", "telephone",
    "nomor", "no", "nomor_telepon", "no_telepon", "nomor_hp", "no_hp", "hp", "telepon",
    "penelepon", "pemanggil",
)  # fmt: skip
_REASONS: Final = (
    "reason", "description", "note", "notes", "comment", "comments", "remark",
    "alasan", "keterangan", "catatan", "sebab",
)  # fmt: skip
_UNTILS: Final = (
    "until", "expires", "expires_at", "expiry", "expiration", "valid_until", "end", "sampai",
    "hingga", "berakhir",
)  # fmt: skip
_DELIMITERS: Final = ",;\t|"
_LOOKS_LIKE_ONE: Final = re.compile(r"\+?[0-9]{5,19}")

Row = Sequence[str]
_Spell = Callable[[Mapping[str, str], int, Reading], Listed]


def read(lines: Iterator[str], reading: Reading, wanted: Format | None) -> Iterator[Listed]:
    """Yield the entries of a table.

    Raises:
        SiagaError: if it is not a table, or the column of the numbers cannot be determined.

    """
    first = list(islice(lines, SAMPLE))
    delimiter = _delimiter(first)
    rows = csv.reader(chain(first, lines), delimiter=delimiter, skipinitialspace=True)
    numbered = _numbered(rows)
    sample = list(islice(numbered, SAMPLE))
    if not sample:
        raise SiagaError("is empty")
    head = _head(sample[0][1])
    known = _known(head, wanted)
    if known is None:
        yield from _plain(chain(sample, numbered), sample, reading)
        return
    spell, recognised = known
    reading.told(recognised)
    for line, row in chain(sample[1:], numbered):
        yield spell(dict(zip(head, row, strict=False)), line, reading)


def _numbered(reader: Any) -> Iterator[tuple[int, Row]]:
    """Yield the non-empty rows of a csv.reader, each with the number of its last line."""
    try:
        for row in reader:
            if any(cell.strip() for cell in row):
                yield reader.line_num, row
    except csv.Error as error:
        raise SiagaError(f"line {reader.line_num}: is no CSV ({error})") from error


def _delimiter(lines: Sequence[str]) -> str:
    """Return the delimiter that occurs equally often in most of the first lines."""
    best, most = ",", 0
    for one in _DELIMITERS:
        counts = [line.count(one) for line in lines if line.strip()]
        alike = max((counts.count(count) for count in set(counts) if count), default=0)
        if alike > most:
            best, most = one, alike
    return best


def _head(row: Row) -> list[str]:
    return [re.sub(r"[\s\-.]+", "_", cell.strip().strip('"').lower()) for cell in row]


# ── tables with known columns ────────────────────────────────────────────────────────────────────


def _known(head: Sequence[str], wanted: Format | None) -> tuple[_Spell, Recognised] | None:
    """Return the known table with this header; None if there is none.

    Raises:
        SiagaError: if the header does not fit the format that a person named.

    """
    names = set(head)
    known: tuple[tuple[Format, set[str], _Spell, str], ...] = (
        (Format.FUSIONPBX, {"call_block_number"}, _fusionpbx, say("FusionPBX's call block")),
        (
            Format.FUSIONPBX,
            {"blocked_caller_number"},
            _fusionpbx_before,
            say("FusionPBX's call block"),
        ),
        (Format.CROWDSEC, {"ip", "action", "expiration"}, _crowdsec, say("crowdsec's decisions")),
        (
            Format.CROWDSEC,
            {"scope", "value"},
            _crowdsec_import,
            say("crowdsec's decisions"),
        ),
    )
    for form, needed, spell, said in known:
        if needed <= names and wanted in {None, form}:
            return spell, Recognised(form, said)
    if wanted in {Format.FUSIONPBX, Format.CROWDSEC}:
        needs = [" and ".join(sorted(needed)) for form, needed, _, _ in known if form is wanted]
        raise SiagaError(f"is no table of {wanted}'s: its head needs {', or '.join(needs)}")
    return None


def _fusionpbx(row: Mapping[str, str], line: int, reading: Reading) -> Listed:
    del reading
    given, code = number(row.get("call_block_number", "")), number(row.get("call_block_country_code", ""))
    if code and given and not given.startswith(("+", "0")):
        given = f"+{code.removeprefix('+')}{given}"
    on = row.get("call_block_enabled", "true").strip().lower() in {"", "true", "t", "1"}
    inbound = row.get("call_block_direction", "inbound").strip().lower() in {"", "inbound"}
    said = reason(row.get("call_block_description", "")) or reason(row.get("call_block_name", ""))
    return _listed(line, given, said, None, in_force=on and inbound)


def _fusionpbx_before(row: Mapping[str, str], line: int, reading: Reading) -> Listed:
    del reading
    on = row.get("block_call_enabled", "true").strip().lower() in {"", "true", "t", "1"}
    given, said = number(row.get("blocked_caller_number", "")), reason(row.get("blocked_caller_name", ""))
    return _listed(line, given, said, None, in_force=on)


def _crowdsec(row: Mapping[str, str], line: int, reading: Reading) -> Listed:
    scope, colon, value = row.get("ip", "").partition(":")
    decided = {
        "scope": scope if colon else "ip",
        "value": value if colon else scope,
        "type": row.get("action", ""),
        "scenario": row.get("reason", ""),
        "duration": row.get("expiration", ""),
        "simulated": row.get("simulated", ""),
    }
    return decision(decided, line, reading)


def _crowdsec_import(row: Mapping[str, str], line: int, reading: Reading) -> Listed:
    return decision({"scenario": row.get("reason", ""), **row}, line, reading)


_ADDRESSES: Final = frozenset({"ip", "range", "as", "country"})


def decision(said: Mapping[str, str], line: int, reading: Reading) -> Listed:
    """Parse a crowdsec decision: its value is a number unless its scope is one of addresses."""
    value = said.get("value", "")
    if said.get("scope", "ip").strip().lower() in _ADDRESSES:
        return Listed(line, value, refusal=Refusal.NOT_A_NUMBER)
    in_force = said.get("type", "ban").strip().lower() in {"", "ban"} and said.get("simulated", "") != "true"
    ends = lasting(said.get("duration", ""), reading)
    if ends is None and "until" in said:
        ends = term(said["until"], reading)
    return _listed(line, number(value), reason(said.get("scenario", "")), ends, in_force=in_force)


def _listed(
    line: int, given: str, said: str, ends: Term | Refusal | None, *, in_force: bool = True
) -> Listed:
    if not given:
        return Listed(line, given, refusal=Refusal.NO_NUMBER)
    if isinstance(ends, Refusal):
        return Listed(line, given, said, refusal=ends)
    return Listed(line, given, said, ends, None if in_force else Refusal.NOT_IN_FORCE)


# ── any table ────────────────────────────────────────────────────────────────────────────────────


def _plain(
    rows: Iterator[tuple[int, Row]], sample: Sequence[tuple[int, Row]], reading: Reading
) -> Iterator[Listed]:
    head = _head(sample[0][1])
    has_head = not any(map(_looks_like_one, sample[0][1]))
    if has_head:
        next(rows)
    names = head if has_head else []
    body = [row for _, row in (sample[1:] if has_head else sample)]
    where = _wanted_column(reading.column, names, body) if reading.column else _column(names, body)
    why = next((names.index(name) for name in _REASONS if name in names), None)
    ends = next((names.index(name) for name in _UNTILS if name in names), None)
    if not has_head and len(body[0]) > 1 and why is None:
        why = next((at for at in range(len(body[0])) if at != where and _is_text(body, at)), None)
    with_head = say('a table, the numbers in column "{where}"')
    without = say("a table without a head, the numbers in column {where}")
    said, place = (with_head, printable(_cell(head, where))) if has_head else (without, str(where + 1))
    reading.told(Recognised(Format.CSV, said, place))
    if has_head and _cell(head, where) not in _NUMBERS:  # it may be no header: report it
        yield Listed(sample[0][0], _cell(sample[0][1], where), refusal=Refusal.NO_NUMBER)
    for line, row in rows:
        given, lasts = number(_cell(row, where)), term(_cell(row, ends), reading)
        yield _listed(line, given, reason(_cell(row, why)), lasts)


def _cell(row: Row, at: int | None) -> str:
    return row[at] if at is not None and at < len(row) else ""


def _is_text(rows: Sequence[Row], at: int) -> bool:
    return any(re.search(r"[^\W0-9_]{2}", _cell(row, at)) for row in rows)


def _wanted_column(wanted: str, names: Sequence[str], body: Sequence[Row]) -> int:
    """Return the column that a person named.

    Raises:
        UsageError: if there is no such column; lists the existing ones.

    """
    width = max(len(names), *map(len, body), 0)
    (name,) = _head([wanted])
    if name in names:
        return names.index(name)
    if digits(wanted) and 1 <= int(wanted[:9]) <= width:
        return int(wanted) - 1
    there = ", ".join(map(printable, names)) if names else f"1 to {width}: the file has no head"
    raise UsageError(f'--column: there is no column "{printable(wanted)}" ({there})')


def _column(names: Sequence[str], body: Sequence[Row]) -> int:
    """Detect the column of the numbers: by its name, else the only one that looks like it.

    Raises:
        SiagaError: if no column or several look like it.

    """
    places = range(max((len(row) for row in (names, *body)), default=0))
    looks = [sum(_looks_like_one(_cell(row, at)) for row in body) for at in places]
    if named := [names.index(name) for name in _NUMBERS if name in names]:
        return next((at for at in named if looks[at]), named[0])  # "No" may number the rows
    most = max(looks, default=0)
    if not most or most * 2 < len(body):
        raise SiagaError("has no column that looks like telephone numbers; name it with --column")
    alike = [at for at in places if looks[at] == most]
    if len(alike) > 1:
        shown = ", ".join(printable(names[at]) if at < len(names) else str(at + 1) for at in alike)
        raise SiagaError(f"several columns look like telephone numbers ({shown}); name one with --column")
    return alike[0]


def _looks_like_one(cell: str) -> bool:
    return _LOOKS_LIKE_ONE.fullmatch(number(cell)) is not None
