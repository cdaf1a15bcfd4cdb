"""How far a series is from what is usual: what ``damped``, ``linear`` and ``trees`` carry into the future."""

import numpy as np

from vdcast.data import profile
from vdcast.data.detectors import Detectors

FADES = 0.9  # what is left of a residual for each step that nobody observed


def carried(residual: np.ndarray) -> np.ndarray:
    """(T, ...) without gaps: where a step has none, the one before it, faded; 0 before the first."""
    filled = np.nan_to_num(residual)
    missing = np.isnan(residual)
    for t in range(1, len(filled)):
        np.copyto(filled[t], FADES * filled[t - 1], where=missing[t])
    return filled


def at_slots(table: np.ndarray, part: Detectors) -> np.ndarray:
    """(T, ...) of a ``table`` (7Z, ...), or 8Z, by slot of the week, for each step of ``part``."""
    return table[profile.slots_of(part)]


def ahead(origins: np.ndarray, horizon: int) -> np.ndarray:
    """(W, H) the steps that follow each of ``origins`` (W,)."""
    return origins[:, None] + np.arange(1, horizon + 1)


def evenly(origins: np.ndarray, most: int) -> np.ndarray:
    """``origins``, or as many of them as are allowed at even distances."""
    return origins[:: max(1, -(-len(origins) // most))]
