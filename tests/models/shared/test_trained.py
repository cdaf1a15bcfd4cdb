from dataclasses import replace

import numpy as np
import pytest
import torch

from tests.train.small import train
from vdcast.data.detectors import Detectors
from vdcast.errors import InputError
from vdcast.models.shared.calibration import calibrated
from vdcast.models.shared.trained import Trained
from vdcast.prepare.split import prepare

torch.set_num_threads(1)


@pytest.mark.parametrize("network", ["small_lstm", "small_xlstm"])
@pytest.mark.parametrize("mode", ["multi_vd", "independent_multi_vd", "global_multi_vd", "social"])
def test_it_forecasts_from_its_file_alone_in_units(
    request, tmp_path, detectors, prepare_settings, network, mode
):
    trained, test = train(detectors, prepare_settings, request.getfixturevalue(network), mode, seeds=(0, 1))
    trained.save(tmp_path / "model.pt")
    loaded = Trained.load(str(tmp_path / "model.pt"))  # as a user gives it
    forecast = loaded.forecast_all(test)
    W = len(test.timestamps) - 8
    assert forecast.shape == (2, W, 3, 3, 1) and forecast.dtype == np.float32
    np.testing.assert_array_equal(forecast, trained.forecast_all(test))
    # in units: near the level of each detector, not near 0 and 1
    level = np.nanmean(test.values[:, :, 0], axis=0)
    np.testing.assert_allclose(forecast.mean(axis=(0, 1, 2))[:, 0], level, rtol=0.5)


@pytest.mark.parametrize("mode", ["multi_vd", "independent_multi_vd", "global_multi_vd"])
def test_one_seed_forecasts_as_it_does_among_others(detectors, prepare_settings, small_lstm, mode):
    trained, test = train(detectors, prepare_settings, small_lstm, mode, seeds=(0, 1))
    one = trained.one_seed.forecast_all(test)
    assert one.shape[0] == 1
    np.testing.assert_allclose(one[0], trained.forecast_all(test)[0], rtol=1e-5)


def test_it_forecasts_what_comes_after_the_last_observation(detectors, prepare_settings, small_lstm):
    trained, test = train(detectors, prepare_settings, small_lstm, "multi_vd")
    known = trained.forecast_all(test)[:, 10]  # the window of steps 10 to 15, and 16 to 18 ahead
    ahead = trained.forecast_next(test.rows(0, 16))
    np.testing.assert_allclose(ahead, known, rtol=1e-5)
    with pytest.raises(InputError, match="looks back 360 min; a fixture has 300 min"):
        trained.forecast_next(test.rows(0, 5))


def test_a_forecast_is_a_table_of_what_comes_next(detectors, prepare_settings, small_lstm):
    trained, test = train(
        detectors, prepare_settings, small_lstm, "multi_vd", (0, 1), quantiles=(0.1, 0.5, 0.9)
    )
    recent = test.rows(0, 16)
    table = trained.forecast(recent)
    assert list(table) == ["origin", "time", "minutes", "vd", "target", "unit", "forecast", "q0.1", "q0.9"]
    assert table.vd.tolist() == [vd for vd in detectors.vd_ids for _ in range(3)]
    last = recent.timestamps[-1]
    assert [each.timestamp() - last for each in table.time[:3]] == [3600, 7200, 10800]
    assert str(table.time.dt.tz) == "Asia/Taipei" and table.unit.tolist() == ["veh/h"] * 9
    by_vd = trained.forecast_next(recent).mean(axis=0)[..., 0].T  # (V, H)
    np.testing.assert_allclose(table.forecast, by_vd.ravel(), rtol=1e-6)
    low = trained.quantiles_next(recent)[0.1].mean(axis=0)[..., 0].T
    np.testing.assert_allclose(table["q0.1"], low.ravel(), rtol=1e-6)


def test_a_model_trained_with_the_kernel_of_gpus_forecasts_on_a_cpu(detectors, prepare_settings, small_xlstm):
    trained, test = train(detectors, prepare_settings, small_xlstm, "multi_vd")
    network = trained.run["network"] | {"slstm_backend": "cuda"}
    from_gpu = replace(trained, run=trained.run | {"network": network})
    np.testing.assert_array_equal(from_gpu.forecast_all(test), trained.forecast_all(test))


@pytest.mark.parametrize("mode", ["independent_multi_vd", "global_multi_vd"])
def test_a_detector_that_a_network_takes_alone_sees_no_other(detectors, prepare_settings, small_xlstm, mode):
    trained, test = train(detectors, prepare_settings, small_xlstm, mode)
    before = trained.forecast_all(test)
    values = test.values.copy()
    values[:, 1] = values[::-1, 1]
    after = trained.forecast_all(Detectors(**{**vars(test), "values": values}))
    np.testing.assert_array_equal(before[:, :, :, [0, 2]], after[:, :, :, [0, 2]])
    assert not np.array_equal(before[:, :, :, 1], after[:, :, :, 1])


def test_every_detector_of_multi_vd_may_use_every_other(detectors, prepare_settings, small_lstm):
    trained, test = train(detectors, prepare_settings, small_lstm, "multi_vd")
    before = trained.forecast_all(test)
    values = test.values.copy()
    values[:, 1] = values[::-1, 1]
    after = trained.forecast_all(Detectors(**{**vars(test), "values": values}))
    assert (np.abs(before - after).max(axis=(0, 1, 2, 4)) > 0).all()


def test_other_data_than_it_was_trained_for_is_one_sentence(detectors, prepare_settings, small_lstm):
    trained, test = train(detectors, prepare_settings, small_lstm, "multi_vd")
    with pytest.raises(InputError, match="was trained on VD 'VD-B'; a fixture lacks it"):
        trained.forecast_all(test.select(["VD-A", "VD-國"], test.features))
    with pytest.raises(InputError, match="was trained on 'speed', which a fixture lacks; it has: volume"):
        trained.forecast_all(test.select(test.vd_ids, ["volume"]))


@pytest.mark.parametrize("network", ["small_lstm", "small_xlstm"])
@pytest.mark.parametrize("mode", ["multi_vd", "independent_multi_vd", "global_multi_vd"])
def test_quantiles_come_calibrated_out_of_the_file(
    request, tmp_path, detectors, prepare_settings, network, mode
):
    fan, test = train(
        detectors, prepare_settings, request.getfixturevalue(network), mode, (0, 1), (0.1, 0.5, 0.9)
    )
    validation = prepare(detectors, prepare_settings)[0][0].parts["validation"]
    before = fan.quantiles(test)
    assert before.levels == (0.1, 0.5, 0.9) and not before.margins.any()
    assert before.raw.shape == (*fan.forecast_all(test).shape, 3) and (np.diff(before.raw) >= 0).all()

    moved = calibrated(fan, validation)
    moved.save(tmp_path / "model.pt")
    loaded = Trained.load(tmp_path / "model.pt")
    after = loaded.quantiles(test)
    np.testing.assert_array_equal(after.raw, before.raw)
    np.testing.assert_array_equal(after.margins, moved.margins.numpy())
    assert after.margins.shape == (2, 3, 3, 1, 3) and not after.margins[..., 1].any()
    assert loaded.pools.shape == (3, 3, 1, 1)
    np.testing.assert_array_equal(loaded.forecast_all(test), fan.forecast_all(test))

    # on the part that they come from, the margins give the coverage that was asked for
    observed = np.stack(
        [validation.values[6 + h : len(validation.values) - 2 + h, :, 0] for h in range(3)], 1
    )
    there = loaded.quantiles(validation).calibrated[..., 0, :]
    inside = (there[..., 0] <= observed) & (observed <= there[..., -1])
    share = inside.sum(axis=(1, 2)) / np.isfinite(observed).sum(axis=(0, 1))
    assert (share >= 0.8 - 1e-9).all() and (share < 0.9).all()


def test_quantiles_of_what_comes_after_the_last_observation(detectors, prepare_settings, small_lstm):
    fan, test = train(detectors, prepare_settings, small_lstm, "multi_vd", quantiles=(0.1, 0.5, 0.9))
    fan = calibrated(fan, test)
    ahead = fan.quantiles_next(test.rows(0, 16))
    assert list(ahead) == [0.1, 0.5, 0.9]
    np.testing.assert_array_equal(ahead[0.5], fan.forecast_next(test.rows(0, 16)))
    known = fan.quantiles(test).calibrated[:, 10]
    for p, level in enumerate(ahead.values()):
        np.testing.assert_allclose(level, known[..., p], rtol=1e-5)
    two, _ = train(detectors, prepare_settings, small_lstm, "multi_vd", (0, 1), (0.1, 0.5, 0.9))
    two = calibrated(two, test)
    np.testing.assert_allclose(
        two.one_seed.quantiles(test).calibrated[0], two.quantiles(test).calibrated[0], rtol=1e-5
    )
    plain, _ = train(detectors, prepare_settings, small_lstm, "multi_vd")
    with pytest.raises(InputError, match="was trained for the median alone; set train.quantiles"):
        plain.quantiles_next(test)
