"""Caller IDs: every spelling of a number leads to one caller."""

import errno

import phonenumbers
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from phonenumbers import PhoneNumberType, data
from phonenumbers.phonemetadata import PhoneMetadata

from siaga112.core.caller_id import INDONESIA, NumberPlan, _in_e164, _mobile, _mobiles, canonical, masked

MOBILE = "+6281234567890"
LANDLINE = "+62254201234"


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ("081234567890", MOBILE),
        ("+6281234567890", MOBILE),
        ("6281234567890", MOBILE),
        ("81234567890", MOBILE),
        ("+62081234567890", MOBILE),
        ("006281234567890", MOBILE),
        ("0254201234", LANDLINE),
        ("+62254201234", LANDLINE),
        ("62254201234", LANDLINE),
        ("+6591234567", "+6591234567"),
    ],
)
@pytest.mark.fault("policy_spellings")
def test_every_spelling_is_one_caller(raw: str, expected: str) -> None:
    """Every spelling that a trunk may deliver leads to the same E.164 number."""
    assert canonical(raw) == expected


@pytest.mark.parametrize(
    "raw",
    [
        *("112", "110", "113", "118", "119", "0119", "+62112", "14045", "1500123", "08001234567"),
        *("201234", "0000000000", "350123451234567", "anonymous", "<unknown>", "unknown", "", "+", "0"),
        *("0812-3456-7890", " 081234567890", "081234567890\n", "081234567890\x00", "٠٨١٢٣٤٥٦٧٨٩٠", "9" * 200),
    ],
)
@pytest.mark.fault("ami_repeated")
def test_hidden_malformed_service_and_invalid_numbers_are_nobody(raw: str) -> None:
    """A hidden, malformed, service or invalid number has no caller, so it can never be blocked."""
    assert canonical(raw) is None


@given(st.text(max_size=40))
def test_any_text_gives_a_number_or_none(raw: str) -> None:
    """Any text leads to a canonical number or to none, and never raises."""
    caller = canonical(raw)
    assert caller is None or canonical(caller) == caller


@pytest.mark.timeout(20)
def test_a_countrys_file_that_cannot_be_loaded_holds_nobody_up() -> None:
    """While phonenumbers cannot load a country's file, its numbers are nobody's; no later number waits."""

    def fails(_: object) -> None:
        raise OSError(errno.EMFILE, "Too many open files")

    for region in ("FR", "DE"):
        PhoneMetadata.register_region_loader(region, fails)
    try:
        assert canonical("+33142685300") is canonical("+33142685301") is None
        assert canonical("+4930227322") is None
    finally:
        for region in ("FR", "DE"):
            PhoneMetadata.register_region_loader(region, data._load_region)
    assert canonical("+33142685300") == "+33142685300"
    assert canonical("+4930227322") == "+4930227322"


@pytest.mark.parametrize(
    ("number", "shown"), [(MOBILE, "+62812*****890"), (LANDLINE, "+62254***234"), ("", ""), ("123", "***")]
)
def test_masked(number: str, shown: str) -> None:
    """A masked number lacks digits, so it cannot be dialled."""
    assert masked(number) == shown


PLAIN = sorted(region for region in phonenumbers.SUPPORTED_REGIONS if _mobiles(region)[1])


@st.composite
def nearly_mobiles(draw: st.DrawFn) -> tuple[str, NumberPlan]:
    """Draw digits that begin like a region's mobile number, in every spelling of its code, and the plan."""
    plan = NumberPlan(draw(st.sampled_from(["ID", *PLAIN])))
    example = phonenumbers.example_number_for_type(plan.region, PhoneNumberType.MOBILE)
    whole = str(example.national_number) if example else "8"
    kept = whole[: draw(st.integers(0, len(whole)))]
    rest = draw(st.text("0123456789", min_size=max(0, 7 - len(kept)), max_size=max(0, 12 - len(kept))))
    code = draw(st.sampled_from(["0", f"+{plan.country_code}", plan.country_code, "", "00"]))
    return code + kept + rest, plan


@given(nearly_mobiles())
@settings(max_examples=500)
def test_a_mobile_read_in_one_look_is_what_phonenumbers_reads(written: tuple[str, NumberPlan]) -> None:
    """For every region that has a fast path, it gives what phonenumbers gives, or nothing."""
    raw, plan = written
    short = _mobile(raw, plan)
    assert short is None or short == _in_e164(raw, plan)


def test_most_callers_are_read_in_one_look() -> None:
    """The fast path parses an Indonesian mobile number in three spellings, and no other kind of number."""
    assert {_mobile(raw, INDONESIA) for raw in ("081234567890", "+6281234567890", "6281234567890")} == {
        "+6281234567890"
    }
    assert {_mobile(raw, INDONESIA) for raw in ("0254200123", "0809123456", "0804123456", "08123")} == {None}
