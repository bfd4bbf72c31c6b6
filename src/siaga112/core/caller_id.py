"""Canonical caller IDs: raw caller ID in, E.164 or its keyed hash out. None means: never blockable."""

import hmac
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Final

import phonenumbers
from phonenumbers import NumberParseException, PhoneNumber, PhoneNumberFormat, PhoneNumberType
from phonenumbers.phonemetadata import PhoneMetadata

from siaga112.core.model import Caller
from siaga112.core.text import whole


class _NoLock:
    """A lock that does nothing. Python's own imports are safe in several threads."""

    def acquire(self) -> None:
        """Do nothing."""

    def release(self) -> None:
        """Do nothing."""


# phonenumbers loads a country's file at its first number, and keeps its lock if that fails: then the next
# country's number would wait for ever, and every call behind it.
PhoneMetadata._metadata_lock = _NoLock()  # type: ignore[assignment] # noqa: SLF001 - it offers no other way

_DIALLABLE: Final = re.compile(r"\+?[0-9]{5,19}")
"""5 digits are more than any service number has; 19 are a prefix such as 0011 and 15 digits (ITU-T E.164)."""

LOCAL_DIGITS: Final = 8
"""In regions with area codes, a bare number of 5 to 8 digits is a local number."""

_NEVER: Final = frozenset(
    {
        PhoneNumberType.PREMIUM_RATE,
        PhoneNumberType.SHARED_COST,
        PhoneNumberType.TOLL_FREE,
        PhoneNumberType.UAN,
        PhoneNumberType.VOICEMAIL,
    }
)
"""Types of numbers that belong to a service. As a caller ID, such a number is not credible."""

_NOTHING: Final = re.compile(r"(?!)")
_HASH_BYTES: Final = 16
HASH: Final = "h:"
"""The prefix of a caller that is stored as a hash."""

_HASHED: Final = re.compile(HASH + r"[0-9a-f]{32}")
_KEPT: Final = re.compile(rf"\+[0-9]{{5,19}}|{_HASHED.pattern}")
_ALL_KEPT: Final = re.compile(rf"(?:{_KEPT.pattern})(?:\n(?:{_KEPT.pattern}))*")
_SPAN: Final = re.compile(r"(\+?)([0-9]+)(?:(\*)|-(\+?)([0-9]+))?")


@dataclass(frozen=True, slots=True)
class NumberPlan:
    """The centre's region and area code, the numbers never to block, and how callers are stored.

    Raise ValueError, with a message for the user, for values that cannot be used.
    """

    region: str = "ID"
    """ISO 3166 region of numbers without a country code."""
    area_code: str = ""
    """Area code of local numbers, without the trunk prefix. If empty, local numbers are never blockable."""
    never_block: tuple[str, ...] = ()
    """Numbers, prefixes and ranges never to block: `0254200112`, `0804*`, `+62254200000-+62254200099`."""
    key: bytes = field(default=b"", repr=False)
    """If set, callers are stored as hashes of their numbers with this key, and raw numbers are not stored."""
    judge_hidden: bool = False
    """Whether to judge a caller by a hidden number, if the exchange transmits it anyway."""

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
            raise ValueError(f'numbers in {self.region} have no area codes, so area_code must be ""')
        sizes = range(5, LOCAL_DIGITS + 1)
        subscribers = (f"{lead}0123456"[:size] for lead in range(2, 10) for size in sizes)
        if not any(_valid(f"+{self.country_code}{area}{rest}", self.region) for rest in subscribers):
            raise ValueError(f'no numbers in {self.region} have the area code "{area}"')

    @property
    def country_code(self) -> str:
        """The region's country code, without the plus."""
        return str(phonenumbers.country_code_for_region(self.region))

    @property
    def trunk_prefix(self) -> str:
        """The prefix dialled before an area code; '' if the region has none."""
        return phonenumbers.ndd_prefix_for_region(self.region, strip_non_digits=True) or ""


INDONESIA: Final = NumberPlan()


# ── one caller, one spelling ─────────────────────────────────────────────────────────────────────


def canonical(raw: str, plan: NumberPlan = INDONESIA) -> Caller | None:
    """Return the caller's canonical form, or None for a number that must never be blocked.

    None for hidden, malformed, service and invalid numbers, for local numbers if the plan has no area code,
    for numbers in `never_block`, and while the file of the number's country cannot be loaded.
    """
    try:
        return _canonical(raw, plan)
    except (ImportError, OSError):  # no free descriptor, or an upgrade is replacing the file
        return None


@lru_cache(maxsize=4_096)  # about 1 MB; a cache miss costs 40 µs, or 6 µs for a mobile of the region
def _canonical(raw: str, plan: NumberPlan) -> Caller | None:
    if not _DIALLABLE.fullmatch(raw):
        return None
    number = _mobile(raw, plan) or _in_e164(raw, plan)
    if number is None:
        return None
    if any(first <= number[: len(first)] <= last for first, last in _spans(plan, len(number))):
        return None
    return Caller(_hashed(number, plan.key) if plan.key else number)


def _in_e164(raw: str, plan: NumberPlan) -> str | None:
    """Return any number in E.164; None if it is invalid, a service's or ambiguous."""
    read = [parsed for text in _readings(raw, plan) if (parsed := _valid(text, plan.region))]
    if not read or _is_service(read[0]) or _unsure(raw, read, plan):
        return None
    return phonenumbers.format_number(read[0], PhoneNumberFormat.E164)


def _unsure(raw: str, read: list[PhoneNumber], plan: NumberPlan) -> bool:
    """Return whether a number could also be somebody else's, in another country.

    After 00 may follow a country code, or the rest of one of the region's own prefixes (Indonesia's 008 and
    009). A bare number may be an international one without its plus, or a landline without its trunk prefix
    or area code.
    A bare mobile number is not ambiguous, because trunks deliver them (81234567890 is +6281234567890).
    """
    code, trunk = plan.country_code, plan.trunk_prefix
    if raw.startswith("00"):
        return any(other != read[0] for other in read[1:])
    bare = trunk not in {"", code} and not raw.startswith(("+", trunk, code))
    if not bare or phonenumbers.number_type(read[0]) == PhoneNumberType.MOBILE:
        return False
    return _valid("+" + raw, plan.region) is not None


def _mobile(raw: str, plan: NumberPlan) -> str | None:
    """Return a mobile of the region in E.164, else None: the result of `_in_e164` in a tenth of the time."""
    mobiles, code = _mobiles(plan.region)
    found = mobiles.fullmatch(raw)
    return code + found[1] if found else None


@lru_cache(maxsize=16)
def _mobiles(region: str) -> tuple[re.Pattern[str], str]:
    """Return a pattern for the region's mobiles, built from phonenumbers' patterns, and the E.164 prefix.

    The pattern matches nothing unless the region has its own country code and the trunk prefix 0. It never
    matches a text that could be another kind of number or begin with an international prefix.
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
    """Parse a caller as a person types one: a number with spaces and hyphens, or a hash as we print it.

    `canonical` accepts no hash, because a caller could forge one.
    """
    plain = "".join(text.split()).replace("-", "")
    return Caller(plain) if plan.key and _HASHED.fullmatch(plain) else canonical(plain, plan)


def kept(text: bytes) -> Caller | None:
    """Parse a caller in the stored form; return None for anything else."""
    name = text.decode("ascii", "replace")
    return Caller(name) if _KEPT.fullmatch(name) else None


def all_kept(texts: Sequence[bytes]) -> Sequence[Caller | None]:
    """Parse many callers in the stored form, as `kept` does, in a fifth of the time."""
    lines = b"\n".join(texts).decode("ascii", "replace")
    if _ALL_KEPT.fullmatch(lines) and lines.count("\n") == len(texts) - 1:  # none of them is two lines
        return [Caller(line) for line in lines.split("\n")]
    return [kept(text) for text in texts]


def kept_raw(raw: str, plan: NumberPlan) -> str:
    """Return the raw number as it may be stored: '' if callers are stored as hashes."""
    return "" if plan.key else raw


_BETWEEN: Final = "[^0-9A-Za-z]{0,2}"
"""Separators that people write between digits."""


def spelling(caller: Caller, plan: NumberPlan) -> re.Pattern[str]:
    """Return a pattern that finds a caller in text, in any form: 0812…, +62812…, 0062 812-… or a hash."""
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
    """Return a pattern that finds a caller, given as a person typed it.

    If callers are stored as hashes, the pattern also finds the typed number, because people write numbers
    into reasons.
    """
    number = canonical("".join(text.split()).replace("-", ""), replace(plan, key=b""))
    known = dict.fromkeys(spelling(one, plan).pattern for one in (typed(text, plan), number) if one)
    return re.compile("|".join(known) or _NOTHING.pattern)


def masked(caller: str) -> str:
    """Mask the middle of a number for logs and screens (`+62812****890`), or all but the start of a hash."""
    if caller.startswith(HASH):
        return f"{caller[:8]}****"
    if len(caller) <= 8:  # noqa: PLR2004 - too short to show any part of
        return "*" * len(caller)
    return f"{caller[:6]}{'*' * (len(caller) - 9)}{caller[-3:]}"


def masked_in(text: str) -> str:
    """Mask each caller in a text that siaga112 wrote, where callers stand in the stored form."""
    return _KEPT.sub(lambda found: masked(found[0]), text)


def _hashed(number: str, key: bytes) -> str:
    return HASH + hmac.digest(key, number.encode(), "sha256")[:_HASH_BYTES].hex()


def _readings(raw: str, plan: NumberPlan) -> Iterator[str]:
    """Yield the possible readings of a number, the most likely first. The first valid one counts.

    On its own, the phonenumbers library parses a bare `62254201234` as a local number, calls it valid, and
    rejects `0062…`. It knows each region's own international prefixes besides 00.
    """
    code, trunk = plan.country_code, plan.trunk_prefix
    if raw.startswith("00"):
        yield "+" + raw[2:]
        yield raw
    elif raw.startswith("+") or (trunk and raw.startswith(trunk)):
        yield raw
    elif trunk and len(raw) <= LOCAL_DIGITS:
        # Subscriber numbers never begin with 0 or 1, which start prefixes and services.
        if plan.area_code and not raw.startswith(("0", "1")):
            yield f"+{code}{plan.area_code}{raw}"
    elif raw.startswith(code):
        yield "+" + raw
        whole = _valid(raw, plan.region)
        # In regions with a trunk prefix, only mobiles come without it (India's 91… looks like +91…).
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
    """Return whether this is a service's number: by its type, or as a short number after an area code."""
    kind = phonenumbers.number_type(number)
    if kind != PhoneNumberType.FIXED_LINE:
        return kind in _NEVER
    whole = phonenumbers.national_significant_number(number)
    rest = whole[phonenumbers.length_of_geographical_area_code(number) :]
    if not rest.startswith("1"):
        return False
    short = PhoneNumber(country_code=number.country_code, national_number=int(rest))
    return bool(phonenumbers.is_valid_short_number(short))


# ── ranges around a service's numbers ────────────────────────────────────────────────────────────

RANGE_DIGITS: Final = 2
"""Numbers that differ only in this many last digits form one range, such as the lines of one office."""


def neighbours(named: str, plan: NumberPlan) -> tuple[Caller, ...]:
    """Return all numbers in the range of a number, including itself, in the form in which callers are stored.

    Return () for a short service number, which is never a caller ID, and for the name of an extension.
    """
    plain = "".join(named.split()).replace("-", "")
    if not _DIALLABLE.fullmatch(plain):
        return ()
    beginnings = [number[:-RANGE_DIGITS] for number in _in_full(plain, plan)]
    numbers = (f"{first}{last:0{RANGE_DIGITS}}" for first in beginnings for last in range(10**RANGE_DIGITS))
    return tuple(Caller(_hashed(number, plan.key) if plan.key else number) for number in numbers)


def numbers_in(text: str, plan: NumberPlan) -> tuple[str, ...]:
    """Return the telephone numbers, in E.164, in a text like `Balai Kota, 0254 200112, diskominfo@…`."""
    found = phonenumbers.PhoneNumberMatcher(text, plan.region)
    return tuple(phonenumbers.format_number(one.number, PhoneNumberFormat.E164) for one in found)


def ends_of(entry: str) -> tuple[str, ...]:
    """Return the numbers in an entry of `never_block`: one, or both ends of a range; () for a prefix."""
    found = _SPAN.fullmatch("".join(entry.split()))
    if found is None or found[3]:
        return ()
    plus, first, _, _, last = found.groups()
    return (plus + first, plus + last) if last else (plus + first,)


# ── never to be blocked ──────────────────────────────────────────────────────────────────────────


def check_never_block(entry: str) -> str:
    """Return an entry of `never_block` unchanged if it is valid.

    Raises:
        ValueError: with a message for the user, if it is not a number, a prefix or a range.

    """
    found = _SPAN.fullmatch("".join(entry.split()))
    if not found:
        raise ValueError(
            f'not a number ("112"), a prefix ("0804*") or a range ("+62254200000-+62254200099"): "{entry}"'
        )
    plus, first, _, last_plus, last = found.groups()
    if last and (plus != last_plus or len(first) != len(last) or first > last):
        raise ValueError(f'not a range: "{entry}" (both ends need the same form and length, the lower first)')
    return entry


@lru_cache(maxsize=1_024)
def _spans(plan: NumberPlan, length: int) -> tuple[tuple[str, str], ...]:
    """Return, as first and last E.164 prefixes, the spans of never-blocked numbers of this length."""
    spans = []
    for entry in plan.never_block:
        found = _SPAN.fullmatch("".join(entry.split()))
        assert found, "NumberPlan has checked it"  # noqa: S101 - a bug otherwise
        plus, low, prefix, _, high = found.groups()
        ends = zip(_in_full(plus + low, plan), _in_full(plus + (high or low), plan), strict=False)
        spans += [(first, last) for first, last in ends if prefix or len(first) == length]
    return tuple(spans)


def _in_full(text: str, plan: NumberPlan) -> list[str]:
    """Return the start of a number in E.164, in every possible reading; too many are better than too few."""
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
