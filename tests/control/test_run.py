"""A run and its control laid side by side: two hours, two horizons, two VDs, worked out by hand."""

import json
from dataclasses import replace

import msgspec
import numpy as np
import pytest

from tests.forecasts.small import OBSERVED, predictions
from tests.params.test_load import write
from tests.records import made
from vdcast import params
from vdcast.control.run import control
from vdcast.errors import InputError
from vdcast.forecasts.predictions import Predictions
from vdcast.forecasts.store import write_predictions
from vdcast.language import Said
from vdcast.layout import CONTROLS, RUNS
from vdcast.records import io
from vdcast.records.control import Control
from vdcast.records.training import Training

RUN, OTHER = "lstm-global_multi_vd", "lstm-independent_multi_vd"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write(tmp_path)
    return tmp_path


def off_by(*seeds: float) -> Predictions:
    """Forecasts that are off by so much at VD a and by 1 at VD b."""
    truth = np.nan_to_num(OBSERVED)
    return predictions(np.stack([truth + np.array([each, 1.0]) for each in seeds]))


def left(name: str, forecasts: Predictions, training: Training | None = None) -> None:
    (RUNS / name).mkdir(parents=True)
    write_predictions(RUNS / name / "predictions.h5", forecasts)
    io.write(RUNS / name / "training.json", training or made.training())


def between() -> Control:
    settings = params.load()
    control(settings.run(RUN), settings.run(OTHER), settings)
    return msgspec.json.decode((CONTROLS / f"{RUN}.json").read_bytes(), type=Control)


def test_the_difference_is_that_of_each_vd_and_of_their_mean(folder, capsys):
    """MAE 2 and 4 of the seeds against 5 at VD a: 2 (3 - 5) / 8; the same at VD b."""
    left(RUN, off_by(2, 4))
    left(OTHER, off_by(5, 5))
    found = between()
    assert (found.model, found.mode, found.without) == ("lstm", "global_multi_vd", "independent_multi_vd")
    assert (found.difference.a, found.difference.b, found.unit) == (RUN, OTHER, "veh/h")
    assert found.vds == ["a", "b"] and found.each == pytest.approx([-0.5, 0.0])
    assert found.difference.relative == pytest.approx(-0.25)
    assert found.neighbourhood is None and not found.provisional
    assert f"{RUN}: error 25.00% lower than that of {OTHER}" in capsys.readouterr().out


def test_what_was_not_observed_or_not_forecast_has_no_difference(folder):
    silent = np.where([True, False], OBSERVED, np.nan)
    forecasts = off_by(2, 2)
    left(RUN, replace(forecasts, observed=silent[..., None].astype(np.float32)))
    left(OTHER, replace(off_by(5, 5), observed=silent[..., None].astype(np.float32)))
    assert between().each == [pytest.approx(2 * (2 - 5) / 7), None]


def test_runs_of_other_windows_are_refused(folder):
    left(RUN, off_by(2))
    left(OTHER, replace(off_by(5), origins=off_by(5).origins + 3600))
    with pytest.raises(InputError, match=f"{RUN} and {OTHER} were not evaluated on the same windows"):
        between()


@pytest.mark.parametrize(
    ("training", "provisional"),
    [
        (made.training(best_epoch=[100]), True),  # of at most 100
        (made.training(problem=Said("scores.one_seed")), True),
        (made.training(notes=[Said("scores.copy_cut")]), True),
        (made.training(notes=[Said("scores.unplaced", {"run": "a", "vds": "b"})]), False),
    ],
)
def test_what_comes_of_a_training_that_did_not_end_well_is_provisional(folder, training, provisional):
    left(RUN, off_by(2))
    left(OTHER, off_by(5), training)
    assert between().provisional is provisional


def test_a_run_that_was_not_evaluated_names_the_stage(folder):
    left(RUN, off_by(2))
    with pytest.raises(InputError, match=f"{OTHER}/predictions.h5"):
        between()
    assert not CONTROLS.exists() or not json.loads((CONTROLS / f"{RUN}.json").read_text())
