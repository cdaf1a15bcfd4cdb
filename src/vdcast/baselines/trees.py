"""``trees``: gradient-boosted regression trees over all detectors, a model per horizon. Needs the extra `vdcast[trees]`.

A tree sees, of the detector and every feature, the last residuals, the last value and what is usual then and at the time
of the forecast; the mean of the last residuals over all detectors; slot of the day, weekday and which detector it is. It
forecasts the residual. One thread: the same numbers on every machine.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from tqdm import tqdm

from vdcast.baselines.residuals import at_slots, carried, evenly
from vdcast.data import profile
from vdcast.data.detectors import Detectors, Prepared
from vdcast.errors import InputError
from vdcast.forecasts.predictions import origin_steps
from vdcast.params.sections import Window

LAGS = (0, 1, 2, 3, 4, 5, 6, 7, 11, 15, 19, 23)  # steps before the origin, as far as the lookback has them
ROWS = 1_000_000  # windows times detectors that a model learns from at most, at even distances in time
PATIENCE = 30  # rounds without a lower error on the validation part
ROUNDS = 400  # at most
SETTINGS = dict(
    objective="mae",
    learning_rate=0.05,
    num_leaves=31,
    min_data_in_leaf=100,
    bagging_fraction=0.8,
    bagging_freq=1,
    feature_fraction=0.7,
    num_threads=1,
    deterministic=True,
    force_row_wise=True,
    seed=0,
    verbosity=-1,
)


@dataclass(frozen=True, kw_only=True)
class Rows:
    """Of one part: what a tree sees of every window and detector."""

    seen: np.ndarray  # (W, V, columns) float32, the same for all horizons
    usual: np.ndarray  # (T, V, F)
    slot: np.ndarray  # (T,) of the week
    origins: np.ndarray  # (W,)
    slots_of_day: int

    def inputs(self, h: int) -> np.ndarray:
        """(W * V, columns) for ``h`` steps ahead; the last column is the detector."""
        W, V, _ = self.seen.shape
        at = self.origins + h
        when = np.stack(np.divmod(self.slot[at], self.slots_of_day), axis=-1)  # (W, 2)
        each = np.broadcast_to(when[:, None], (W, V, 2)), np.broadcast_to(np.arange(V)[:, None], (W, V, 1))
        return np.concatenate([self.seen, self.usual[at], *each], axis=2, dtype=np.float32).reshape(W * V, -1)


@dataclass(frozen=True)
class Trees:
    """Fitted to one target."""

    profile: np.ndarray  # (7Z, V, F)
    models: list[Any]  # (H,) lightgbm.Booster

    @property
    def chosen(self) -> str:
        return f"{', '.join(str(model.current_iteration()) for model in self.models)} rounds"

    def forecast(self, part: Detectors, window: Window) -> np.ndarray:
        """(W, H, V)."""
        rows = _rows(part, at_slots(self.profile, part), window)
        made = []
        for h, model in enumerate(self.models, 1):
            change = model.predict(rows.inputs(h)).reshape(len(rows.origins), -1)
            made.append(rows.usual[rows.origins + h, :, 0] + change)
        return np.stack(made, axis=1)


def fit(prepared: Prepared, window: Window) -> Trees:
    """On the training part, for as many rounds as lower the MAE on the validation part; the target is the first feature.

    Raises InputError where LightGBM is not installed.
    """
    lightgbm = imported()
    train, validation = prepared.parts["train"], prepared.parts["validation"]
    assert prepared.own_day_out is not None  # it came with the training part
    most = max(1, ROWS // len(train.vd_ids))
    learnt = _rows(train, prepared.own_day_out, window, most)  # a window must not know its own day
    judged = _rows(validation, at_slots(prepared.profile, validation), window, most)
    horizons = range(1, window.prediction_length + 1)
    models = []
    for h in tqdm(horizons, desc="trees", unit="horizon", disable=None, leave=False):
        x, y = _pairs(learnt, train, h)
        x_judged, y_judged = _pairs(judged, validation, h)
        data = lightgbm.Dataset(x, y, categorical_feature=[x.shape[1] - 1])
        stop = dict(
            valid_sets=[lightgbm.Dataset(x_judged, y_judged, reference=data)],
            callbacks=[lightgbm.early_stopping(PATIENCE, verbose=False)],
        )
        models.append(lightgbm.train(SETTINGS, data, ROUNDS, **(stop if len(y_judged) else {})))
    return Trees(prepared.profile, models)


def imported():
    """lightgbm. Raises InputError where it is not installed."""
    try:
        import lightgbm
    except ImportError:
        raise InputError(
            "evaluate.baselines names trees, which need LightGBM: pip install 'vdcast[trees]', or take trees out"
        ) from None
    return lightgbm


def _rows(part: Detectors, usual: np.ndarray, window: Window, most: int | None = None) -> Rows:
    L, H = window.sequence_length, window.prediction_length
    origins = origin_steps(len(part.values), L, H)
    origins = evenly(origins, most or max(1, len(origins)))
    residual = carried(part.values - usual)  # (T, V, F)
    lags = [residual[origins - lag] for lag in LAGS if lag < L]
    together = np.broadcast_to(lags[0].mean(axis=1, keepdims=True), lags[0].shape)
    seen = np.concatenate([*lags, part.values[origins], usual[origins], together], axis=2, dtype=np.float32)
    slot = profile.slots(part.timestamps, part.time_zone, part.interval)
    return Rows(
        seen=seen, usual=usual, slot=slot, origins=origins, slots_of_day=profile.slots_a_day(part.interval)
    )


def _pairs(rows: Rows, part: Detectors, h: int) -> tuple[np.ndarray, np.ndarray]:
    """Inputs (n, columns) and residual (n,) ``h`` steps ahead, where it was observed."""
    at = rows.origins + h
    after = (part.values - rows.usual)[at, :, 0].ravel()
    observed = np.isfinite(after)
    return rows.inputs(h)[observed], after[observed]
