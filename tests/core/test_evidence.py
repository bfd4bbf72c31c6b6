"""Records kept as evidence outlive forget, and a forgotten number goes from what people wrote."""

from dataclasses import replace

import pytest

from siaga112.core import decisions
from siaga112.core.caller_id import INDONESIA, NumberPlan, sought, spelling, typed
from siaga112.core.changes import A_CALLER, without_number
from siaga112.core.model import DAY
from siaga112.core.record import CallerRecord, GenuineReport, Hold, MissedCall
from siaga112.core.retention import forget_after, prune
from tests.samples import CALLER, NOW, RULES, block, call_id, strike

OLD = NOW - RULES.keep - DAY
HELD = Hold(NOW, "ratna", "police report 17")


def aged(hold: Hold | None = None) -> CallerRecord:
    """Return a record in which everything is older than its retention."""
    return CallerRecord(
        CALLER,
        strikes=(strike(1, OLD),),
        blocks=(block(OLD, OLD + 1),),
        reports=(GenuineReport(call_id(2), OLD),),
        missed=(MissedCall(call_id(3), OLD, 1_000),),
        hold=hold,
    )


def test_what_is_kept_as_evidence_stays_whatever_its_age() -> None:
    """A record kept as evidence keeps everything, whatever its age, and does not expire."""
    record = aged(HELD)
    assert prune(record, NOW, RULES) == record
    assert forget_after(record, RULES) is None


def test_released_it_ages_as_all_else() -> None:
    """Once a record is released, the next pruning removes everything that is too old."""
    record = decisions.hold(aged(HELD), None)
    assert prune(record, NOW, RULES) == CallerRecord(CALLER)
    expires = forget_after(record, RULES)
    assert expires
    assert expires < NOW


@pytest.mark.parametrize(
    "spelled",
    [
        *("081211111111", "+6281211111111", "6281211111111", "006281211111111", "81211111111"),
        *(
            "0812-1111-1111",
            "0812 1111 1111",
            "+62 812-1111-1111",
            "(0812) 1111.1111",
            "+62 (0)812 1111 1111",
        ),
    ],
)
def test_a_number_is_taken_out_in_any_spelling_and_nothing_beside_it(spelled: str) -> None:
    """A number is removed in every spelling, and the text around it stays, letter for letter."""
    text = without_number(f"letter of {spelled}, 3 March", spelling(CALLER, INDONESIA))
    assert text.replace("(a", "a") == f"letter of {A_CALLER}, 3 March"


def test_another_number_stays() -> None:
    """Another number stays, even if only its last digit differs."""
    for text in ("letter of 081211111112", "call 1795981819.12 was marked prank", "+6512345678"):
        assert without_number(text, spelling(CALLER, INDONESIA)) == text


def test_a_number_from_abroad_goes_with_its_prefix() -> None:
    """A foreign number is removed together with its international prefix."""
    abroad = typed("+6591234567", INDONESIA)
    assert abroad
    for spelled in ("+6591234567", "00 65 9123 4567", "0065-9123-4567"):
        assert without_number(f"of {spelled}.", spelling(abroad, INDONESIA)) == f"of {A_CALLER}."


def test_where_hashes_are_kept_the_number_that_was_typed_is_sought_too() -> None:
    """With a key, the hash is removed, and so is the number if that was typed: reasons may contain it."""
    plan = NumberPlan(key=b"a key of this test alone")
    hashed = typed("0812-1111-1111", plan)
    assert hashed
    text = f"by {hashed}: letter of 0812 1111 1111"
    assert without_number(text, sought("081211111111", plan)) == f"by {A_CALLER}: letter of {A_CALLER}"
    assert without_number(text, sought(hashed, plan)) == f"by {A_CALLER}: letter of 0812 1111 1111"
    assert without_number(text, sought("112", plan)) == text, "of what is no number nothing is sought"


def test_without_a_key_what_was_typed_is_the_caller() -> None:
    """Without a key, a typed number and its caller give the same pattern to remove."""
    assert sought("0812 1111 1111", INDONESIA) == spelling(CALLER, INDONESIA)
    assert sought(CALLER, replace(INDONESIA, area_code="254")) == spelling(CALLER, INDONESIA)
