"""One spelling per caller: raw caller ID in, E.164 or its keyed hash out. None is never blockable."""

import hmac
import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Final

import phonenumbers
from phonenumbers import NumberParseException, PhoneNumber, PhoneNumberFormat, PhoneNumberType

from siaga112.core.model import Caller
from siaga112.core.text import whole

_DIALLABLE: Final = re.compile(r"\+?[0-9]{5,19}")
"""Longer than any service number, no longer than a prefix such as 0011 and 15 digits (ITU-T E.164)."""

LOCAL_DIGITS: Final = 8
"""A bare number of 5 to 8 digits is a local one, wherever numbers have area codes."""

_NEVER: Final = frozenset(
    {
        PhoneNumberType.PREMIUM_RATE,
        PhoneNumberType.SHARED_COST,
        PhoneNumberType.TOLL_FREE,
        PhoneNumberType.UAN,
        PhoneNumberType.VOICEMAIL,
    }
)
"""Numbers that belong to a service, not to a caller: as caller ID they are not believable."""

_NOTHING: Final = re.compile(r"(?!)")
_HASH_BYTES: Final = 16
HASH: Final = "h:"
"""What a caller begins with who is kept as a hash."""

_HASHED: Final = re.compile(HASH + r"[0-9a-f]{32}")
_KEPT: Final = re.compile(rf"\+[0-9]{{5,19}}|{_HASHED.pattern}")
_SPAN: Final = re.compile(r"(\+?)([0-9]+)(?:(\*)|-(\+?)([0-9]+))?")


@dataclass(frozen=True, slots=True)
class NumberPlan:
    """Where the centre stands, who is nobody there, and how callers are kept.

    Raises ValueError, in words for the user, on what cannot be used.
    """

    region: str = "ID"
    """ISO 3166 region of numbers written without a country code."""
    area_code: str = ""
    """Area code, without the trunk prefix, of local numbers; empty: a local number is nobody's."""
    never_block: tuple[str, ...] = ()
    """Numbers that are nobody's to block: `0254200112`, `0804*`, `+62254200000-+62254200099`."""
    key: bytes = field(default=b"", repr=False)
    """With a key, callers are kept as its hashes of their numbers, and nothing as it came."""
    judge_hidden: bool = False
    """Whether a caller who hides the number is judged by it, where the exchange tells it all the same."""

    def __post_init__(self) -> None:
        if self.region not in phonenumbers.SUPPORTED_REGIONS:
            raise ValueError(f'no such region: "{self.region}" (an ISO 3166 code, like "ID")')
        if self.area_code:
            self._check_area_code()
        for entry in self.never_block:
            check_never_block(entry)

    def _check_area_code(self) -> None:
        area, trunk = self.area_code, self.trunk_prefix
        if whole(area) is None or (trunk and area.startswith(trunk)):
            raise ValueError(f'not an area code: "{area}" (digits, without the leading {trunk or "0"})')
        if not trunk:
            raise ValueError(f'numbers in {self.region} have no area codes, so it must stay ""')
        sizes = range(5, LOCAL_DIGITS + 1)
        subscribers = (f"{lead}0123456"[:size] for lead in range(2, 10) for size in sizes)
        if not any(_valid(f"+{self.country_code}{area}{rest}", self.region) for rest in subscribers):
            raise ValueError(f'no numbers in {self.region} have the area code "{area}"')

    @property
    def country_code(self) -> str:
        """What numbers of this region begin with, after the plus."""
        return str(phonenumbers.country_code_for_region(self.region))

    @property
    def trunk_prefix(self) -> str:
        """What the region dials before an area code; empty where every number is dialled whole."""
        return phonenumbers.ndd_prefix_for_region(self.region, strip_non_digits=True) or ""


INDONESIA: Final = NumberPlan()


# ── one caller, one spelling ─────────────────────────────────────────────────────────────────────


@lru_cache(maxsize=4_096)  # about 1 MB; a number that is not there costs 40 µs, a mobile of the region 6
def canonical(raw: str, plan: NumberPlan = INDONESIA) -> Caller | None:
    """Give the caller's one spelling, or None for whoever must never be blocked.

    Nobody's are hidden, malformed, service and not-valid numbers, local ones without an area code in
    the plan, and those of `never_block`.
    """
    if not _DIALLABLE.fullmatch(raw):
        return None
    number = _mobile(raw, plan) or _in_e164(raw, plan)
    if number is None:
        return None
    if any(first <= number[: len(first)] <= last for first, last in _spans(plan, len(number))):
        return None
    return Caller(_hashed(number, plan.key) if plan.key else number)


def _in_e164(raw: str, plan: NumberPlan) -> str | None:
    """Spell a number, of whatever kind; None if it is nobody's, or if whose it is is not sure."""
    read = [parsed for text in _readings(raw, plan) if (parsed := _valid(text, plan.region))]
    if not read or _is_service(read[0]) or _unsure(raw, read, plan):
        return None
    return phonenumbers.format_number(read[0], PhoneNumberFormat.E164)


def _unsure(raw: str, read: list[PhoneNumber], plan: NumberPlan) -> bool:
    """Say whether a number is as well somebody else's, in another country.

    After 00 may come a country's code, or what is left of a prefix of the region's own (Indonesia's 008 and
    009). A bare number may be whole, without its plus, or a landline without its trunk prefix. A mobile
    without one is taken for that: trunks deliver those (domain: 81234567890 is +6281234567890).
    """
    code, trunk = plan.country_code, plan.trunk_prefix
    if raw.startswith("00"):
        return any(other != read[0] for other in read[1:])
    bare = trunk not in {"", code} and not raw.startswith(("+", trunk, code)) and len(raw) > LOCAL_DIGITS
    if not bare or phonenumbers.number_type(read[0]) == PhoneNumberType.MOBILE:
        return False
    return _valid("+" + raw, plan.region) is not None


def _mobile(raw: str, plan: NumberPlan) -> str | None:
    """Spell a mobile of the region, as most callers are: what `_in_e164` does, in a tenth of the time."""
    mobiles, code = _mobiles(plan.region)
    found = mobiles.fullmatch(raw)
    return code + found[1] if found else None


@lru_cache(maxsize=16)
def _mobiles(region: str) -> tuple[re.Pattern[str], str]:
    """Give the form of a region's mobiles, from phonenumbers' own patterns, and what E.164 puts before them.

    Only of a region with a country code of its own and the trunk prefix 0, else nothing has that form; nor
    has what could also be another kind of number, or have an international prefix.
    """
    about = phonenumbers.PhoneMetadata.metadata_for_region(region)
    code = phonenumbers.country_code_for_region(region)
    if (
        about is None
        or about.general_desc is None
        or about.mobile is None
        or about.national_prefix_for_parsing != "0"
        or about.national_prefix_transform_rule
        or phonenumbers.region_codes_for_country_code(code) != (region,)
        or max(about.mobile.possible_length, default=0) <= LOCAL_DIGITS
    ):
        return _NOTHING, ""
    kinds = (
        *(about.premium_rate, about.toll_free, about.shared_cost, about.voip, about.personal_number),
        *(about.pager, about.uan, about.voicemail, about.fixed_line),
    )
    others = "|".join(kind.national_number_pattern for kind in kinds if kind and kind.national_number_pattern)
    lengths = about.mobile.possible_length
    form = re.compile(
        rf"(?!{about.international_prefix})(?:\+?{code}|0)"
        rf"(?!(?:{others or '(?!)'})\Z)(?=(?:{about.general_desc.national_number_pattern})\Z)"
        rf"(?=[1-9][0-9]{{{max(min(lengths), LOCAL_DIGITS + 1) - 1},{max(lengths) - 1}}}\Z)"
        rf"((?:{about.mobile.national_number_pattern}))"
    )
    return form, f"+{code}"


def typed(text: str, plan: NumberPlan) -> Caller | None:
    """Read a caller as a person types one: a number with spaces and hyphens, or a hash as we print it.

    Only here is a hash accepted: what comes from the PBX could be made up by the caller.
    """
    plain = "".join(text.split()).replace("-", "")
    return Caller(plain) if plan.key and _HASHED.fullmatch(plain) else canonical(plain, plan)


def kept(text: bytes) -> Caller | None:
    """Read a caller as we keep one; None for what somebody else put in its place."""
    name = text.decode("ascii", "replace")
    return Caller(name) if _KEPT.fullmatch(name) else None


def kept_raw(raw: str, plan: NumberPlan) -> str:
    """Give what may be kept of a number as it came: nothing, where callers are kept as hashes."""
    return "" if plan.key else raw


_BETWEEN: Final = "[^0-9A-Za-z]{0,2}"
"""What people put between digits."""


def spelling(caller: Caller, plan: NumberPlan) -> re.Pattern[str]:
    """Give what finds a caller in any text, however spelled: 0812…, +62812…, 0062 812-…; or a hash."""
    digits = caller.removeprefix("+")
    if digits == caller:
        return re.compile(_spaced(caller))
    own = digits.removeprefix(plan.country_code)
    before = rf"(?:\+|00{_BETWEEN})?"
    before += f"(?:{plan.country_code}{_BETWEEN})?" if own != digits else ""
    before += f"(?:{plan.trunk_prefix}{_BETWEEN})?" if plan.trunk_prefix else ""
    return re.compile(before + _spaced(own))


def _spaced(text: str) -> str:
    return _BETWEEN.join(map(re.escape, text))


def sought(text: str, plan: NumberPlan) -> re.Pattern[str]:
    """Give what finds a caller as a person typed one.

    Where callers are kept as hashes, the number too that was typed: people write it into reasons.
    """
    number = canonical("".join(text.split()).replace("-", ""), replace(plan, key=b""))
    known = dict.fromkeys(spelling(one, plan).pattern for one in (typed(text, plan), number) if one)
    return re.compile("|".join(known) or _NOTHING.pattern)


def masked(caller: str) -> str:
    """Hide the middle of a number, for logs and screens: `+62812****890`; of a hash, all but its head."""
    if caller.startswith(HASH):
        return f"{caller[:8]}****"
    if len(caller) <= 8:  # noqa: PLR2004 - too short to show any part of
        return "*" * len(caller)
    return f"{caller[:6]}{'*' * (len(caller) - 9)}{caller[-3:]}"


def _hashed(number: str, key: bytes) -> str:
    return HASH + hmac.digest(key, number.encode(), "sha256")[:_HASH_BYTES].hex()


def _readings(raw: str, plan: NumberPlan) -> Iterator[str]:
    """Give what a number can mean, likeliest first; the first that is valid holds.

    The phonenumbers library alone reads a bare `62254201234` as a local number and calls it valid,
    and refuses `0062…` (domain: one number, one caller). It knows each region's own prefix beside 00.
    """
    code, trunk = plan.country_code, plan.trunk_prefix
    if raw.startswith("00"):
        yield "+" + raw[2:]
        yield raw
    elif raw.startswith("+") or (trunk and raw.startswith(trunk)):
        yield raw
    elif trunk and len(raw) <= LOCAL_DIGITS:
        # Subscriber numbers begin with neither 0 nor 1: those are prefixes and services.
        if plan.area_code and not raw.startswith(("0", "1")):
            yield f"+{code}{plan.area_code}{raw}"
    elif raw.startswith(code):
        yield "+" + raw
        whole = _valid(raw, plan.region)
        # Where there is a trunk prefix only mobiles come without it (India's 91… looks like +91…).
        if whole and (not trunk or phonenumbers.number_type(whole) == PhoneNumberType.MOBILE):
            yield raw
    else:
        yield raw


def _valid(text: str, region: str) -> PhoneNumber | None:
    try:
        parsed = phonenumbers.parse(text, region)
    except NumberParseException:
        return None
    return parsed if phonenumbers.is_valid_number(parsed) else None


def _is_service(number: PhoneNumber) -> bool:
    """Say whether nobody calls from this number: by its kind, or as a short number behind an area code."""
    kind = phonenumbers.number_type(number)
    if kind != PhoneNumberType.FIXED_LINE:
        return kind in _NEVER
    whole = phonenumbers.national_significant_number(number)
    rest = whole[phonenumbers.length_of_geographical_area_code(number) :]
    if not rest.startswith("1"):
        return False
    short = PhoneNumber(country_code=number.country_code, national_number=int(rest))
    return bool(phonenumbers.is_valid_short_number(short))


# ── beside a service's ───────────────────────────────────────────────────────────────────────────

RANGE_DIGITS: Final = 2
"""Numbers that differ in no more than their last two digits are one range: the lines of one office."""


def neighbours(named: str, plan: NumberPlan) -> tuple[Caller, ...]:
    """Give every number, as callers are kept, that shares all but the last two digits with one, and that.

    None of a short service number, which can be nobody's caller ID, nor of an extension's name.
    """
    plain = "".join(named.split()).replace("-", "")
    if not _DIALLABLE.fullmatch(plain):
        return ()
    beginnings = [number[:-RANGE_DIGITS] for number in _in_full(plain, plan)]
    numbers = (f"{first}{last:0{RANGE_DIGITS}}" for first in beginnings for last in range(10**RANGE_DIGITS))
    return tuple(Caller(_hashed(number, plan.key) if plan.key else number) for number in numbers)


def numbers_in(text: str, plan: NumberPlan) -> tuple[str, ...]:
    """Find the telephone numbers in a text for people: `Balai Kota, 0254 200112, diskominfo@…`."""
    found = phonenumbers.PhoneNumberMatcher(text, plan.region)
    return tuple(phonenumbers.format_number(one.number, PhoneNumberFormat.E164) for one in found)


def ends_of(entry: str) -> tuple[str, ...]:
    """Give the numbers that an entry of `never_block` names: one, or a range's two ends; none of a prefix."""
    found = _SPAN.fullmatch("".join(entry.split()))
    if found is None or found[3]:
        return ()
    plus, first, _, _, last = found.groups()
    return (plus + first, plus + last) if last else (plus + first,)


# ── never to be blocked ──────────────────────────────────────────────────────────────────────────


def check_never_block(entry: str) -> str:
    """Give an entry of `never_block` back.

    Raises:
        ValueError: in words for the user, if it is neither a number, a prefix nor a range.

    """
    found = _SPAN.fullmatch("".join(entry.split()))
    if not found:
        raise ValueError(
            f'not a number ("112"), a prefix ("0804*") or a range ("+62254200000-+62254200099"): "{entry}"'
        )
    plus, first, _, last_plus, last = found.groups()
    if last and (plus != last_plus or len(first) != len(last) or first > last):
        raise ValueError(f'not a range: "{entry}" (both ends alike and as long, the lower one first)')
    return entry


@lru_cache(maxsize=1_024)
def _spans(plan: NumberPlan, length: int) -> tuple[tuple[str, str], ...]:
    """Give the first and last beginnings, in E.164, of numbers of that length that are never blocked."""
    spans = []
    for entry in plan.never_block:
        found = _SPAN.fullmatch("".join(entry.split()))
        assert found, "NumberPlan has checked it"  # noqa: S101 - our own mistake otherwise
        plus, low, prefix, _, high = found.groups()
        ends = zip(_in_full(plus + low, plan), _in_full(plus + (high or low), plan), strict=False)
        spans += [(first, last) for first, last in ends if prefix or len(first) == length]
    return tuple(spans)


def _in_full(text: str, plan: NumberPlan) -> list[str]:
    """Spell the beginning of a number as E.164, in every way it could be meant: rather one too many."""
    code, trunk = plan.country_code, plan.trunk_prefix
    if text.startswith("+"):
        return [text]
    if text.startswith("00"):
        return ["+" + text[2:]]
    if trunk and text.startswith(trunk):
        return [f"+{code}{text.removeprefix(trunk)}"]
    return [
        f"+{code}{text}",
        f"+{code}{plan.area_code}{text}",
        *(["+" + text] if text.startswith(code) else []),
    ]
