"""The contracts of `make fuzz` on hundreds or thousands of inputs, the same in each run."""

import pytest

from tests.fuzz.__main__ import CODECS
from tests.fuzz.contracts import CONTRACTS, small_limits
from tests.fuzz.one import bounded
from tests.fuzz.reach import all_lines
from tests.fuzz.seeds import inputs

COUNT = dict.fromkeys(CODECS, 3000)
FEW = 300
"""The inputs of a contract for which each is a run of the program."""


@pytest.mark.parametrize("name", [name for name in CONTRACTS if name != "wire"])
def test_any_bytes_are_accepted_or_refused_with_the_one_error(name: str) -> None:
    """Each contract holds for real inputs and for damaged ones, and nothing else is raised."""
    with small_limits():
        for data in inputs(name, COUNT.get(name, FEW), seed=112):
            bounded(CONTRACTS[name].check)(data)


@pytest.mark.parametrize("name", CONTRACTS)
def test_each_contract_names_functions_whose_lines_can_be_counted(name: str) -> None:
    """The report at the end of a fuzz run divides by the lines of the functions that a contract names."""
    assert all_lines(CONTRACTS[name])
