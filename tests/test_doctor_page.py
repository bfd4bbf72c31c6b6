"""docs/doctor.md is what `make docs` makes of the faults that the tests go through."""

from pathlib import Path

from siaga112.doctor import NAMES
from tests.pbx.doctor.__main__ import page
from tests.pbx.doctor.faults import EVERY

DOCUMENTED = Path(__file__).parents[1] / "docs/doctor.md"


def test_the_page_is_up_to_date() -> None:
    """Whoever changes a fault or a line runs `make docs`."""
    assert DOCUMENTED.read_text("utf-8") == page()


def test_every_check_has_a_fault() -> None:
    """No check that was never seen to find something."""
    assert {fault.check for fault in EVERY} == NAMES
