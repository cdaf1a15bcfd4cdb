"""The graph in torch, before it is translated, beside the model that it was made of."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from tests.live.made import drawn, known_ahead
from vdcast.data.calendar import second_of_week
from vdcast.data.covariates import HOLIDAY
from vdcast.export.graph import Graph
from vdcast.export.onnx_file import running_max, windows_of
from vdcast.models.shared.calibration import calibrated


@pytest.mark.parametrize("quantiles", [(), (0.1, 0.5, 0.9)])
@pytest.mark.parametrize("mode", ["multi_vd", "independent_multi_vd", "global_multi_vd"])
@pytest.mark.parametrize("network", ["small_lstm", "small_xlstm"])
def test_raw_values_and_times_give_what_the_model_says(
    request, detectors, prepare_settings, network, mode, quantiles
):
    trained = drawn(detectors, prepare_settings, request.getfixturevalue(network), mode, quantiles)
    if quantiles:
        trained = calibrated(trained, detectors)
    check_same(trained, detectors.rows(195, 240))  # with the gap of the second VD, and over a weekend


@pytest.mark.parametrize("mode", ["multi_vd", "global_multi_vd"])
@pytest.mark.parametrize("without", [(), ("rain",), ("works",), (HOLIDAY, "works")])
def test_what_is_known_ahead_goes_in_beside_them(detectors, prepare_settings, small_lstm, mode, without):
    covariates = known_ahead(detectors).without(without)
    trained = drawn(replace(detectors, covariates=covariates), prepare_settings, small_lstm, mode)
    some = detectors.rows(195, 240)
    check_same(trained, some)
    inputs = windows_of(some, trained)
    for name in inputs.keys() - {"values", "second_of_week"}:  # and it matters
        other = ~inputs[name] if name == "planned" else inputs[name] + 4
        changed = forecast_by(trained, inputs | {name: other})[0]
        assert not np.allclose(changed, forecast_by(trained, inputs)[0], atol=0.1)


def test_the_weather_of_a_window_is_what_was_said_by_the_end_of_its_lookback(
    detectors, prepare_settings, small_lstm
):
    """Of each hour it was forecast six hours before, and observed when it was over: 6 steps back, 3 ahead."""
    covariates = known_ahead(detectors)
    covariates.weather.values[:] = np.arange(2 * len(detectors.timestamps))[:, None]
    trained = drawn(replace(detectors, covariates=covariates), prepare_settings, small_lstm)
    weather = windows_of(detectors.rows(100, 112), trained)["weather"]
    observed, forecast = 2 * np.arange(100, 109) + 1, 2 * np.arange(100, 109)
    np.testing.assert_array_equal(weather[0, :, 0], [*observed[:6], *forecast[6:]])


def forecast_by(trained, inputs):
    with torch.no_grad():
        return Graph(trained).eval()(**{name: torch.from_numpy(each) for name, each in inputs.items()})


def check_same(trained, some):
    """Graph and model say the same of all windows of ``some``."""
    median, *levels = forecast_by(trained, windows_of(some, trained))
    wanted = trained.quantiles(some)
    np.testing.assert_allclose(median, wanted.median.mean(axis=0), rtol=1e-5, atol=1e-4)
    assert len(levels) == bool(trained.settings.train.quantiles)
    for level in levels:
        np.testing.assert_allclose(level, wanted.calibrated.mean(axis=0), rtol=1e-5, atol=1e-4)


def test_the_week_begins_on_monday_in_local_time():
    monday = 1_790_524_800  # 2026-09-28 00:00 in Taipei, 27 September 16:00 UTC
    seconds = second_of_week(np.array([monday - 1, monday, monday + 90_061]), "Asia/Taipei")
    np.testing.assert_array_equal(seconds, [7 * 86_400 - 1, 0, 90_061])


def test_the_running_maximum_is_torch_s():
    x = torch.randn(3, 7, 2, generator=torch.Generator().manual_seed(0))
    assert torch.equal(running_max(x, 1)[0], x.cummax(1).values)
