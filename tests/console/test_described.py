"""What the API answers is what its description says, whatever is asked: a little of `make fuzz-api`."""

import pytest

from siaga112.core.access import Role
from tests.console.centre import Centre
from tests.console.described import ROLES, attack

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("role", ROLES)
async def test_no_question_breaks_the_description(centre: Centre, role: Role) -> None:
    """No server error, no status, header or shape that is not described, in some hundreds of questions."""
    cases, _ = await attack(centre, role, 4, 120)
    assert cases > 200
