"""Whom a model is held against: the simpler forecast that was best on the validation part, before any test part is seen."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from vdcast.records.validation import Validation


@dataclass(frozen=True, kw_only=True)
class Opponent:
    """The simpler forecast that a model meets at a place: over all horizons, or at one, so many minutes ahead."""

    simpler: str
    place: Literal["whole", "horizon"]
    label: float | str
    steps: slice  # of the H horizons


def opponents(validation: Validation, vd_ids: Sequence[str], minutes: Mapping[int, float]) -> list[Opponent]:
    """Over all horizons, then at those of ``minutes``, by step, nearest first: the order in which they are judged."""
    whole = slice(None)
    found = [Opponent(simpler=best(validation, vd_ids, whole), place="whole", label="", steps=whole)]
    for h, label in sorted(minutes.items()):
        at = slice(h, h + 1)
        found.append(Opponent(simpler=best(validation, vd_ids, at), place="horizon", label=label, steps=at))
    return found


def best(validation: Validation, vd_ids: Sequence[str], steps: slice) -> str:
    """Which baseline has the lowest error at those horizons and VDs; of equal ones the first.

    As everywhere, the mean over VDs of errors per unit of the VD's own, here of the mean over baselines.
    """
    names, v = list(validation.mae), [validation.vds.index(vd) for vd in vd_ids]
    mae = np.array([validation.mae[name] for name in names], float)[:, steps][..., v]  # (names, h, V)
    seen = np.isfinite(mae).all(axis=0)  # (h, V)
    own = mae.mean(axis=0)
    relative = np.divide(mae, own, out=np.ones_like(mae), where=seen & (own > 0))
    return names[int(relative.mean(axis=(1, 2)).argmin())]
