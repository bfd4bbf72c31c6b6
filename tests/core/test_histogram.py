"""Quantiles of a histogram, as Prometheus computes them."""

import math

import pytest

from siaga112.top.histogram import added, quantile, since

HUNDRED = {0.01: 90.0, 0.02: 99.0, 0.1: 100.0, math.inf: 100.0}


@pytest.mark.parametrize(
    ("share", "value"),
    [(0.45, 0.005), (0.9, 0.01), (0.945, 0.015), (0.99, 0.02), (0.995, 0.06), (1.0, 0.1)],
)
def test_observations_are_spread_evenly_in_their_bucket(share: float, value: float) -> None:
    """A quantile is interpolated linearly in its bucket."""
    assert quantile(share, HUNDRED) == pytest.approx(value)


def test_beyond_the_last_bound_only_that_is_known() -> None:
    """A quantile beyond the last finite bound is that bound."""
    assert quantile(0.99, {0.1: 50.0, 1.0: 60.0, math.inf: 100.0}) == 1.0


@pytest.mark.parametrize("buckets", [{}, {0.1: 0.0, math.inf: 0.0}])
def test_without_observations_there_is_no_quantile(buckets: dict[float, float]) -> None:
    """Without observations there is no quantile."""
    assert quantile(0.99, buckets) is None


def test_histograms_add_up_and_their_past_can_be_taken_off() -> None:
    """Histograms of two processes add up; the difference of two states is what was observed in between."""
    both = added(HUNDRED, HUNDRED)
    assert both[0.02] == 198
    assert since(both, HUNDRED) == HUNDRED
    assert since(HUNDRED, {}) == HUNDRED
