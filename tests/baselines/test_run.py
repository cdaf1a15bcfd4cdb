"""What holds for every baseline that is fitted."""

from dataclasses import replace
from typing import get_args

import numpy as np
import pytest

from tests.baselines.test_damped import learnt
from vdcast import params
from vdcast.baselines import naive, run, trees
from vdcast.data.detectors import Prepared
from vdcast.errors import InputError
from vdcast.params.sections import Baseline, Window
from vdcast.scores.names import GREYS, NAIVE_FORECASTS

WINDOW = Window(sequence_length=6, prediction_length=2)
fitted_ones = pytest.mark.parametrize("name", run.FITTED)


@pytest.fixture(autouse=True)
def no_lightgbm_no_trees(request):
    if "trees" in request.node.name and "one_sentence" not in request.node.name:
        pytest.importorskip("lightgbm")


def prepared(detectors, **changes) -> Prepared:
    parts = {"train": detectors.rows(0, 288), "validation": detectors.rows(288, 384)}
    parts |= {"test": detectors.rows(384, 480)} | changes
    return learnt(parts, ("volume", "speed"))


def changed(part, steps=slice(None)):
    values = part.values.copy()
    values[steps] = 1e6
    return replace(part, values=values)


def test_every_name_that_params_allows_is_made_labelled_and_drawn():
    assert set(get_args(Baseline)) == {*naive.NAIVE, *run.FITTED} == set(GREYS)
    assert {*naive.NAIVE, "damped"} == set(NAIVE_FORECASTS)


@fitted_ones
def test_no_value_of_the_test_part_changes_what_was_fitted(detectors, name, monkeypatch):
    fits = []

    def remembering(*given, fit=run.FITTED[name]):
        fits.append(fit(*given))
        return fits[-1]

    monkeypatch.setitem(run.FITTED, name, remembering)
    whole = prepared(detectors)
    made = run.fitted(name, whole, WINDOW)["test"]
    other = run.fitted(name, prepared(detectors, test=changed(whole.parts["test"])), WINDOW)["test"]
    assert made.shape == other.shape == (89, 2, 3, 2) and not np.array_equal(made, other)
    for before, after in zip(fits[:2], fits[2:], strict=True):  # volume, speed
        assert before.chosen == after.chosen
        for field in vars(before):
            first, second = getattr(before, field), getattr(after, field)
            if field == "models":
                first, second = ([each.model_to_string() for each in it] for it in (first, second))
            np.testing.assert_array_equal(first, second)


def test_errors_on_the_validation_part_are_of_every_baseline_and_know_nothing_of_the_test_part(detectors):
    """Persistence by hand: window 0 ends with step 5 of the part, and its horizons are steps 6 and 7."""
    names = ["persistence", "yesterday", "last_week", "hour_of_week", "damped", "linear"]
    settings = params.load().model_copy(update={"window": WINDOW})
    whole = prepared(replace(detectors, values=np.nan_to_num(detectors.values, nan=50.0)))
    later = {**whole.parts, "test": changed(whole.parts["test"])}
    found, other = (
        run.validation_of(run.forecast_fold(names, each, settings)["validation"])
        for each in (whole, replace(whole, parts=later))
    )
    assert list(found.mae) == names and found == other
    volume = whole.parts["validation"].values[:, :, 0]
    by_hand = [np.abs(volume[5 + h : 94 + h] - volume[5:94]).mean(axis=0) for h in (1, 2)]
    np.testing.assert_allclose(found.mae["persistence"], by_hand, rtol=1e-5)


@fitted_ones
def test_a_forecast_uses_nothing_that_comes_after_its_origin(detectors, name):
    whole = prepared(detectors)
    it = run.FITTED[name](whole, WINDOW)
    test = whole.parts["test"]
    made = [it.forecast(each, WINDOW) for each in (test, changed(test, slice(46, None)))]
    W = 46 - WINDOW.sequence_length + 1  # windows whose origin lies before step 46
    np.testing.assert_array_equal(made[0][:W], made[1][:W])
    assert not np.array_equal(made[0][W], made[1][W])


@fitted_ones
def test_holes_leave_no_hole_in_a_forecast(detectors, name):
    """One VD has a day of training alone, and nothing in the other parts."""
    values = detectors.values.copy()
    values[24:, 2] = np.nan
    whole = prepared(replace(detectors, values=values))
    made = run.fitted(name, whole, WINDOW)["test"]
    assert np.isfinite(made).all()
    seen = np.nanmean(values[:24, 2], axis=0)
    assert np.abs(made[:, :, 2].mean((0, 1)) - seen).max() < 30, "near what that day was, not near 0"


@fitted_ones
def test_it_beats_the_mean_of_the_hour_where_the_last_days_level_stays(detectors, name):
    level = np.repeat(np.random.default_rng(0).normal(0, 30, 20), 24)[:, None, None]
    whole = prepared(replace(detectors, values=(detectors.values + level).astype(np.float32)))
    test = whole.parts["test"]
    made = run.fitted(name, whole, WINDOW)["test"]
    ahead = np.arange(5, 94)[:, None] + [1, 2]
    profile = naive.hour_of_week_mean(whole.parts["train"], whole.targets)
    hours = naive.calendar.hour_of_week(test.timestamps, test.time_zone)
    error, of_mean = (np.nanmean(np.abs(each - test.values[ahead])) for each in (made, profile[hours[ahead]]))
    assert error < 0.8 * of_mean


def test_trees_without_their_package_are_one_sentence(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "lightgbm", None)
    with pytest.raises(InputError, match=r"pip install 'vdcast\[trees\]'"):
        trees.imported()


def test_trees_come_out_the_same_again(detectors):
    whole = prepared(detectors)
    made = [run.fitted("trees", whole, WINDOW)["test"] for _ in range(2)]
    np.testing.assert_array_equal(*made)
