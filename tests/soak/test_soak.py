"""A short form of `make soak`."""

import pytest

from tests.faults.figures import Measured
from tests.soak.soak import POOLED, soak

pytestmark = pytest.mark.redis


@pytest.mark.fault("soak")
@pytest.mark.night
async def test_every_call_is_settled_and_nothing_is_held_on_to(measured: Measured, *, full: bool) -> None:
    """Under steady load each call gets its outcome; memory grows by under 1 MB, descriptors by at most 16."""
    soaked = await (soak(600.0, rate=50.0) if full else soak(15.0, rate=20.0))
    before, after = soaked.descriptors()
    measured("calls", sum(soaked.settled.values()))
    measured("memory", soaked.growth(), "MB", at_most=1)
    measured("descriptors more", after - before, at_most=POOLED)
    assert soaked.broken() == [], (soaked.told(), soaked.errors)
