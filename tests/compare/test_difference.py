"""Differences as the record has them."""

import numpy as np
import pytest

from vdcast.compare.difference import lines, paired, simpler_forecasts
from vdcast.compare.tally import Tally


def tallied(Y=5, V=2, H=2, **errors) -> Tally:
    """Of names with an error of so much (broadcast to (H, S, Y, V)), two observations in each cell."""
    count = np.full((H, Y, V), 2)
    return Tally({name: 2 * np.broadcast_to(each, (H, 1, Y, V)) for name, each in errors.items()}, count)


def test_a_pair_has_its_relative_and_its_pooled_difference():
    found = paired("x", "y", tallied(x=[3.0, 99.0], y=[1.0, 101.0]), shared=True)
    assert found.relative == pytest.approx((1 - 0.02) / 2)
    assert found.mae == pytest.approx((2 - 2) / 2), "the two VDs cancel out where they are pooled"
    assert (found.days, found.vds, found.seeds) == (5, 2, 1)
    assert found.variance.vds == pytest.approx(1.02**2 / 2 / 2)


def test_one_day_has_a_difference_and_no_variance():
    found = paired("x", "y", tallied(Y=1, x=2.0, y=1.0), shared=True)
    assert found.relative == pytest.approx(2 / 3)
    assert found.variance is None and found.df is None and found.boot_low is None


def test_a_missing_forecast_and_no_observation_leave_nothing():
    assert paired("x", "y", tallied(x=[np.nan, 1.0], y=1.0), shared=True).relative is None
    nothing = Tally({"x": np.zeros((2, 1, 1, 2)), "y": np.zeros((2, 1, 1, 2))}, np.zeros((2, 1, 2), int))
    found = paired("x", "y", nothing, shared=True)
    assert found.relative is None and (found.days, found.vds) == (0, 0)


def test_a_vd_without_observations_counts_for_nothing():
    whole = tallied(V=3, x=[3.0, 5.0, 0.0], y=[1.0, 2.0, 0.0])
    silent = Tally(whole.errors, whole.count * [1, 1, 0])
    found, without = (
        paired("x", "y", silent, True),
        paired("x", "y", tallied(x=[3.0, 5.0], y=[1.0, 2.0]), True),
    )
    assert found.vds == 2 and found.relative == without.relative and found.variance == without.variance


def test_a_vd_that_one_day_has_seen_has_no_interval_of_its_own():
    """Its other days are none without noise."""
    whole = tallied(V=2, lstm=[3.0, 5.0], xlstm=1.0, linear=[1.0, 2.0])
    seen = np.array([[1, 1], *[[1, 0]] * 4])
    some = Tally({name: each * seen for name, each in whole.errors.items()}, whole.count * seen)
    at_a, at_b = [row for row in lines(some, ["linear"], True, {}, ["a", "b"]) if row.place == "vd"][:2]
    assert at_a.error == pytest.approx(0) and at_b.error is None
    assert at_b.relative == pytest.approx(2 * 3 / 7)


def test_lines_are_over_all_at_horizons_and_at_vds():
    """LSTM 1 and 3 at the two horizons, xLSTM 1; the simpler one 2 at every VD and horizon."""
    by_horizon = np.array([1.0, 3.0])[:, None, None, None]
    found = lines(tallied(lstm=by_horizon, xlstm=1.0, linear=2.0), ["linear"], True, {1: 30.0}, ["a", "b"])
    assert [(row.model, row.place, row.label) for row in found] == [
        (model, place, label)
        for model in ("lstm", "xlstm")
        for place, label in (("whole", ""), ("horizon", 30.0), ("vd", "a"), ("vd", "b"))
    ]
    relative = [row.relative for row in found]
    assert relative == pytest.approx([0, 0.4, 0, 0, *[-2 / 3] * 4])
    assert (found[1].mae, found[1].mae_simpler) == pytest.approx((3, 2))
    assert len(lines(tallied(V=1, lstm=1.0, xlstm=1.0, linear=2.0), ["linear"], True, {}, ["a"])) == 2


def test_the_opponents_are_the_best_naive_and_every_fitted_forecast():
    names = ["persistence", "damped", "linear", "trees"]
    assert simpler_forecasts(names, "damped") == ["damped", "linear", "trees"]
