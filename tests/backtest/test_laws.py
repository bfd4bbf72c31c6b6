"""Laws of reading: lost, doubled or shuffled rows never make a prank; any bytes are handled."""

import contextlib
from pathlib import Path
from random import Random
from typing import Final

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from siaga112.backtest import files as past_files
from siaga112.backtest.cel import OutOfOrderError
from siaga112.backtest.columns import Clock, recognise
from siaga112.backtest.history import History
from siaga112.core.model import Outcome
from siaga112.core.regulation import COUNTABLE
from siaga112.errors import SiagaError
from tests.backtest.recorded import VERSIONS, ZONE, lines, site_of, told

FILES: Final = [(version, form) for version in VERSIONS for form in ("cel.csv", "cdr.csv")]
FILE: Final = pytest.mark.parametrize(("version", "form"), FILES, ids=["-".join(file) for file in FILES])
SLOWLY: Final = settings(max_examples=5, deadline=None, suppress_health_check=list(HealthCheck))

ENDS: Final = ('"HANGUP"', '"CHAN_END"', '"LINKEDID_END"')
SEEDS: Final = st.integers(0, 2**32)


def pranks(history: History) -> set[str]:
    """Return the ids of the pranks."""
    return {str(call) for call, past in history.calls.items() if past.finding.outcome is Outcome.IVR_PRANK}


@FILE
@SLOWLY
@given(seed=SEEDS, lost=st.floats(0.02, 0.98))
def test_losing_rows_makes_no_prank(version: str, form: str, seed: int, lost: float) -> None:
    """Whatever rows are lost, no other call becomes a prank."""
    whole = lines(version, form)
    layout = recognise(whole)
    random = Random(seed)
    kept = [line for line in whole if random.random() >= lost]
    assert pranks(told(kept, site_of(version), layout)[0]) <= pranks(told(whole, site_of(version))[0])


@FILE
def test_cut_anywhere(version: str, form: str) -> None:
    """A file cut at any place has no pranks that the whole file does not have."""
    whole = lines(version, form)
    layout, known = recognise(whole), site_of(version)
    everything = pranks(told(whole, known)[0])
    for cut in range(0, len(whole), max(1, len(whole) // 25)):
        assert pranks(told(whole[:cut], known, layout)[0]) <= everything
        assert pranks(told(whole[cut:], known, layout)[0]) <= everything


@pytest.mark.parametrize("version", VERSIONS)
def test_one_call_with_any_row_lost(version: str) -> None:
    """A call with any one CEL row lost, or only one kept between its first and last, makes no prank.

    One of these rows is the proof that an answered caller was connected.
    """
    whole = lines(version, "cel.csv")
    layout, known = recognise(whole), site_of(version)
    assert layout is not None
    everything = pranks(told(whole, known)[0])
    calls: dict[str, list[str]] = {}
    for line in whole:
        calls.setdefault(line.split('","')[layout.columns["linkedid"]], []).append(line)
    for call, rows in calls.items():
        if call in everything:
            continue
        for n, row in enumerate(rows):
            assert not pranks(told([*rows[:n], *rows[n + 1 :]], known, layout)[0]), row
            least = [other for other in rows if other in {rows[0], row} or other.startswith(ENDS)]
            assert not pranks(told(least, known, layout)[0]), row


@FILE
@SLOWLY
@given(seed=SEEDS)
def test_shuffled(version: str, form: str, seed: int) -> None:
    """In whatever order the rows come, no other call becomes a prank."""
    whole = lines(version, form)
    mixed = list(whole)
    Random(seed).shuffle(mixed)
    with contextlib.suppress(OutOfOrderError):
        found = pranks(told(mixed, site_of(version), recognise(whole))[0])
        assert found <= pranks(told(whole, site_of(version))[0])


@pytest.mark.parametrize("version", VERSIONS)
@SLOWLY
@given(seed=SEEDS)
def test_a_little_out_of_order_changes_nothing(version: str, seed: int) -> None:
    """Rows a few places out of order, as a busy PBX writes them, give the same result."""
    whole = lines(version, "cel.csv")
    random = Random(seed)
    mixed = [line for _, line in sorted((n + random.random() * 4, line) for n, line in enumerate(whole))]
    assert pranks(told(mixed, site_of(version))[0]) == pranks(told(whole, site_of(version))[0])


@FILE
def test_everything_twice(version: str, form: str) -> None:
    """A file with each row twice has no new prank."""
    whole = lines(version, form)
    twice = [line for line in whole for _ in range(2)]
    assert pranks(told(twice, site_of(version))[0]) <= pranks(told(whole, site_of(version))[0])


STRUCTURED: Final = st.text(alphabet=',|"\n\r1aE', max_size=200).map(str.encode)
BEGINNINGS: Final = st.sampled_from([
    b"",
    b"Capture: siaga112/1\r\n",
    *(lines("22", form)[1].encode() for form in ("cel.csv", "cdr.csv", "queue_log")),
    b"eventtype,eventtime,cid_num,exten,context,channame,uniqueid,linkedid\n",
    b"calldate|src|dcontext|channel|dstchannel|lastapp|lastdata|disposition|duration\n",
])  # fmt: skip


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    begins=BEGINNINGS,
    rest=st.binary(max_size=400) | st.text(alphabet=',|"\n\r1aE', max_size=200).map(str.encode),
)
def test_any_bytes_give_figures_or_the_one_error(tmp_path: Path, begins: bytes, rest: bytes) -> None:
    """Any bytes are read with the bad rows counted, or rejected with a one-line error."""
    path = tmp_path / "file"
    path.write_bytes(begins + rest)
    try:
        report, history = past_files.read(
            path, site_of("22"), Clock(ZONE), frozenset(map(str, COUNTABLE)), lambda _rows, _bytes: None
        )
    except SiagaError as refused:
        error = str(refused)
    else:
        error = ""
        assert report.bad <= report.rows
        assert len(report.shown) == min(report.bad, 10)
        assert len(history.calls) <= report.rows
    assert "\n" not in error
