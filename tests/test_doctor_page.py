"""docs/doctor.md is generated from the faults that the tests try."""

from pathlib import Path

from siaga112.doctor import NAMES
from tests.pbx.doctor.__main__ import page
from tests.pbx.doctor.faults import EVERY

DOCUMENTED = Path(__file__).parents[1] / "docs/doctor.md"


def test_the_page_is_up_to_date() -> None:
    """docs/doctor.md is what `make docs` generates; run it after a change to a fault or a line."""
    assert DOCUMENTED.read_text("utf-8") == page()


def test_every_check_has_a_fault() -> None:
    """Every check of the doctor has a fault that it finds."""
    assert {fault.check for fault in EVERY} == NAMES
