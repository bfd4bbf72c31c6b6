"""Quantiles of a Prometheus histogram, as its own `histogram_quantile` gives them."""

import math
from collections.abc import Mapping

Buckets = Mapping[float, float]
"""How many observations were at most so large: cumulative, the last bound infinite."""


def added(*histograms: Buckets) -> Buckets:
    """Add up histograms with the same bounds."""
    bounds = {bound for buckets in histograms for bound in buckets}
    return {bound: sum(buckets.get(bound, 0) for buckets in histograms) for bound in sorted(bounds)}


def since(now: Buckets, before: Buckets) -> Buckets:
    """Give what came since an earlier look at the same histogram."""
    return {bound: count - before.get(bound, 0) for bound, count in now.items()}


def quantile(share: float, buckets: Buckets) -> float | None:
    """Give the value that this share of the observations does not pass; None if there are none.

    Within a bucket they are taken as evenly spread. Of what is beyond the last finite bound only that bound
    is known.
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
