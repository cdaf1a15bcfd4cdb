"""Differences as the record has them."""

import numpy as np
import pytest

from vdcast.differences.paired import paired
from vdcast.differences.tally import Tally

SHARED = (True, True)


def tallied(Y=5, V=2, H=2, **errors) -> Tally:
    """Of names with an error of so much (broadcast to (H, S, Y, V)), two observations in each cell."""
    count = np.full((H, Y, V), 2)
    return Tally({name: 2 * np.broadcast_to(each, (H, 1, Y, V)) for name, each in errors.items()}, count)


def test_a_pair_has_its_relative_and_its_pooled_difference():
    found = paired("x", "y", tallied(x=[3.0, 99.0], y=[1.0, 101.0]), SHARED)
    assert found.relative == pytest.approx((1 - 0.02) / 2)
    assert found.mae == pytest.approx((2 - 2) / 2), "the two VDs cancel out where they are pooled"
    assert (found.days, found.vds, found.seeds) == (5, 2, 1)
    assert found.variance.vds == pytest.approx(1.02**2 / 2 / 2)


def test_one_day_has_a_difference_and_no_variance():
    found = paired("x", "y", tallied(Y=1, x=2.0, y=1.0), SHARED)
    assert found.relative == pytest.approx(2 / 3)
    assert found.variance is None and found.df is None and found.boot_low is None


def test_a_missing_forecast_and_no_observation_leave_nothing():
    assert paired("x", "y", tallied(x=[np.nan, 1.0], y=1.0), SHARED).relative is None
    nothing = Tally({"x": np.zeros((2, 1, 1, 2)), "y": np.zeros((2, 1, 1, 2))}, np.zeros((2, 1, 2), int))
    found = paired("x", "y", nothing, SHARED)
    assert found.relative is None and (found.days, found.vds) == (0, 0)


def test_a_vd_without_observations_counts_for_nothing():
    whole = tallied(V=3, x=[3.0, 5.0, 0.0], y=[1.0, 2.0, 0.0])
    silent = Tally(whole.errors, whole.count * [1, 1, 0])
    found, without = (
        paired("x", "y", silent, SHARED),
        paired("x", "y", tallied(x=[3.0, 5.0], y=[1.0, 2.0]), SHARED),
    )
    assert found.vds == 2 and found.relative == without.relative and found.variance == without.variance
