"""`vdcast adapt`, and `vdcast forecast` of what it leaves: the third VD of the feed came after the training."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.commands.test_forecast import END, folder, volumes  # noqa: F401  # fixtures
from tests.live.made import drawn
from tests.project import run
from vdcast.commands.adapt import main as adapt
from vdcast.commands.forecast import main as forecast
from vdcast.live.newcomers import elsewhere
from vdcast.models.shared.calibration import calibrated
from vdcast.models.shared.trained import Trained

MODEL, ADAPTED = Path("runs/lstm-multi_vd/model.pt"), Path("runs/lstm-multi_vd/adapted.pt")
OLD, NEW = ["VD-A", "VD-B"], "VD-國"


@pytest.fixture
def trained(volumes, prepare_settings, small_lstm):  # noqa: F811
    return of_mode("global_multi_vd", volumes, prepare_settings, small_lstm)


def of_mode(mode: str, volumes, settings, network) -> Trained:  # noqa: F811
    settings = settings.model_copy(update={"features": ["volume"]})
    train = volumes.select(OLD, ["volume"])
    made = drawn(train, settings, network, mode, quantiles=(0.1, 0.5, 0.9), vds=(0, 1))
    return calibrated(made, train)


def forecasts(*arguments: str) -> pd.DataFrame:
    run(forecast, *arguments, "--at", END, "--out", "a.parquet")
    return pd.read_parquet("a.parquet").astype({"vd": str}).set_index("vd")


def test_a_new_vd_is_forecast_from_its_own_days_and_marked(folder, volumes, trained):  # noqa: F811
    before = forecasts("lstm-multi_vd")
    assert before.index.unique().tolist() == OLD and before["trained"].all()
    run(adapt, "lstm-multi_vd", "--at", END)
    after = forecasts("--model", str(ADAPTED))
    pd.testing.assert_frame_equal(after.loc[OLD], before)
    new = after.loc[NEW]
    assert not new["trained"].any() and (new["q0.1"] < new["q0.9"]).all()
    history = volumes.select([NEW], ["volume"])
    history = replace(history, values=np.where(history.values < 0, np.nan, history.values))  # no count
    expected = elsewhere(trained, history).forecast_next(volumes)
    np.testing.assert_allclose(new["forecast"], expected.mean(axis=0)[:, 0, 0], rtol=1e-5)
    np.testing.assert_allclose(Trained.load(ADAPTED).task.mean[2, 0], np.nanmean(history.values), rtol=1e-5)


def test_where_there_is_none_to_take_on_that_is_said(folder):  # noqa: F811
    run(adapt, "lstm-multi_vd", "--at", END)
    with pytest.raises(SystemExit, match="knows all 3 VDs of .*; there is none to take on"):
        run(adapt, "--model", str(ADAPTED), "--at", END, "--out", "again.pt")
    assert not Path("again.pt").exists()


def test_one_that_was_seen_on_one_day_is_left_out(folder):  # noqa: F811
    for path in sorted(Path("feed").iterdir())[:-1]:
        table = pd.read_csv(path, index_col=0)
        table.drop(columns=NEW).to_csv(path)
    with pytest.raises(
        SystemExit,
        match=f"of 1 new VDs 1 have fewer than 2 days of observations in the last 28: {NEW}; none is taken on",
    ):
        run(adapt, "lstm-multi_vd", "--at", END)
    assert not ADAPTED.exists()


@pytest.mark.parametrize("mode", ["multi_vd", "independent_multi_vd"])
def test_weights_that_belong_to_detectors_take_on_none(folder, volumes, prepare_settings, small_lstm, mode):  # noqa: F811
    of_mode(mode, volumes, prepare_settings, small_lstm).save(MODEL)
    with pytest.raises(
        SystemExit, match=f"of mode {mode} forecasts the detectors that it was trained on and no others"
    ):
        run(adapt, "lstm-multi_vd", "--at", END)
    assert not ADAPTED.exists()
