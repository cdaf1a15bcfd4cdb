"""What the page carries for its charts, against figures worked out by hand."""

import base64
import gzip
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from vdcast.forecasts import store
from vdcast.forecasts.predictions import Predictions
from vdcast.forecasts.quantiles import Quantiles
from vdcast.report import page_data

NAN = float("nan")


def predictions(forecast, observed, vd_ids) -> Predictions:
    """Hourly from 2024-01-01 00:00 in Taipei; ``forecast`` (S, W, H, V), ``observed`` (W, H, V)."""
    W = np.shape(observed)[0]
    return Predictions(
        forecast=np.asarray(forecast, np.float32)[..., None],
        observed=np.asarray(observed, np.float32)[..., None],
        origins=1_704_038_400 + 3600 * np.arange(W) - 3600,
        vd_ids=tuple(vd_ids),
        targets=("volume",),
        units=("veh/h",),
        interval=3600,
        time_zone="Asia/Taipei",
    )


@pytest.fixture
def observed():
    """Two windows, two horizons, two VDs: 00:00 and 01:00, then 01:00 and 02:00; one gap."""
    return np.array([[[10, 1], [20, 2]], [[20, 2], [30, NAN]]], float)


@pytest.fixture
def project(tmp_path, monkeypatch, observed):
    """Results of all modes, as the stages before leave them; xLSTM differs from LSTM on VD b alone."""
    monkeypatch.chdir(tmp_path)
    full = np.nan_to_num(observed)
    vds = {"single_vd": ["a"], "multi_vd": ["a", "b"], "independent_multi_vd": ["a", "b"]}
    for mode, names in vds.items():
        V = len(names)
        for model, off in (("lstm", [1, 1]), ("xlstm", [1, 5])):
            folder = tmp_path / "runs" / f"{model}-{mode}"
            forecast = np.stack([full[..., :V] + off[:V], full[..., :V] - off[:V]])  # two seeds
            store.write_predictions(
                folder / "predictions.h5", predictions(forecast, observed[..., :V], names)
            )
            pd.DataFrame([[1, 0.5, 0.25, NAN]], columns=page_data.HISTORY).to_csv(
                folder / "history.csv", index=False
            )
    store.write_predictions(
        tmp_path / "runs/naive/persistence/predictions.h5", predictions(full[None] + 2, observed, ["a", "b"])
    )
    return {
        mode: {"vds": names, "target_vd": "a", "best_naive": "persistence"} for mode, names in vds.items()
    }


def test_errors_are_means_over_what_is_valid(project):
    modes = page_data.gather(project)["modes"]
    errors = modes["multi_vd"]["errors"]["xlstm"]
    assert errors["overall"]["each"] == [[1.0], [5.0]]
    assert errors["overall"]["all"] == [
        pytest.approx((4 * 1 + 3 * 5) / 7, rel=1e-3)
    ]  # pooled, no mean of means
    assert errors["by_horizon"] == {
        "all": [3.0, pytest.approx(7 / 3, rel=1e-3)],
        "each": [[1.0, 1.0], [5.0, 5.0]],
    }
    by_hour = errors["by_hour"]["each"]
    assert by_hour[1][:4] == [5.0, 5.0, None, None], "the only value of VD b at 02:00 is a gap"
    assert by_hour[0][:4] == [1.0, 1.0, 1.0, None]
    assert modes["single_vd"]["errors"]["persistence"]["overall"]["each"] == [[2.0]]
    assert modes["multi_vd"]["history"]["lstm"] == {
        "epoch": [1.0], "train_loss": [0.5], "validation_loss": [0.25], "validation_mae": [None],
    }  # fmt: skip


def test_what_a_network_without_weights_did_not_forecast_is_not_averaged_away(project):
    path = Path("runs/lstm-multi_vd/predictions.h5")
    one = store.read_predictions(path)
    one.forecast[1, :, :, 1] = NAN  # the second seed has no weights for VD b
    store.write_predictions(path, one)
    data = page_data.gather(project)
    errors = data["modes"]["multi_vd"]["errors"]["lstm"]
    assert errors["overall"] == {"all": [None], "each": [[1.0], [None]]}
    assert errors["by_horizon"] == {"all": [None, None], "each": [[1.0, 1.0], [None, None]]}
    b = data["series"]["vds"].index(1)
    assert data["series"]["forecasts"]["multi_vd"]["lstm"][0][b] == [None, None, None]


def test_series_come_back_as_they_were(project):
    series = page_data.gather(project)["series"]
    midnight = pd.Timestamp("2024-01-01 00:00")  # local
    assert [page_data.EPOCH + pd.Timedelta(minutes=m) for m in series["times"]] == [
        midnight + pd.Timedelta(hours=h) for h in range(3)
    ]
    step = series["step"]
    assert step == pytest.approx(0.01) and series["horizons"] == [0, 1]
    assert (np.array(series["observed"][series["vds"].index(0)]) * step).tolist() == pytest.approx(
        [10, 20, 30]
    )
    b = series["vds"].index(1)
    assert series["observed"][b] == [100, 200, None]
    naive = series["forecasts"]["naive"]["persistence"]
    assert naive[0][b] == [300, 400, None] and naive[1][b] == [None, 400, 200]  # by horizon, along the times
    assert series["forecasts"]["single_vd"]["lstm"][0][b] == [None, None, None]  # that mode has no VD b


def test_with_quantiles_the_ends_of_the_widest_interval_come_along(project, observed):
    path = Path("runs/lstm-multi_vd/predictions.h5")
    one = store.read_predictions(path)
    offsets = np.array([-2, 0, 3], np.float32)  # of the levels; calibration moves each end by 1
    margins = np.broadcast_to(np.array([-1, 0, 1], np.float32), (2, 2, 2, 1, 3))
    fan = Quantiles(levels=(0.1, 0.5, 0.9), raw=one.forecast[..., None] + offsets, margins=margins)
    store.write_predictions(path, replace(one, quantiles=fan))
    project["multi_vd"]["quantiles"] = {"levels": [0.1, 0.5, 0.9]}
    data = page_data.gather(project)
    assert data["modes"]["multi_vd"]["interval"] == 0.8 and data["modes"]["single_vd"]["interval"] is None
    series = data["series"]["forecasts"]["multi_vd"]
    assert set(series) == {"lstm", "lstm_low", "lstm_high", "xlstm"}
    a = data["series"]["vds"].index(0)  # the mean of the seeds is what was observed: 10 and 20 at step 1
    assert [series[who][0][a][:2] for who in ("lstm", "lstm_low", "lstm_high")] == [
        [1000, 2000], [700, 1700], [1400, 2400],
    ]  # fmt: skip


def test_what_is_too_much_leaves_the_target_vd_and_where_the_models_differ_most(project):
    whole = page_data.gather(project)["series"]
    assert whole["vds"] == [0, 1]
    per_vd = 3 * (1 + 2 * 7)  # times x (observed + horizons x (6 runs + a baseline))
    assert page_data.gather(project, limit=2 * per_vd - 1)["series"]["vds"] == [0]
    assert page_data.gather(project, limit=0)["series"]["vds"] == [0], "the target VD always stays"


def test_those_that_differ_most_come_first():
    def mode(vds, lstm, xlstm):
        errors = {
            name: {"overall": {"each": [[x] for x in mae]}}
            for name, mae in (("lstm", lstm), ("xlstm", xlstm))
        }
        return {"vds": vds, "errors": errors}

    modes = {"m": mode([0, 1, 2], [1, 1, 1], [1.1, 4, 1]), "i": mode([2, 3], [1, None], [3, None])}
    assert page_data._most_telling(modes, 4) == [1, 2, 0, 3]


@pytest.mark.parametrize(
    ("horizon", "shown"),
    [(1, [0]), (4, [0, 1, 2, 3]), (5, [0, 1, 4]), (12, [0, 2, 5, 11]), (24, [0, 5, 11, 23])],
)
def test_horizons_with_series(horizon, shown):
    assert page_data.shown_horizons(horizon) == shown


def test_packed_is_the_same_every_time_and_harmless_in_html():
    data = {"vd": "國道 </script><script>alert(1)</script>", "mae": [1.5, None]}
    packed = page_data.packed(data)
    assert packed == page_data.packed(data) and not set(packed) & set("<>&\"'")
    assert json.loads(gzip.decompress(base64.b64decode(packed))) == data
