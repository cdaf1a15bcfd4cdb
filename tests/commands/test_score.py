"""`vdcast score` after a week of `vdcast forecast`, in one process."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.commands.test_forecast import folder, trained, volumes  # noqa: F401  # fixtures
from tests.project import run
from vdcast.commands.forecast import main as forecast
from vdcast.commands.score import main as score
from vdcast.live import score as live

NOW = "2023-12-05T06:00+08:00"
RECORD = Path("forecasts/lstm-multi_vd")


def at(hours_before: int) -> str:
    return (pd.Timestamp(NOW) - pd.Timedelta(hours=hours_before)).isoformat()


def test_it_is_the_error_of_what_was_forecast(folder, volumes, trained, capsys, monkeypatch):  # noqa: F811
    monkeypatch.setattr(live, "ENOUGH", 2)
    weights = trained.weights | {"autoregression.bias": trained.weights["autoregression.bias"] + 1}
    trained = replace(trained, weights=weights)  # a deviation too high
    trained.save(Path("runs/lstm-multi_vd/model.pt"))
    for hours in (40, 3):
        run(forecast, "lstm-multi_vd", "--at", at(hours))
    with pytest.raises(SystemExit) as stopped:
        run(score, "lstm-multi_vd", "--at", NOW)
    assert stopped.value.code == 3
    printed = capsys.readouterr()
    assert "has fallen behind over the last week: MAE" in printed.err and printed.err.count("\n") == 1
    assert "MAE (volume, veh/h) of the last day" in printed.out

    table = pd.read_csv(RECORD / "score.csv", dtype={"vd": str})
    day = table[table["period"] == "day"]
    after = volumes.values[-3:, :, 0]  # what came after the second forecast
    said = trained.forecast_next(volumes.rows(0, 477)).mean(axis=0)[..., 0]
    expected = np.abs(said - after).T.ravel()  # by VD, then horizon
    np.testing.assert_allclose(day["forecast"], expected, rtol=1e-4)
    assert table[table["period"] == "week"]["observations"].max() == 2
    assert "vdcast_behind" in (RECORD / "score.prom").read_text("utf-8")


def test_of_too_few_forecasts_that_is_said_and_nothing_raised(folder, capsys):  # noqa: F811
    run(forecast, "lstm-multi_vd", "--at", at(3))
    run(score, "lstm-multi_vd", "--at", NOW)
    assert (
        "Too little for an alarm: of the last week, forecasts that began in 1 different hours are scored; 24 are needed"
        in capsys.readouterr().out
    )
    assert 'vdcast_behind{run="lstm-multi_vd"} 0' in (RECORD / "score.prom").read_text("utf-8")


def test_without_the_alarm_it_ends_well(folder, capsys):  # noqa: F811
    text = Path("params.yaml").read_text("utf-8").replace("alarm: 0.05", "alarm: null")
    Path("params.yaml").write_text(text, "utf-8")
    run(forecast, "lstm-multi_vd", "--at", at(3))
    run(score, "lstm-multi_vd", "--at", NOW, "--prometheus", "here.prom")
    assert Path("here.prom").exists() and not (RECORD / "score.prom").exists()


def test_nothing_to_score_is_one_sentence(folder):  # noqa: F811
    with pytest.raises(SystemExit, match="holds no forecast of the week before 2023-12-05T06:00:00"):
        run(score, "lstm-multi_vd", "--at", NOW)
    run(forecast, "lstm-multi_vd", "--at", NOW)  # nothing has come since
    with pytest.raises(SystemExit, match="beside which an observation has come"):
        run(score, "lstm-multi_vd", "--at", NOW)
