"""The API answers as its description says, whatever is asked: a short form of `make fuzz-api`."""

import pytest

from siaga112.core.access import Role
from tests.console.centre import Centre
from tests.console.described import ROLES, attack

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("role", ROLES)
async def test_no_question_breaks_the_description(centre: Centre, role: Role) -> None:
    """Hundreds of generated requests get no server error and nothing that is not described."""
    cases, _ = await attack(centre, role, 4, 120)
    assert cases > 200
