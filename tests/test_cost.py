import numpy as np
import torch

from vdcast.cost import parameters_per_copy, peak_memory_mb


def test_parameters_of_one_copy_by_hand():
    assert parameters_per_copy({"weight": torch.zeros(7, 3, 4), "bias": torch.zeros(7, 3)}) == 15


def test_peak_memory_grows_by_what_is_held():
    before = peak_memory_mb("cpu")
    held = np.ones(int((before + 200) * 1e6 / 8))  # more than the peak so far
    assert peak_memory_mb("cpu") >= before + 150
    assert held[-1] == 1
