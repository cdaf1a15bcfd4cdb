from dataclasses import replace

import numpy as np
import torch

from tests.live.made import known_ahead
from tests.train.small import task_of
from vdcast.prepare.split import prepare
from vdcast.train.data import headline_scale, uninformed


def test_the_scale_of_the_headline_target_by_hand(detectors, prepare_settings):
    """The deviation of speed, the second feature, and 0 for volume; side by side where the detectors are one group."""
    scales = {}
    for mode in ("multi_vd", "independent_multi_vd"):
        task = replace(task_of(detectors, prepare_settings, mode, (0, 1)), targets=("speed", "volume"))
        a, b = task.std[:, 1].astype("f4").tolist()
        scales[mode] = headline_scale(task)
        assert scales[mode].dtype == torch.float32
    assert scales["multi_vd"].tolist() == [[a, 0, b, 0]]
    assert scales["independent_multi_vd"].tolist() == [[a, 0], [b, 0]]


def test_who_takes_no_covariates_sees_what_prepare_leaves_without_a_calendar(detectors, prepare_settings):
    (plain,), _ = prepare(detectors, prepare_settings)
    (known,), _ = prepare(replace(detectors, covariates=known_ahead(detectors)), prepare_settings)
    assert known.profile.shape != plain.profile.shape, "a holiday is a day of its own"
    without = uninformed(known)
    for name in ("profile", "own_day_out", "mean", "std"):
        np.testing.assert_array_equal(getattr(without, name), getattr(plain, name))
    assert not any(part.covariates for part in without.parts.values())
