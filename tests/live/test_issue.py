from dataclasses import replace

import numpy as np
import pytest

from tests.live.made import drawn
from vdcast.data import profile
from vdcast.data.covariates import Covariates
from vdcast.errors import InputError
from vdcast.live.issue import issue
from vdcast.live.recent import lookback
from vdcast.models.shared.calibration import calibrated

HOUR = 3600


@pytest.fixture
def recent(detectors):
    """Six hours in which the first VD was last seen two hours before the end, and the last one never."""
    values = detectors.values.copy()
    values[-6:] = np.arange(36).reshape(6, 3, 2) + 10
    values[-2:, 0] = np.nan
    values[-6:, 2] = np.nan
    return replace(detectors, values=values)


def made(trained, recent, *, late=0, max_age=24 * HOUR):
    """What is issued ``late`` seconds after the last hour has ended."""
    now = int(recent.timestamps[-1]) + HOUR + late
    return issue(trained, lookback(recent, trained.task), now=now, max_age=max_age)


@pytest.mark.parametrize("mode", ["multi_vd", "independent_multi_vd", "global_multi_vd"])
@pytest.mark.parametrize("network", ["small_lstm", "small_xlstm"])
def test_it_is_the_mean_of_what_the_seeds_say(request, recent, prepare_settings, mode, network):
    trained = drawn(recent, prepare_settings, request.getfixturevalue(network), mode)
    columns = made(trained, recent).columns
    said = trained.forecast_next(recent).mean(axis=0)
    np.testing.assert_allclose(columns["forecast"][:, :2], said[:, :2], rtol=1e-5)
    assert np.isnan(columns["forecast"][:, 2]).all()  # it was never seen
    assert list(columns) == ["forecast", "persistence", "profile", "linear"]


def test_intervals_are_the_mean_of_those_of_the_seeds(recent, prepare_settings, small_lstm):
    fan = drawn(recent, prepare_settings, small_lstm, quantiles=(0.1, 0.5, 0.9))
    trained = calibrated(fan, recent)
    columns = made(trained, recent).columns
    levels = trained.quantiles_next(recent)
    for name, level in (("forecast", 0.5), ("q0.1", 0.1), ("q0.9", 0.9)):
        np.testing.assert_allclose(columns[name][:, :2], levels[level].mean(axis=0)[:, :2], rtol=1e-5)


def test_the_simple_forecasts_are_made_of_the_same_observations(recent, prepare_settings, small_lstm):
    trained = drawn(recent, prepare_settings, small_lstm)
    task, columns = trained.task, made(trained, recent).columns
    ahead = recent.timestamps[-1] + HOUR * np.arange(1, 4)
    usual = task.profile[profile.slots(ahead, "Asia/Taipei", HOUR, Covariates())][..., :1]
    np.testing.assert_array_equal(columns["profile"][:, :2], usual[:, :2])
    # the last two hours of the first VD were not seen, so 10 + 6 * 3 of the hour before is its newest volume
    np.testing.assert_array_equal(columns["persistence"][:, :, 0], [[28, 42, np.nan]] * 3)

    slots = profile.slots(recent.timestamps[-6:], "Asia/Taipei", HOUR, Covariates())
    residual = (recent.values[-6:, 1] - task.profile[slots, 1]) / task.std[
        1
    ]  # (L, F) of the second VD, all seen
    weight, bias = (trained.weights[f"autoregression.{name}"].numpy() for name in ("weight", "bias"))
    by_seed = weight[:, 1] @ residual.ravel() + bias[:, 1, 0]  # (S, H)
    expected = usual[:, 1, 0] + task.std[1, 0] * by_seed.mean(axis=0)
    np.testing.assert_allclose(columns["linear"][:, 1, 0], expected, rtol=1e-5)


def test_the_age_is_counted_from_the_end_of_what_was_observed(recent, prepare_settings, small_lstm):
    issued = made(drawn(recent, prepare_settings, small_lstm), recent, late=90)
    np.testing.assert_array_equal(issued.age[:, 0], [2 * HOUR + 90, 90, np.nan])
    assert issued.silent == ("VD-國",)


def test_a_vd_whose_newest_observation_is_too_old_gets_no_forecast(recent, prepare_settings, small_lstm):
    issued = made(drawn(recent, prepare_settings, small_lstm), recent, late=90, max_age=2 * HOUR)
    assert issued.silent == ("VD-A", "VD-國")
    assert all(np.isfinite(each[:, 1]).all() for each in issued.columns.values())


@pytest.mark.parametrize(
    ("late", "what"),
    [
        (
            7201,
            "no VD of run lstm-multi_vd has an observation of the last 2 hours .*: the newest is 2 hours old",
        )
    ],
)
def test_where_all_are_too_old_that_is_said(recent, prepare_settings, small_lstm, late, what):
    with pytest.raises(InputError, match=what):
        made(drawn(recent, prepare_settings, small_lstm), recent, late=late, max_age=2 * HOUR)
    empty = replace(recent, values=np.full_like(recent.values, np.nan))
    with pytest.raises(InputError, match="there is none"):
        made(drawn(recent, prepare_settings, small_lstm), empty)
