"""``linear``: the profile, plus an autoregression of how far the last observations were from it.

A regression per detector and horizon, V x H in all, by least absolute deviations: ``HuberRegressor`` at its smallest
epsilon, whose forecasts are as good as those of quantile regression, in a fraction of the time. The number of lags and
the penalty are chosen on the validation part, from a few detectors and horizons. What it costs is bounded: by
``WINDOWS`` for one regression and by ``FITS`` for how many there are.
"""

import itertools
import warnings
from dataclasses import dataclass

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import HuberRegressor, Ridge
from threadpoolctl import threadpool_limits
from tqdm import tqdm

from vdcast.baselines.residuals import ahead, at_slots, carried, evenly
from vdcast.data.detectors import Detectors, Prepared
from vdcast.forecasts.predictions import origin_steps
from vdcast.params.sections import Window

LAGS = (3, 6, 12, 24)  # as far as the lookback has them
PENALTIES = (1e-4, 1e-2)  # per observation, of scaled residuals
CHOSEN_ON = 6  # detectors, at even distances, and the first and last horizon
WINDOWS = 10_000  # of the training part that a regression sees at most, at even distances
FITS = 4_000  # regressions by least absolute deviations at most: beyond, all are by least squares
FEWEST = 10  # observations for each lag; with fewer a detector's forecast is its profile


@dataclass(frozen=True)
class Series:
    """One target of one part, beside its profile."""

    residual: np.ndarray  # (T, V) NaN where there is no valid observation
    known: np.ndarray  # (T, V) the same without gaps
    origins: np.ndarray  # (W,)

    def lags(self, v: int, number: int) -> np.ndarray:
        """(W, lags) the residuals of detector ``v`` up to each origin, newest first."""
        return self.known[self.origins[:, None] - np.arange(number), v]


@dataclass(frozen=True, kw_only=True)
class Linear:
    """Fitted to one target."""

    profile: np.ndarray  # (7Z, V)
    weights: np.ndarray  # (H, V, lags) of the last residuals, newest first
    constant: np.ndarray  # (H, V) in the target's unit
    penalty: float

    @property
    def chosen(self) -> str:
        return f"{self.weights.shape[2]} lags, penalty {self.penalty:g}"

    def forecast(self, part: Detectors, window: Window) -> np.ndarray:
        """(W, H, V)."""
        H, V, number = self.weights.shape
        usual = at_slots(self.profile, part)
        series = _series(part, usual, window)
        made = usual[ahead(series.origins, H)] + self.constant
        for v in range(V):
            made[..., v] += series.lags(v, number) @ self.weights[:, v].T
        return made


def fit(prepared: Prepared, window: Window) -> Linear:
    """The regressions on the training part, lags and penalty by the MAE on the validation part; the target is the first feature."""
    train, validation = prepared.parts["train"], prepared.parts["validation"]
    assert prepared.own_day_out is not None  # it came with the training part
    table = prepared.profile[..., 0].astype(np.float64)
    # of its own day a training window must not know the answer
    seen = _series(train, prepared.own_day_out[..., 0], window, WINDOWS)
    unseen = _series(validation, at_slots(table, validation), window, WINDOWS)
    scale = prepared.std[:, 0]
    H, V = window.prediction_length, len(train.vd_ids)
    least_squares = H * V > FITS
    with (
        threadpool_limits(1),
        warnings.catch_warnings(),
    ):  # products this small only wait for each other's threads
        warnings.simplefilter("ignore", ConvergenceWarning)  # its last coefficients are good enough
        number, penalty = _choice(seen, unseen, scale, window, least_squares)
        weights, constant = np.zeros((H, V, number)), np.zeros((H, V))
        for v in tqdm(range(V), desc="linear", unit="VD", disable=None, leave=False):
            lags = seen.lags(v, number) / scale[v]
            for h in range(H):
                after = seen.residual[seen.origins + h + 1, v] / scale[v]
                weights[h, v], constant[h, v] = regression(lags, after, penalty, least_squares)
    return Linear(profile=table, weights=weights, constant=constant * scale, penalty=penalty)


def regression(
    lags: np.ndarray, after: np.ndarray, penalty: float, least_squares: bool
) -> tuple[np.ndarray, float]:
    """Weights (lags,) and constant of ``after`` (W,) on ``lags`` (W, lags), zeros where there is too little to learn from."""
    seen = np.isfinite(after)
    number = lags.shape[1]
    if seen.sum() < FEWEST * number:
        return np.zeros(number), 0.0
    x, y = lags[seen], after[seen]
    alpha = penalty * len(y)
    try:
        model = Ridge(alpha) if least_squares else HuberRegressor(epsilon=1.0, alpha=alpha, max_iter=300)
        model.fit(x, y)
    except ValueError:  # residuals without any noise have no scale for it
        model = Ridge(alpha).fit(x, y)
    return model.coef_, float(model.intercept_)


def _choice(
    seen: Series, unseen: Series, scale: np.ndarray, window: Window, least_squares: bool
) -> tuple[int, float]:
    """The number of lags and the penalty with the lowest MAE on the validation part, in scaled units."""
    H, V = window.prediction_length, len(scale)
    vds = evenly(np.arange(V), CHOSEN_ON)
    horizons = sorted({1, H})

    def mae(number: int, penalty: float) -> float:
        error = []
        for v, h in itertools.product(vds, horizons):
            after = seen.residual[seen.origins + h, v] / scale[v]
            weights, constant = regression(seen.lags(v, number) / scale[v], after, penalty, least_squares)
            made = unseen.lags(v, number) @ weights / scale[v] + constant
            error.append(np.abs(made - unseen.residual[unseen.origins + h, v] / scale[v]))
        joined = np.concatenate(error)
        return float(np.nanmean(joined)) if np.isfinite(joined).any() else np.inf

    lags = sorted({min(number, window.sequence_length) for number in LAGS})
    return min(itertools.product(lags, PENALTIES), key=lambda each: mae(*each))


def _series(part: Detectors, usual: np.ndarray, window: Window, most: int | None = None) -> Series:
    residual = part.values[..., 0].astype(np.float64) - usual
    origins = origin_steps(len(residual), window.sequence_length, window.prediction_length)
    return Series(residual, carried(residual), evenly(origins, most or max(1, len(origins))))
