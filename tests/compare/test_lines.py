"""Each model against simpler forecasts, as the record has it."""

import numpy as np
import pytest

from tests.differences.test_paired import SHARED, tallied
from vdcast.compare.lines import lines
from vdcast.compare.opponents import Opponent
from vdcast.differences.tally import Tally


def against(simpler, place="whole", label="", steps=slice(None)) -> Opponent:
    return Opponent(simpler=simpler, place=place, label=label, steps=steps)


def test_a_vd_that_one_day_has_seen_gives_no_interval():
    """Its other days are none without noise."""
    seen = np.array([[1], *[[0]] * 4])
    whole = tallied(V=1, lstm=5.0, xlstm=1.0, linear=2.0)
    some = Tally({name: each * seen for name, each in whole.errors.items()}, whole.count * seen)
    line = lines(some, [against("linear")], SHARED)[0]
    assert line.error is None and line.relative == pytest.approx(2 * 3 / 7)


def test_lines_are_over_all_and_at_horizons():
    """LSTM 1 and 3 at the two horizons, xLSTM 1; the simpler ones 2, and 2 and 4 at the two VDs."""
    by_horizon = np.array([1.0, 3.0])[:, None, None, None]
    found = lines(
        tallied(lstm=by_horizon, xlstm=1.0, linear=2.0, damped=[2.0, 4.0]),
        [against("linear"), against("damped", "horizon", 30.0, slice(1, 2))],
        SHARED,
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
