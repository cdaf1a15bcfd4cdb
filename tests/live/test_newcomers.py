from dataclasses import replace

import numpy as np
import pytest
import torch

from tests.train.small import train
from vdcast.data import calendar, profile
from vdcast.errors import InputError
from vdcast.live.newcomers import elsewhere, joined_by, own_margins
from vdcast.models.shared.calibration import calibrated
from vdcast.prepare.split import prepare

torch.set_num_threads(1)


def test_a_network_of_all_detectors_forecasts_one_that_it_was_not_trained_on(
    detectors, prepare_settings, small_lstm
):
    """Scale and profile of its own, the mean of the embeddings; those it was trained on keep theirs."""
    trained, test = train(detectors, prepare_settings, small_lstm, "global_multi_vd")
    training = prepare(detectors, prepare_settings)[0][0].parts["train"]
    same = elsewhere(trained, training)
    np.testing.assert_allclose(same.forecast_all(test), trained.forecast_all(test), rtol=1e-5)

    new = replace(training, values=2 * training.values[:, ::-1] + 5, vd_ids=("new", "VD-B", "other"))
    moved = elsewhere(trained, new)
    table = trained.weights["embedding.weight"]
    expected = [table.mean(dim=1), table[:, 1], table.mean(dim=1)]
    assert torch.equal(moved.weights["embedding.weight"], torch.stack(expected, dim=1))
    np.testing.assert_allclose(moved.task.mean, 2 * trained.task.mean[::-1] + 5, rtol=1e-6)
    later = replace(test, values=2 * test.values[:, ::-1] + 5, vd_ids=new.vd_ids)
    with (
        torch.no_grad()
    ):  # whoever it is, when embeddings are alike, a detector twice as busy is forecast as twice as much
        table.fill_(1.0)
    plain, twice = trained.forecast_all(test), elsewhere(trained, new).forecast_all(later)
    np.testing.assert_allclose(twice, 2 * plain[..., ::-1, :] + 5, rtol=1e-4)


def test_intervals_of_a_new_detector_hold_what_they_promise_of_its_own_days(
    detectors, prepare_settings, small_lstm
):
    """Of n windows ceil(0.8 (n + 1)) lie in the interval, each forecast with a profile of which no value of its day is part."""
    trained, test = train(
        detectors, prepare_settings, small_lstm, "global_multi_vd", quantiles=(0.1, 0.5, 0.9)
    )
    trained = calibrated(trained, test)
    history = replace(test.select(["VD-A"], test.features), vd_ids=("new",))
    joined = joined_by(trained, history)
    assert torch.equal(joined.margins[:, :, :3], trained.margins)
    alone = elsewhere(trained, history)
    assert torch.isfinite(joined.margins).all()

    date = calendar.dates(history.timestamps, history.time_zone)
    inside, n = 0, 0
    for day in np.unique(date)[
        1:-1
    ]:  # windows in which each step has the profile of the days without its own
        others = replace(history, values=np.where((date == day)[:, None, None], np.nan, history.values))
        task = replace(alone.task, profile=profile.of_part(others))
        with_margins = replace(alone, task=task, margins=joined.margins[:, :, 3:])
        of_day = history.rows(*(np.flatnonzero(date == day)[[0, -1]] + [0, 1]))
        said = with_margins.quantiles(of_day).calibrated
        observed = np.stack([of_day.values[w + 6 : w + 9, :, :1] for w in range(said.shape[1])])
        held = (said[0, ..., 0] <= observed) & (observed <= said[0, ..., 2])
        inside, n = inside + held.sum(), n + np.isfinite(observed).sum()
    assert abs(inside / n - 0.8) < 0.05  # windows over midnight are not counted here


def test_who_was_seen_too_little_gets_no_interval(detectors, prepare_settings, small_lstm):
    """24 hours are 16 windows of 3 hours ahead: 48 scores at most, where 100 are asked for."""
    trained, test = train(
        detectors, prepare_settings, small_lstm, "global_multi_vd", quantiles=(0.1, 0.5, 0.9)
    )
    trained = calibrated(trained, test)
    for hours in (8, 24):  # 8 are no window
        history = replace(test.rows(0, hours).select(["VD-A"], test.features), vd_ids=("new",))
        margins = own_margins(elsewhere(trained, history), history)
        assert torch.isnan(margins[..., [0, 2]]).all()
        assert (margins[..., 1] == 0).all()


def test_who_forecasts_no_other_detector_says_so(detectors, prepare_settings, small_lstm):
    for mode in ("multi_vd", "independent_multi_vd", "social"):
        trained, test = train(detectors, prepare_settings, small_lstm, mode)
        with pytest.raises(
            InputError, match=f"of mode {mode} forecasts the detectors that it was trained on"
        ):
            elsewhere(trained, test)
    trained, test = train(detectors, prepare_settings, small_lstm, "global_multi_vd")
    with pytest.raises(InputError, match="was trained on 'speed', which a fixture lacks; it has: volume"):
        elsewhere(trained, test.select(test.vd_ids, ["volume"]))
