"""Differences as the record has them."""

import numpy as np
import pytest

from vdcast.compare.difference import lines, paired
from vdcast.compare.opponents import Opponent
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


def against(simpler, place="whole", label="", steps=slice(None)) -> Opponent:
    return Opponent(simpler=simpler, place=place, label=label, steps=steps)


def test_a_vd_that_one_day_has_seen_gives_no_interval():
    """Its other days are none without noise."""
    seen = np.array([[1], *[[0]] * 4])
    whole = tallied(V=1, lstm=5.0, xlstm=1.0, linear=2.0)
    some = Tally({name: each * seen for name, each in whole.errors.items()}, whole.count * seen)
    line = lines(some, [against("linear")], True)[0]
    assert line.error is None and line.relative == pytest.approx(2 * 3 / 7)


def test_lines_are_over_all_and_at_horizons():
    """LSTM 1 and 3 at the two horizons, xLSTM 1; the simpler ones 2, and 2 and 4 at the two VDs."""
    by_horizon = np.array([1.0, 3.0])[:, None, None, None]
    found = lines(
        tallied(lstm=by_horizon, xlstm=1.0, linear=2.0, damped=[2.0, 4.0]),
        [against("linear"), against("damped", "horizon", 30.0, slice(1, 2))],
        True,
    )
    assert [(row.model, row.simpler, row.place, row.label) for row in found] == [
        (model, simpler, place, label)
        for model in ("lstm", "xlstm")
        for simpler, place, label in (("linear", "whole", ""), ("damped", "horizon", 30.0))
    ]
    at_30 = (2 * 1 / 5 - 2 * 1 / 7) / 2
    assert [row.relative for row in found] == pytest.approx([0, at_30, -2 / 3, (-2 / 3 - 6 / 5) / 2])
    assert (found[1].mae, found[1].mae_simpler) == pytest.approx((3, 3))
    assert [(row.vds_ahead, row.vds) for row in found] == [(0, 2), (1, 2), (2, 2), (2, 2)]
