from dataclasses import replace

import numpy as np
import pytest
import torch

from tests.train.small import train
from vdcast.errors import InputError
from vdcast.live.newcomers import elsewhere
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
