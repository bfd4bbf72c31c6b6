"""Quantiles of a histogram, as Prometheus gives them."""

import math

import pytest

from siaga112.top.histogram import added, quantile, since

HUNDRED = {0.01: 90.0, 0.02: 99.0, 0.1: 100.0, math.inf: 100.0}


@pytest.mark.parametrize(
    ("share", "value"),
    [(0.45, 0.005), (0.9, 0.01), (0.945, 0.015), (0.99, 0.02), (0.995, 0.06), (1.0, 0.1)],
)
def test_observations_are_spread_evenly_in_their_bucket(share: float, value: float) -> None:
    """A quantile lies as far into its bucket as the observations that it leaves behind."""
    assert quantile(share, HUNDRED) == pytest.approx(value)


def test_beyond_the_last_bound_only_that_is_known() -> None:
    """What took longer than the last finite bound is told as that bound."""
    assert quantile(0.99, {0.1: 50.0, 1.0: 60.0, math.inf: 100.0}) == 1.0


@pytest.mark.parametrize("buckets", [{}, {0.1: 0.0, math.inf: 0.0}])
def test_without_observations_there_is_no_quantile(buckets: dict[float, float]) -> None:
    """Of nothing nothing is said."""
    assert quantile(0.99, buckets) is None


def test_histograms_add_up_and_their_past_can_be_taken_off() -> None:
    """Two processes are one line, and what came since a look is the difference."""
    both = added(HUNDRED, HUNDRED)
    assert both[0.02] == 198
    assert since(both, HUNDRED) == HUNDRED
    assert since(HUNDRED, {}) == HUNDRED
