"""Numbers of any country, numbers that are never blocked, and callers stored as keyed hashes."""

import re

import phonenumbers
import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st
from phonenumbers import PhoneNumberType

from siaga112.core.caller_id import (
    INDONESIA,
    NumberPlan,
    canonical,
    check_never_block,
    kept_raw,
    masked,
    typed,
)
from tests.core.test_caller_id import LANDLINE, MOBILE

SERANG = NumberPlan(area_code="254")
KEYED = NumberPlan(key=b"0123456789abcdef")

REGIONS = ("ID", "SG", "DE", "US", "GB", "IN", "MY", "IT", "FR", "JP", "AU", "RU", "KE", "TH", "ES")
PREFIXES = {"US": "011", "JP": "010", "AU": "0011", "RU": "810"}
"""International prefixes other than 00."""
SERVICES = {
    PhoneNumberType.TOLL_FREE,
    PhoneNumberType.PREMIUM_RATE,
    PhoneNumberType.SHARED_COST,
    PhoneNumberType.UAN,
    PhoneNumberType.VOICEMAIL,
}


# ── regions ──────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("region", "spellings", "expected"),
    [
        ("SG", "91234567 +6591234567 6591234567 006591234567 0016591234567", "+6591234567"),
        ("SG", "65123456 +6565123456 6565123456 006565123456", "+6565123456"),
        ("DE", "015123456789 +4915123456789 4915123456789 004915123456789 15123456789", "+4915123456789"),
        ("DE", "030123456 +4930123456 4930123456 004930123456", "+4930123456"),
        ("US", "2015550123 12015550123 +12015550123 0012015550123 01112015550123", "+12015550123"),
        ("GB", "07400123456 +447400123456 447400123456 00447400123456 7400123456", "+447400123456"),
        ("GB", "02079460018 +442079460018 442079460018 2079460018", "+442079460018"),
        ("IN", "8123456789 08123456789 +918123456789 918123456789 00918123456789", "+918123456789"),
        ("IN", "9123456789 09123456789 +919123456789 919123456789 00919123456789", "+919123456789"),
        ("MY", "0123456789 +60123456789 60123456789 0060123456789 123456789", "+60123456789"),
        ("MY", "0323856789 +60323856789 60323856789 323856789", "+60323856789"),
        ("DE", "+6281234567890 006281234567890", MOBILE),
        ("US", "+6281234567890 006281234567890 0116281234567890", MOBILE),
        ("ID", "0094915123456789 004915123456789", "+4915123456789"),
    ],
)
def test_every_region_has_one_spelling(region: str, spellings: str, expected: str) -> None:
    """Every spelling in which the trunks of a country deliver a number leads to one caller."""
    found = {raw: canonical(raw, NumberPlan(region)) for raw in spellings.split()}
    assert found == dict.fromkeys(spellings.split(), expected)


@pytest.mark.parametrize(
    ("region", "raws"),
    [
        ("SG", "999 995 1800 18001234567 912345678 00000000"),
        ("DE", "110 112 116117 08001234567 19222 03011 030112 +4930112 anonymous 201234"),
        ("US", "911 988 611 8005550123 18005550123 5550123 0000000000"),
        ("GB", "999 112 111 08001111111 0845464777 201234"),
        ("IN", "112 100 108 1098 18001234567 26123456"),
        ("MY", "999 112 994 1300888123 1800888123 23856789 42612345"),
    ],
)
def test_services_and_local_numbers_are_nobody_in_every_region(region: str, raws: str) -> None:
    """Emergency, short, toll-free and incomplete numbers have no caller, in any region."""
    assert {raw: canonical(raw, NumberPlan(region)) for raw in raws.split()} == dict.fromkeys(raws.split())


@pytest.mark.parametrize(
    ("plan", "raw", "expected"),
    [
        (SERANG, "201234", LANDLINE),
        (SERANG, "20123", "+6225420123"),
        (SERANG, "621234", "+62254621234"),
        (INDONESIA, "201234", None),
        (INDONESIA, "25420123", None),
        (SERANG, "0254201234", LANDLINE),
        (SERANG, "081234567890", MOBILE),
        (SERANG, "14045", None),
        (SERANG, "1500123", None),
        (SERANG, "025414045", None),
        (SERANG, "2012", None),
        (NumberPlan("US", "201"), "5550123", "+12015550123"),
        (NumberPlan("US", "201"), "555012", None),
        (NumberPlan("GB", "20"), "79460018", "+442079460018"),
        (NumberPlan("MY", "3"), "23856789", "+60323856789"),
    ],
)
def test_a_local_number_is_somebody_only_with_an_area_code(
    plan: NumberPlan, raw: str, expected: str | None
) -> None:
    """A number without a prefix belongs to the centre's area code if one is configured, else to nobody."""
    assert canonical(raw, plan) == expected


@pytest.mark.parametrize(
    ("region", "area", "says"),
    [
        ("XX", "", 'no such region: "XX"'),
        ("ID", "0254", "without the leading 0"),
        ("ID", "25 4", "not an area code"),
        ("ID", "٢٥٤", "not an area code"),
        ("ID", "999", 'no numbers in ID have the area code "999"'),
        ("SG", "6", "numbers in SG have no area codes"),
    ],
)
def test_a_plan_that_cannot_be_is_refused(region: str, area: str, says: str) -> None:
    """A plan with an unknown region or an impossible area code is rejected with the reason."""
    with pytest.raises(ValueError, match=re.escape(says)):
        NumberPlan(region, area)


# ── properties ───────────────────────────────────────────────────────────────────────────────────

PLANS = st.one_of(
    st.sampled_from(REGIONS).map(NumberPlan),
    st.sampled_from([SERANG, NumberPlan("US", "201"), NumberPlan("DE", "30"), NumberPlan("IN", "22")]),
)
TEXTS = st.one_of(st.text(max_size=24), st.from_regex(r"\A(\+|00|0|62|65|49|1|91)?[0-9]{2,16}\Z"))


@given(TEXTS, PLANS)
@example("0030112", NumberPlan("DE"))
@example("+4930112", NumberPlan("DE"))
def test_whatever_is_sent_gives_a_true_number_or_none(raw: str, plan: NumberPlan) -> None:
    """Any text leads to none, or to a canonical, valid number that is not a service's."""
    caller = canonical(raw, plan)
    if caller is None:
        return
    assert canonical(caller, plan) == caller
    parsed = phonenumbers.parse(caller)
    assert phonenumbers.is_valid_number(parsed)
    assert phonenumbers.number_type(parsed) not in SERVICES
    assert not phonenumbers.is_emergency_number(raw, plan.region)
    behind_area = str(parsed.national_number)[phonenumbers.length_of_geographical_area_code(parsed) :]
    assert behind_area not in {"112", "110", "113", "118", "119", "999", "911"}


@st.composite
def numbers(draw: st.DrawFn) -> tuple[str, str]:
    """Draw a region and a valid national number of a person there, of the usual length."""
    region = draw(st.sampled_from(REGIONS))
    kind = draw(st.sampled_from([PhoneNumberType.MOBILE, PhoneNumberType.FIXED_LINE]))
    model = phonenumbers.example_number_for_type(region, kind)
    assert model
    known = phonenumbers.national_significant_number(model)
    tail = draw(st.text("0123456789", min_size=5, max_size=5))
    national = known[:-5] + tail
    parsed = phonenumbers.parse(f"+{model.country_code}{national}")
    assume(phonenumbers.is_valid_number(parsed) and phonenumbers.number_type(parsed) not in SERVICES)
    return region, national


@given(numbers())
@example(("IN", "7410415100"))
def test_the_spellings_of_a_number_agree(number: tuple[str, str]) -> None:
    """A number is one caller with a plus, 00, the region's own prefix, the trunk prefix, or none of them."""
    region, national = number
    plan = NumberPlan(region)
    whole = plan.country_code + national
    spellings = ["+" + whole, "00" + whole, whole, plan.trunk_prefix + national]
    if region in PREFIXES:
        spellings.append(PREFIXES[region] + whole)
    assert {spelling: canonical(spelling, plan) for spelling in spellings} == dict.fromkeys(
        spellings, "+" + whole
    )


@pytest.mark.parametrize(
    ("raw", "readings"),
    [
        ("00862822244670", "+862822244670 +62822244670"),
        ("00917177982300", "+917177982300 +17177982300"),
        ("6581234567", "+6581234567 +626581234567"),
    ],
)
def test_a_number_that_may_be_somebody_elses_abroad_is_nobodys(raw: str, readings: str) -> None:
    """A text that is a valid number in two countries is nobody's: doubt favours the caller."""
    assert all(canonical(reading) == reading for reading in readings.split())
    assert canonical(raw) is None


@pytest.mark.parametrize("prefix", ["001", "007", "017", "*67", "#31#", "1167"])
def test_a_prefix_that_no_plan_knows_makes_a_number_nobodys(prefix: str) -> None:
    """A number with an unknown prefix, such as a carrier's own, is nobody's."""
    assert canonical(f"{prefix}6281234567890") is None
    assert canonical(f"{prefix}081234567890") is None


@given(st.from_regex(r"\A(00|00[89])?[1-9][0-9]{7,14}\Z"), PLANS)
@example("00862822244670", INDONESIA)
@example("6581234567", INDONESIA)
@example("63200000", SERANG)
def test_who_is_somebody_is_nobody_else(raw: str, plan: NumberPlan) -> None:
    """A text has a caller only if no other reading of it is valid; the region's mobiles take precedence."""
    caller = canonical(raw, plan)
    if caller is None:
        return
    parsed = phonenumbers.parse(caller)
    others = [f"+{raw[2:]}", raw] if raw.startswith("00") else [f"+{raw}"]
    mobile = phonenumbers.number_type(parsed) == PhoneNumberType.MOBILE
    ours = parsed.country_code == phonenumbers.country_code_for_region(plan.region)
    if not raw.startswith("00") and ours and (mobile or plan.trunk_prefix in {"", plan.country_code}):
        return
    for other in others:
        try:
            read = phonenumbers.parse(other, plan.region)
        except phonenumbers.NumberParseException:
            continue
        assert read == parsed or not phonenumbers.is_valid_number(read)


# ── never to be blocked ──────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("entry", "spared", "not_spared"),
    [
        ("+6281234567890", "081234567890 6281234567890", "081234567891 0812345678901"),
        ("081234567890", "+6281234567890 006281234567890", "081234567891"),
        ("81234567890", "081234567890", "081234567891"),
        ("6281234567890", "081234567890 +6281234567890", "081234567891"),
        ("006281234567890", "081234567890", "081234567891"),
        ("0812 3456 7890", "081234567890", "081234567891"),
        ("0812*", "081234567890 +6281234567891", "081334567890"),
        ("+65*", "+6591234567", "081234567890"),
        ("201234", "0254201234", "0254201235"),
        ("+62254200000-+62254200099", "0254200000 +62254200057 0254200099", "0254200100 0254199999"),
        ("0254200000-0254200099", "0254200000 62254200099", "0254200100 02542000500"),
        ("200000-200099", "0254200042", "0254200100"),
        ("112", "", "081234567890 0254201234"),
    ],
)
def test_who_is_in_never_block_is_nobody(entry: str, spared: str, not_spared: str) -> None:
    """An entry of `never_block` covers every spelling of its numbers, and no other number."""
    plan = NumberPlan(area_code="254", never_block=("0804*", entry))
    assert {raw: canonical(raw, plan) for raw in spared.split()} == dict.fromkeys(spared.split())
    assert all(canonical(raw, plan) for raw in not_spared.split())


@pytest.mark.parametrize(
    "entry", ["", "*", "+", "0812**", "*0812", "police", "0254-200-099", "٠٨١٢*", "+62254200000-", "08*-09*"]
)
def test_an_entry_of_never_block_that_means_nothing_is_refused(entry: str) -> None:
    """An invalid entry of `never_block` is rejected, and never read as something else."""
    with pytest.raises(ValueError, match="not a number"):
        check_never_block(entry)


@pytest.mark.parametrize(
    "entry", ["+62254200099-+62254200000", "0254200000-+62254200099", "0254200000-02542000"]
)
def test_a_range_whose_ends_do_not_fit_is_refused(entry: str) -> None:
    """A range with swapped ends, or ends of different form, is rejected instead of being empty."""
    with pytest.raises(ValueError, match="not a range"):
        NumberPlan(never_block=(entry,))


# ── keyed hashes ─────────────────────────────────────────────────────────────────────────────────


def test_with_a_key_a_caller_is_a_hash_of_the_number() -> None:
    """With a key, a caller is the first 128 bits of HMAC-SHA256 of the E.164 number."""
    assert canonical("081234567890", KEYED) == "h:ea76ff78ce0ed92e2efbea1254286d44"
    assert canonical("112", KEYED) is None


@given(numbers())
def test_with_a_key_spellings_still_agree_and_show_nothing(number: tuple[str, str]) -> None:
    """Every spelling of a number has the same hash; another key or number gives another hash."""
    region, national = number
    keyed, other = (NumberPlan(region, key=key * 16) for key in (b"a", b"b"))
    whole = keyed.country_code + national
    hashes = {canonical(raw, keyed) for raw in ("+" + whole, "00" + whole, keyed.trunk_prefix + national)}
    (held,) = hashes
    assert held
    assert re.fullmatch("h:[0-9a-f]{32}", held)
    assert held != canonical("+" + whole, other)
    assert held != canonical("+6281234567890", keyed)


def test_a_person_may_type_a_number_or_a_hash_and_a_caller_may_not() -> None:
    """A person may type a number or a printed hash; a hash that is sent as a caller ID is nobody's."""
    held = canonical(MOBILE, KEYED)
    assert held
    assert typed(held, KEYED) == typed("0812 3456-7890", KEYED) == held
    assert canonical(held, KEYED) is None
    assert typed(held, INDONESIA) is None
    for wrong in (held[:-1], held + "0", held.upper(), "h:", "h:112"):
        assert typed(wrong, KEYED) is None


def test_with_a_key_nothing_is_kept_as_it_came() -> None:
    """The raw caller ID is stored only if callers are stored by number."""
    assert kept_raw("081234567890", INDONESIA) == "081234567890"
    assert kept_raw("081234567890", KEYED) == ""


def test_a_masked_hash_shows_its_head() -> None:
    """A masked hash shows only its first characters: enough to follow a caller through a log."""
    assert masked("h:ea76ff78ce0ed92e2efbea1254286d44") == "h:ea76ff****"


def test_a_plan_does_not_show_its_key() -> None:
    """A plan's repr does not contain its key."""
    assert "0123456789abcdef" not in repr(KEYED)
