"""The graph in torch, before it is translated, beside the model that it was made of."""

import numpy as np
import pytest
import torch

from tests.live.made import drawn
from vdcast.data.calendar import second_of_week
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
    some = detectors.rows(195, 240)  # with the gap of the second VD, and over a weekend
    values, seconds = windows_of(some, trained)
    with torch.no_grad():
        median, *levels = Graph(trained).eval()(torch.from_numpy(values), torch.from_numpy(seconds))
    wanted = trained.quantiles(some)
    np.testing.assert_allclose(median, wanted.median.mean(axis=0), rtol=1e-5, atol=1e-4)
    assert len(levels) == bool(quantiles)
    for level in levels:
        np.testing.assert_allclose(level, wanted.calibrated.mean(axis=0), rtol=1e-5, atol=1e-4)


def test_the_week_begins_on_monday_in_local_time():
    monday = 1_790_524_800  # 2026-09-28 00:00 in Taipei, 27 September 16:00 UTC
    seconds = second_of_week(np.array([monday - 1, monday, monday + 90_061]), "Asia/Taipei")
    np.testing.assert_array_equal(seconds, [7 * 86_400 - 1, 0, 90_061])


def test_the_running_maximum_is_torch_s():
    x = torch.randn(3, 7, 2, generator=torch.Generator().manual_seed(0))
    assert torch.equal(running_max(x, 1)[0], x.cummax(1).values)
