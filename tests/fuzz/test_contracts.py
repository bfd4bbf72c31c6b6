"""The contracts of `make fuzz` on some thousand inputs, always the same ones."""

import pytest

from tests.fuzz.contracts import CONTRACTS, small_limits
from tests.fuzz.seeds import inputs

COUNT = 3_000


@pytest.mark.parametrize("name", [name for name in CONTRACTS if name != "wire"])
def test_any_bytes_are_accepted_or_refused_with_the_one_error(name: str) -> None:
    """From real input to junk: what was promised holds, and nothing else is raised."""
    with small_limits():
        for data in inputs(name, COUNT, seed=112):
            CONTRACTS[name].check(data)
