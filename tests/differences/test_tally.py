"""Errors added up by horizon, training, day and VD."""

import numpy as np
import pytest

from tests.forecasts.small import models
from vdcast.differences.tally import ensemble_errors, numbered_days, tally


def test_every_error_is_in_its_place():
    predictions = models(["a", "b"])
    found = tally(predictions)
    first = predictions["lstm"]
    e = np.abs(first.forecast[..., 0] - first.observed[..., 0])  # (S, W, H, V)
    S, _, H, V = e.shape
    assert found.errors["lstm"].shape == (H, S, found.days, V) and found.count.shape == (H, found.days, V)
    assert found.errors["lstm"].sum(axis=2) == pytest.approx(np.nansum(e, axis=1).swapaxes(0, 1))
    assert (found.count.sum(axis=1) == np.isfinite(first.observed[..., 0]).sum(axis=0)).all()


def test_what_trainings_add_to_the_error_of_their_ensemble():
    e = np.array([[1.0, -4.0, 2.0], [3.0, 1.0, -2.0]])  # of the mean: 2, -1.5, 0
    assert ensemble_errors(e).tolist() == [[1.0, 4.0, 0.0], [3.0, -1.0, 0.0]]
    assert ensemble_errors(e).mean(axis=0) == pytest.approx(np.abs(e.mean(axis=0)))


@pytest.mark.parametrize(
    ("observations", "days"),
    [
        # observations of each day, and the number that each day gets
        ((2, 6, 6, 6, 2), (0, 0, 1, 2, 2)),  # a stub at either end counts to its neighbour
        ((3, 6, 6, 6, 3), (0, 1, 2, 3, 4)),  # half of the median is a day
        ((6, 2, 6, 6), (0, 1, 2, 3)),  # gaps within are days with few observations
        ((6, 1), (0, 0)),  # the median is 3.5
        ((6,), (0,)),
    ],
)
def test_a_stub_of_a_day_at_either_end_is_no_day_of_its_own(observations, days):
    label = np.repeat(np.arange(10, 10 + len(observations)), observations)
    assert numbered_days(label).tolist() == np.repeat(days, observations).tolist()
