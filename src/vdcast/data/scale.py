"""The scale in which networks see values: mean and deviation of the training part."""

import numpy as np


def of_values(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation (V, F) over the valid observations of ``values`` (T, V, F).

    A constant series gets a standard deviation of 1, so that scaling leaves it finite.
    """
    mean = np.asarray(np.nanmean(values, axis=0, dtype=np.float64))
    std = np.nanstd(values, axis=0, dtype=np.float64)
    return mean, np.where(std > 0, std, 1.0)
