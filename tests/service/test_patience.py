"""Patience: a rejected entry is tried again, and set aside only if the fault is the entry's."""

from siaga112.service.patience import OFTEN, OWN_TRIES, REFUSED_TRIES, SLOW_SECONDS, Patience
from siaga112.service.ports import StoreBrokenError, UnrecordableError


class Stopwatch:
    """A stopwatch that the test sets."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        """Return the seconds."""
        return self.now


def test_what_we_cannot_spell_goes_aside_after_a_few_tries() -> None:
    """An entry that we cannot serialise is set aside after a few tries, as further tries cannot help."""
    for error in (KeyError("ours"), UnrecordableError("no date")):
        patience = Patience(Stopwatch())
        assert [patience.failed(1, error) for _ in range(OWN_TRIES)] == [False] * (OWN_TRIES - 1) + [True]


def test_what_the_store_refuses_goes_aside_only_if_it_takes_others() -> None:
    """An entry that the store rejects is set aside only once the store has accepted another one."""
    patience, error = Patience(Stopwatch()), StoreBrokenError("wrong type")
    assert not any(patience.failed(1, error) for _ in range(3 * REFUSED_TRIES))
    patience.written([2])
    assert patience.failed(1, error)


def test_what_fails_long_is_tried_less_often_until_the_store_is_mended() -> None:
    """Later tries are further apart; once an entry that failed is accepted, all others are due at once."""
    stopwatch = Stopwatch()
    patience, error = Patience(stopwatch), StoreBrokenError("full")
    for _ in range(OFTEN):
        assert patience.due(1)
        patience.failed(1, error)
        patience.failed(2, error)
    assert not patience.due(1)
    stopwatch.now += SLOW_SECONDS
    assert patience.due(1)
    patience.failed(1, error)
    patience.written([2])
    assert patience.due(1)
