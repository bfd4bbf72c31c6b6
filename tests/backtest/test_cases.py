"""Small files that were once read wrongly, written by people who did not know this program."""

from pathlib import Path
from typing import Final

import pytest

from siaga112.backtest.history import History, Unproven
from siaga112.core.model import Outcome
from siaga112.core.outcome import ClassifierRules
from siaga112.core.rules import Dialplan
from tests.backtest.recorded import site, told
from tests.pbx.scenarios.golden import replayed

CASES: Final = Path(__file__).resolve().parents[1] / "cases"
SITE: Final = site(
    Dialplan(frozenset({"dari-luar"}), frozenset({"menu-rekaan"}), queues=frozenset({"antre", "ahli"})),
    ClassifierRules(),
)


def read(name: str) -> History:
    """Read one of the files."""
    return told((CASES / name).read_text("utf-8").splitlines(keepends=True), SITE)[0]


@pytest.mark.parametrize(
    ("name", "outcome", "count"),
    [
        ("cel-phone-not-registered.csv", Outcome.UNSERVED, 7),
        ("cel-others-talk-on-5s.csv", Outcome.ANSWERED, 1),
        ("cel-others-talk-on-60s.csv", Outcome.ANSWERED, 1),
        ("cel-shared-uniqueid.csv", Outcome.ANSWERED, 1),
        ("ql-logins", Outcome.ANSWERED, 1),
        ("ql-consultation", Outcome.ANSWERED, 1),
    ],
)
def test_a_file_has_its_calls_and_their_outcome(name: str, outcome: Outcome, count: int) -> None:
    """Each file has this many calls, all with this outcome; rows of other channels make no calls."""
    assert read(name).outcomes() == {outcome: count}


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("cel-agi-tape.csv", Unproven.READ_OR_AGI),
        ("cdr-pbx-dropped-after-key.csv", Unproven.KEY_TAKEN),
    ],
)
def test_what_looks_like_the_menu_and_may_be_none_is_unknown(name: str, why: Unproven) -> None:
    """If an AGI may have run Read(), or a key was taken, no prank is proven, and the reason says so."""
    history = read(name)
    assert history.outcomes() == {Outcome.UNKNOWN: 7}
    assert history.unproven() == {why: 7}


def test_waiting_behind_a_local_channel_is_no_answer() -> None:
    """A caller who hangs up in a queue behind a Local channel was not answered, and is called back."""
    _, (entry,) = replayed((CASES / "local-waiting-in-queue.ami").read_bytes())
    found = entry.finding
    assert (found.outcome, found.reason, found.queue) == (Outcome.ABANDONED, "left_queue", "antre")
    assert found.stages.waited == 94_500
    assert found.stages.talk is None
