"""Call-backs: which callers an operator has reached over the trunk."""

import pytest

from siaga112.core.model import Caller
from siaga112.core.tracking.outgoing import OutgoingCalls
from tests.core.streams import CAPTURES, GOLDEN, read
from tests.core.table import in_force

CITIZEN = Caller("+6281234567890")


@pytest.mark.parametrize(
    ("version", "name", "reached"),
    [
        *(
            (version, name, reached)
            for version in ("22", "16")
            for name, reached in (
                ("call_back", [CITIZEN]),
                ("call_back_by_click", [CITIZEN]),
                ("call_back_in_vain", []),
            )
        ),
        ("16", "call_back_chan_sip", [CITIZEN]),
        ("16", "call_back_chan_sip_by_click", [CITIZEN]),
    ],
)
def test_who_is_reached(version: str, name: str, reached: list[Caller]) -> None:
    """A citizen who answers an operator's call is reached, once; nobody else is."""
    header, stream = read(GOLDEN / version / f"{name}.ami")
    outgoing = OutgoingCalls(in_force(header.dialplan))
    found = [seen for event in stream for seen in outgoing.feed(event)]
    assert [seen.caller for seen in found] == reached
    assert all(stream[0].at < seen.at <= stream[-1].at for seen in found)


def test_a_call_that_comes_in_reaches_nobody() -> None:
    """Of the recorded calls, only call-backs reach the citizen, and none leaves a tracked leg."""
    for path in CAPTURES:
        header, stream = read(path)
        outgoing = OutgoingCalls(in_force(header.dialplan))
        found = [seen.caller for event in stream for seen in outgoing.feed(event)]
        assert path.stem.startswith("call_back") or CITIZEN not in found, path
        assert "Interrupted" in str(stream) or "0 legs" in repr(outgoing), path
