"""queue_log: what its lines prove about a call, and what they do not."""

import pytest

from siaga112.core.model import FactKind
from siaga112.core.queue_log import BadLine, QueueRecord, evidence_of, parse

ENTER = "1795463311|1795463310.0|siaga112|NONE|ENTERQUEUE||081200000001|1"
CONNECT = "1795463315|1795463310.0|siaga112|Local/101@operators|CONNECT|4|1795463311.1|3"


def line(event: str, *data: str) -> str:
    """Return a later line of the same call."""
    return "|".join(("1795463340", "1795463310.0", "siaga112", "NONE", event, *data))


CALLS = {
    "answered, ended by the caller": (
        [ENTER, CONNECT, line("COMPLETECALLER", "4", "25", "1")],
        "answered operator",
    ),
    "answered, its end not written yet": ([ENTER, CONNECT], "answered operator"),
    "answered, then transferred": (
        [ENTER, CONNECT, line("BLINDTRANSFER", "113", "c", "4", "25")],
        "answered operator",
    ),
    "left by the caller": ([ENTER, line("ABANDON", "1", "1", "9")], "abandoned left_queue"),
    "left, with an empty wait": ([ENTER, line("ABANDON", "1", "1", "")], "abandoned left_queue"),
    "lost by a failure of siaga112": ([ENTER, line("SYSCOMPAT"), line("ABANDON", "1", "1", "9")], None),
    "given up": ([ENTER, line("EXITWITHTIMEOUT", "1", "1", "60")], "unserved queue_timeout"),
    "emptied": ([ENTER, line("EXITEMPTY", "1", "1", "60")], "unserved queue_empty"),
    "entered, and no more is written": ([ENTER], None),
}


@pytest.mark.parametrize(("lines", "expected"), CALLS.values(), ids=list(CALLS))
def test_what_a_calls_lines_prove(lines: list[str], expected: str | None) -> None:
    """A call's lines prove an outcome only if they name it, and never a prank."""
    settled = evidence_of(record for record in parse(lines) if isinstance(record, QueueRecord))
    assert (f"{settled.outcome} {settled.reason}" if settled else None) == expected
    if settled:
        assert settled.number == "081200000001"
        assert settled.facts[0].kind is FactKind.QUEUED


def test_lines_that_no_call_caused_are_passed_over_and_bad_ones_told() -> None:
    """Lines about starts and logins are skipped, and an invalid line is reported."""
    lines = [
        "1795463300|NONE|NONE|NONE|QUEUESTART|",
        "1795463301|MANAGER|siaga112|Local/101@operators|ADDMEMBER|",
        "what is this",
        "x|1.0|siaga112|NONE|ABANDON|1|1|9",
        ENTER,
    ]
    assert [type(line) for line in parse(lines)] == [BadLine, BadLine, QueueRecord]


@pytest.mark.parametrize("time", ["\u00b2", "\u0661", "9" * 5_000, "1.\u00b2", "1.x", ".", "-1"])
def test_a_time_that_is_none_makes_a_bad_line(time: str) -> None:
    """A line with an invalid time is reported with its number, and raises nothing."""
    assert list(parse([f"{time}|1.0|siaga112|NONE|ABANDON|1|1|9"])) == [BadLine(1)]
