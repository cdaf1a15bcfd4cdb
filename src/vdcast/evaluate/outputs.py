"""A run's headline figures on the test part: test.json."""

from collections.abc import Mapping, Sequence

import numpy as np

from vdcast.forecasts.predictions import Predictions
from vdcast.scores.cuts import by_horizon, overall, score_table, score_tables

HEADLINE = ("mae", "skill")


def headline(
    predictions: Predictions,
    baselines: Mapping[str, Predictions],
    *,
    target_vd: str,
    mape_floor: float,
    horizons: Sequence[int],
) -> dict[str, float]:
    """One flat set of figures, few enough to be read beside those of another experiment: the target VD, then all VDs of the run.

    Keys are ``<target>_<metric>`` for the target VD, with ``_all_vds`` for every VD together, and of the
    first target ``<target>_mae_<minutes>min`` for each of ``horizons`` (steps) of the target VD.
    """
    figures: dict[str, float] = {}
    scopes = {"": [target_vd]} | ({"_all_vds": predictions.vd_ids} if len(predictions.vd_ids) > 1 else {})
    for k, target in enumerate(predictions.targets):
        for suffix, vds in scopes.items():
            everyone = {name: each.of(vds) for name, each in {"": predictions, **baselines}.items()}
            row = score_tables(everyone, overall(), mape_floor, k)[""].iloc[0]
            figures |= {f"{target}_{metric}{suffix}": row[metric] for metric in HEADLINE}
    one, first = predictions.of([target_vd]), predictions.targets[0]
    rows = score_table(one, by_horizon(one), mape_floor)
    figures |= {f"{first}_mae_{rows.horizon[h - 1]:g}min": rows.mae[h - 1] for h in horizons}
    return {key: round(float(value), 6) for key, value in figures.items() if np.isfinite(value)}
