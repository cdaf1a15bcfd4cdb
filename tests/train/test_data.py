from dataclasses import replace

import torch

from tests.train.small import task_of
from vdcast.train.data import headline_scale


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
