import random
from dataclasses import replace

import h5py
import numpy as np
import pytest

from vdcast.data.files import seal
from vdcast.errors import InputError
from vdcast.forecasts import store
from vdcast.forecasts.predictions import Predictions, beside_observed, check_same_windows
from vdcast.forecasts.quantiles import Quantiles


@pytest.fixture
def predictions(detectors) -> Predictions:
    """Two seeds that forecast zero everywhere, 4 steps of lookback, 2 ahead."""
    part = detectors.rows(0, 60)
    forecast = np.zeros((2, 55, 2, 3, 1), np.float32)
    return beside_observed(forecast, part, ["volume"], 4)


def test_forecasts_stand_beside_what_was_then_observed(detectors, predictions):
    assert predictions.observed.shape == (55, 2, 3, 1)
    np.testing.assert_array_equal(predictions.observed[10, 1, :, 0], detectors.values[10 + 4 + 1, :, 0])
    assert predictions.origins[10] == detectors.timestamps[13]
    np.testing.assert_array_equal(predictions.times[10], detectors.timestamps[14:16])


def test_written_and_read(tmp_path, predictions):
    store.write_predictions(tmp_path / "p.h5", predictions)
    back = store.read_predictions(tmp_path / "p.h5")
    np.testing.assert_array_equal(back.observed, predictions.observed)
    assert back.vd_ids == predictions.vd_ids and back.units == ("veh/h",) and back.interval == 3600
    with pytest.raises(InputError, match="holds no baseline"):
        store.read_baselines(tmp_path / "nothing")


def test_a_damaged_file_is_one_sentence_or_has_the_same_shape(tmp_path, predictions):
    """Numbers have no checksum of their own here, DVC knows the file's; but no traceback, and no other frame."""
    path = tmp_path / "p.h5"
    store.write_predictions(path, predictions)
    whole, random_, refused = path.read_bytes(), random.Random(0), 0
    for _ in range(400):
        at = random_.randrange(len(whole))
        data = whole[:at] + bytes([whole[at] ^ 1 << random_.randrange(8)]) + whole[at + 1 :]
        path.write_bytes(data if random_.random() < 0.9 else whole[:at])
        try:
            back = store.read_predictions(path)
        except InputError as error:
            refused += 1
            assert str(path) in str(error)
        else:
            assert back.forecast.shape == predictions.forecast.shape and back.interval == predictions.interval
            assert (np.diff(back.origins) == back.interval).all() and len(set(back.vd_ids)) == 3
    assert refused > 10


@pytest.mark.parametrize(
    "name, value, sentence",
    [
        ("origins", np.arange(55) * 1800, "its windows do not follow each other in steps of 3600 s"),
        ("vd_ids", ("A", "B", "A"), "it names a detector twice"),
        ("vd_ids", ("A", "B"), "its forecasts are"),
        ("observed", np.zeros((55, 2, 3, 2), "f4"), "its observations"),
        ("time_zone", "Asia/Taibei", "its time zone 'Asia/Taibei'"),
    ],
)
def test_parts_that_contradict_each_other_are_one_sentence(tmp_path, predictions, name, value, sentence):
    store.write_predictions(tmp_path / "p.h5", replace(predictions, **{name: value}))
    with pytest.raises(InputError, match=f"p.h5' is not one of vdcast's .*{sentence}"):
        store.read_predictions(tmp_path / "p.h5")


def test_quantiles_are_written_and_read_and_follow_their_detectors(tmp_path, predictions):
    rng = np.random.default_rng(0)
    raw = np.sort(rng.normal(0, 9, (2, 55, 2, 3, 1, 3)).astype(np.float32), axis=-1)
    raw -= raw[..., 1:2]  # the fixture forecasts 0
    fan = Quantiles(levels=(0.1, 0.5, 0.9), raw=raw, margins=rng.random((2, 2, 3, 1, 3)).astype(np.float32))
    path = tmp_path / "p.h5"
    store.write_predictions(path, replace(predictions, quantiles=fan))
    back = store.read_predictions(path)
    assert back.quantiles.levels == fan.levels
    np.testing.assert_array_equal(back.quantiles.raw, fan.raw)
    np.testing.assert_array_equal(back.quantiles.margins, fan.margins)
    chosen = back.of(["VD-國", "VD-A"]).quantiles
    np.testing.assert_array_equal(chosen.raw, raw[:, :, :, [2, 0]])
    np.testing.assert_array_equal(chosen.margins, fan.margins[:, :, [2, 0]])
    store.write_predictions(path, predictions)
    assert store.read_predictions(path).quantiles is None


def test_quantiles_that_contradict_their_file_are_one_sentence(tmp_path, predictions):
    raw = np.zeros((2, 55, 2, 3, 1, 3), np.float32) + 1
    fan = Quantiles(levels=(0.1, 0.5, 0.9), raw=raw, margins=np.zeros((2, 2, 3, 1, 3), np.float32))
    path = tmp_path / "p.h5"
    store.write_predictions(path, replace(predictions, quantiles=fan))
    with pytest.raises(InputError, match="the median of quantiles is not the forecast"):
        store.read_predictions(path)
    with h5py.File(path, "r+") as file:
        del file["quantiles/levels"]
        file["quantiles/levels"] = [0.1, 0.9, 0.5]
    seal(path)  # HDF5 cut off the one that was there
    with pytest.raises(InputError, match=r"levels \(0.1, 0.9, 0.5\) have no median in the middle"):
        store.read_predictions(path)
    with h5py.File(path, "r+") as file:
        del file["quantiles/margins"]
    seal(path)
    with pytest.raises(InputError, match="does not follow vdcast's schema"):
        store.read_predictions(path)


def test_runs_on_other_windows_are_not_compared(predictions):
    check_same_windows({"a": predictions, "b": predictions})
    shifted = replace(predictions, origins=predictions.origins + 3600)
    with pytest.raises(InputError, match="a and b were not evaluated on the same windows"):
        check_same_windows({"a": predictions, "b": shifted})
    with pytest.raises(InputError, match="a and b differ in vd_ids"):
        check_same_windows({"a": predictions, "b": predictions.of(["VD-A"])})


def test_an_ensemble_is_the_mean_forecast_not_the_mean_score(predictions):
    forecast = predictions.forecast.copy()
    forecast[0], forecast[1] = predictions.observed + 2, predictions.observed - 2
    ensemble = replace(predictions, forecast=forecast).ensemble
    assert ensemble.forecast.shape == (1, *predictions.observed.shape)
    assert np.nanmax(np.abs(ensemble.forecast - predictions.observed)) < 1e-5
