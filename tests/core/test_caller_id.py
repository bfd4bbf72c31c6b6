"""One spelling per caller."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from siaga112.core.caller_id import canonical, masked

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
    """The spellings that trunks deliver lead to one E.164 number."""
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
    """What is not surely a caller's own number can never be blocked."""
    assert canonical(raw) is None


@given(st.text(max_size=40))
def test_any_text_gives_a_number_or_none(raw: str) -> None:
    """Nothing that a caller can send raises; what comes out is canonical already."""
    caller = canonical(raw)
    assert caller is None or canonical(caller) == caller


@pytest.mark.parametrize(
    ("number", "shown"), [(MOBILE, "+62812*****890"), (LANDLINE, "+62254***234"), ("", ""), ("123", "***")]
)
def test_masked(number: str, shown: str) -> None:
    """A masked number shows neither all of itself nor how to ring it."""
    assert masked(number) == shown
