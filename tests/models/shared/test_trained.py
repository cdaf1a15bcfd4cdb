from dataclasses import replace

import numpy as np
import pytest
import torch

from tests.train.small import data, run_of, task_of
from vdcast.data.detectors import Detectors
from vdcast.errors import InputError
from vdcast.models.shared.trained import Trained
from vdcast.prepare.split import prepare
from vdcast.train.workers import fit

torch.set_num_threads(1)


def train(detectors, settings, network, mode, seeds=(0,), quantiles=()):
    (prepared,), _ = prepare(detectors, settings)
    run = run_of(network, mode, seeds=list(seeds), epochs=2, quantiles=list(quantiles))
    fitted = fit(run, [data(detectors, settings, mode)])
    task = task_of(detectors, settings, mode)
    trained = Trained(weights=fitted.weights, run=run.model_dump(), task=task)
    return trained, prepared.parts["test"]


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


def test_a_network_of_all_detectors_forecasts_one_that_it_was_not_trained_on(
    detectors, prepare_settings, small_lstm
):
    """Scale and profile of its own, the mean of the embeddings; those it was trained on keep theirs."""
    trained, test = train(detectors, prepare_settings, small_lstm, "global_multi_vd")
    training = prepare(detectors, prepare_settings)[0][0].parts["train"]
    same = trained.elsewhere(training)
    np.testing.assert_allclose(same.forecast_all(test), trained.forecast_all(test), rtol=1e-5)

    new = replace(training, values=2 * training.values[:, ::-1] + 5, vd_ids=("new", "VD-B", "other"))
    moved = trained.elsewhere(new)
    table = trained.weights["embedding.weight"]
    expected = [table.mean(dim=1), table[:, 1], table.mean(dim=1)]
    assert torch.equal(moved.weights["embedding.weight"], torch.stack(expected, dim=1))
    np.testing.assert_allclose(moved.task.mean, 2 * trained.task.mean[::-1] + 5, rtol=1e-6)
    later = replace(test, values=2 * test.values[:, ::-1] + 5, vd_ids=new.vd_ids)
    with (
        torch.no_grad()
    ):  # whoever it is, when embeddings are alike, a detector twice as busy is forecast as twice as much
        table.fill_(1.0)
    plain, twice = trained.forecast_all(test), trained.elsewhere(new).forecast_all(later)
    np.testing.assert_allclose(twice, 2 * plain[..., ::-1, :] + 5, rtol=1e-4)


def test_who_forecasts_no_other_detector_says_so(detectors, prepare_settings, small_lstm):
    for mode in ("multi_vd", "independent_multi_vd", "social"):
        trained, test = train(detectors, prepare_settings, small_lstm, mode)
        with pytest.raises(
            InputError, match=f"of mode {mode} forecasts the detectors that it was trained on"
        ):
            trained.elsewhere(test)
    trained, test = train(detectors, prepare_settings, small_lstm, "global_multi_vd")
    with pytest.raises(InputError, match="was trained on feature 'speed'; a fixture lacks it"):
        trained.elsewhere(test.select(test.vd_ids, ["volume"]))


def test_every_detector_of_multi_vd_may_use_every_other(detectors, prepare_settings, small_lstm):
    trained, test = train(detectors, prepare_settings, small_lstm, "multi_vd")
    before = trained.forecast_all(test)
    values = test.values.copy()
    values[:, 1] = values[::-1, 1]
    after = trained.forecast_all(Detectors(**{**vars(test), "values": values}))
    assert (np.abs(before - after).max(axis=(0, 1, 2, 4)) > 0).all()


def test_the_file_holds_what_it_always_held(tmp_path, detectors, prepare_settings, small_lstm):
    """Its bytes are what a result is compared by: plain lists, numbers, text and tensors, in this order."""
    trained, _ = train(detectors, prepare_settings, small_lstm, "multi_vd")
    trained.save(tmp_path / "model.pt")
    content = torch.load(tmp_path / "model.pt", weights_only=True)
    types = {key: type(value) for key, value in content.items()}
    assert list(types.items()) == [
        ("schema", int),
        ("weights", dict),
        ("run", dict),
        ("length", int),
        ("horizon", int),
        ("mean", list),
        ("std", list),
        ("profile", torch.Tensor),
        ("vd_ids", list),
        ("features", list),
        ("targets", list),
        ("units", list),
        ("feature_units", list),
        ("interval", int),
        ("time_zone", str),
        ("margins", type(None)),
        ("pools", type(None)),
        ("neighbours", type(None)),
    ]


def test_the_file_is_the_same_bytes_under_any_name(tmp_path, detectors, prepare_settings, small_lstm):
    trained, _ = train(detectors, prepare_settings, small_lstm, "multi_vd")
    trained.save(tmp_path / "a.pt")
    trained.save(tmp_path / "another_name.pt")
    assert (tmp_path / "a.pt").read_bytes() == (tmp_path / "another_name.pt").read_bytes()


def test_other_data_than_it_was_trained_for_is_one_sentence(detectors, prepare_settings, small_lstm):
    trained, test = train(detectors, prepare_settings, small_lstm, "multi_vd")
    with pytest.raises(InputError, match="was trained on VD 'VD-B'; a fixture lacks it"):
        trained.forecast_all(test.select(["VD-A", "VD-國"], test.features))
    with pytest.raises(InputError, match="was trained on feature 'speed'; a fixture lacks it"):
        trained.forecast_all(test.select(test.vd_ids, ["volume"]))


def test_a_file_from_before_a_setting_was_there_is_one_sentence(
    tmp_path, detectors, prepare_settings, small_lstm
):
    trained, _ = train(detectors, prepare_settings, small_lstm, "multi_vd")
    del trained.run["network"]["lookback"]
    trained.save(tmp_path / "model.pt")
    with pytest.raises(InputError, match="is not a model of this version of vdcast"):
        Trained.load(tmp_path / "model.pt")


def test_a_missing_a_damaged_and_a_hostile_checkpoint(tmp_path):
    with pytest.raises(InputError, match="does not exist; run `dvc repro` to train it"):
        Trained.load(tmp_path / "none.pt")
    (tmp_path / "bad.pt").write_bytes(b"not a checkpoint")
    with pytest.raises(InputError, match="is not a model of this version of vdcast"):
        Trained.load(tmp_path / "bad.pt")
    for text in ("epoch,train_loss\n1,0.5\n", "data:\n  format: wide_table\n", ""):
        (tmp_path / "text").write_text(text, "utf-8")
        with pytest.raises(InputError, match="is not a model of this version of vdcast") as raised:
            Trained.load(tmp_path / "text")
        assert "weights_only" not in str(raised.value), "torch's advice runs what is in a file"
    with pytest.raises(InputError, match="is not a model of this version of vdcast"):
        Trained.load(tmp_path)
    torch.save({"schema": 99}, tmp_path / "other.pt")
    with pytest.raises(InputError, match="is not a model of this version of vdcast"):
        Trained.load(tmp_path / "other.pt")

    class Hostile:
        def __reduce__(self):
            return (open, (str(tmp_path / "executed"), "w"))

    torch.save(Hostile(), tmp_path / "hostile.pt")
    with pytest.raises(InputError, match="is not a model of this version of vdcast"):
        Trained.load(tmp_path / "hostile.pt")
    assert not (tmp_path / "executed").exists()


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

    calibrated = fan.calibrated_on(validation)
    calibrated.save(tmp_path / "model.pt")
    loaded = Trained.load(tmp_path / "model.pt")
    after = loaded.quantiles(test)
    np.testing.assert_array_equal(after.raw, before.raw)
    np.testing.assert_array_equal(after.margins, calibrated.margins.numpy())
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
    fan = fan.calibrated_on(test)
    ahead = fan.quantiles_next(test.rows(0, 16))
    assert list(ahead) == [0.1, 0.5, 0.9]
    np.testing.assert_array_equal(ahead[0.5], fan.forecast_next(test.rows(0, 16)))
    known = fan.quantiles(test).calibrated[:, 10]
    for p, level in enumerate(ahead.values()):
        np.testing.assert_allclose(level, known[..., p], rtol=1e-5)
    two, _ = train(detectors, prepare_settings, small_lstm, "multi_vd", (0, 1), (0.1, 0.5, 0.9))
    two = two.calibrated_on(test)
    np.testing.assert_allclose(
        two.one_seed.quantiles(test).calibrated[0], two.quantiles(test).calibrated[0], rtol=1e-5
    )
    plain, _ = train(detectors, prepare_settings, small_lstm, "multi_vd")
    with pytest.raises(InputError, match="was trained for the median alone; set train.quantiles"):
        plain.quantiles_next(test)
