"""Quantiles of a Prometheus histogram, computed like `histogram_quantile`."""

import math
from collections.abc import Mapping

Buckets = Mapping[float, float]
"""The number of observations up to each bound: cumulative, with an infinite last bound."""


def added(*histograms: Buckets) -> Buckets:
    """Return the sum of histograms with the same bounds."""
    bounds = {bound for buckets in histograms for bound in buckets}
    return {bound: sum(buckets.get(bound, 0) for buckets in histograms) for bound in sorted(bounds)}


def since(now: Buckets, before: Buckets) -> Buckets:
    """Return the observations since an earlier reading of the same histogram."""
    return {bound: count - before.get(bound, 0) for bound, count in now.items()}


def quantile(share: float, buckets: Buckets) -> float | None:
    """Return the value that this share of the observations does not exceed; None without observations.

    Observations are assumed to be evenly spread within a bucket. Above the last finite bound, the result is
    that bound.
    """
    bounds = sorted(buckets)
    wanted = share * (buckets[bounds[-1]] if bounds else 0)
    lower = below = 0.0
    for bound in bounds:
        count = buckets[bound]
        if wanted and count >= wanted:
            if math.isinf(bound):
                return lower
            return lower + (bound - lower) * (wanted - below) / (count - below)
        lower, below = bound, count
    return None
