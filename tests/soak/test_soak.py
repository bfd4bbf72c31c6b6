"""`make soak`, in its short form."""

import pytest

from tests.soak.soak import soak

pytestmark = pytest.mark.redis


async def test_every_call_is_settled_and_nothing_is_held_on_to() -> None:
    """Calls in and out: each gets its outcome, memory grows by less than 1 MB, descriptors stay."""
    soaked = await soak(15.0, rate=20.0)
    assert soaked.broken() == [], (soaked.told(), soaked.errors)
