"""How far the errors of two models differ, and how much of that days, VDs and trainings can account for.

Pure arrays. Everything takes leading axes (...), so that a simulation measures thousands of pairs at once.
"""

from dataclasses import dataclass

import numpy as np

from vdcast.scores.answers import autoregressive

# How far a day resembles the one before, until days have shown it, and for how many days that counts. Chosen by
# simulation, so that days as alike as 0.6 make no more false differences: docs/results.md, "How often the rule errs".
USUAL_CORRELATION = 0.7
WORTH_DAYS = 30
HIGHEST_CORRELATION = 0.95


@dataclass(frozen=True, kw_only=True)
class Components:
    """A relative difference of two models' errors, and its variance by what would be another one next time.

    ``relative`` (..., V) is 2 (a - b) / (a + b) of each VD's mean absolute errors a and b: per unit of the VD's own
    error, and of the other sign where the models change places. ``variance`` (..., 4) is of its mean over VDs, with
    ``df`` (..., 4) degrees of freedom: over other days, other VDs, other trainings of the first and of the second model;
    0 where there is one of them alone. ``correlation`` (...) is that of neighbouring days which the first allows for.
    """

    relative: np.ndarray
    variance: np.ndarray
    df: np.ndarray
    correlation: np.ndarray


def components(a: np.ndarray, b: np.ndarray, count: np.ndarray, shared: tuple[bool, bool]) -> Components:
    """Of ``a`` (..., S, Y, V) and ``b`` (..., S', Y, V), sums of absolute errors by training, day and VD.

    ``count`` (..., Y, V) is how many observations each sum is of; every VD has some. ``shared``, of ``a`` and of ``b``: the
    weights of a training serve all VDs; else each VD has weights, and luck with them, of its own.

    Days, VDs and trainings are crossed: the mean varies with each, and with each pair of them. What a day does to
    single VDs or trainings is in the variance over days, so it is taken out of the others, as is what a training does
    to single VDs out of that over VDs (inclusion and exclusion: Cameron, Gelbach & Miller 2011); none is below 0. The
    relative difference is linearised (Cochran 1977, section 6.3).
    """
    of_vd, V = count.sum(axis=-2), count.shape[-1]
    mae_a, mae_b = (each.mean(axis=-3).sum(axis=-2) / of_vd for each in (a, b))  # (..., V)
    relative, own = relative_difference(mae_a, mae_b)
    scale = of_vd * own * V
    # what each training, day and VD adds to the mean: the slope of ``relative`` along ``mae_a``, and along -``mae_b``
    of_a = a * ((1 - relative / 2) / scale)[..., None, None, :] / a.shape[-3]
    of_b = b * ((1 + relative / 2) / scale)[..., None, None, :] / b.shape[-3]
    cells = of_a.sum(axis=-3, keepdims=True) - of_b.sum(axis=-3, keepdims=True)  # (..., 1, Y, V)
    days, days_df, correlation = _over_days(cells.sum(axis=(-3, -1)))
    (seeds_a, df_a, apart_a), (seeds_b, df_b, apart_b) = (
        _over_trainings(x, serves_all or V == 1) for x, serves_all in zip((of_a, of_b), shared, strict=True)
    )
    vds = spread(relative[..., None, None, :] / V, -1) - spread(cells, -2, -1) - apart_a - apart_b
    variance = [days, vds, seeds_a, seeds_b]
    df = [days_df, np.full_like(vds, V - 1), df_a, df_b]
    return Components(
        relative=relative,
        variance=np.stack(variance, -1).clip(min=0),
        df=np.stack(df, -1),
        correlation=correlation,
    )


def relative_difference(a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """2 (a - b) / (a + b) of mean absolute errors (...), and the error (a + b) / 2 that it is a share of; of none, 1."""
    own = (a + b) / 2
    own = np.where(own > 0, own, 1)  # without any error there is no difference
    return (a - b) / own, own


def spread(x: np.ndarray, *axes: int) -> np.ndarray:
    """Variance of the sum over all of ``x`` (..., S, Y, V), if its sums along ``axes`` are independent effects.

    Of two or three axes it is the variance of what they do together, beyond each alone. 0 of a single unit.
    """
    others = tuple(axis for axis in (-3, -2, -1) if axis not in axes)
    x = x.sum(axis=others, keepdims=True)
    units = [x.shape[axis] for axis in axes]
    if min(units) < 2:
        return np.zeros(x.shape[:-3])
    for axis in axes:
        x = x - x.mean(axis=axis, keepdims=True)
    return np.prod([n / (n - 1) for n in units]) * (x**2).sum(axis=(-3, -2, -1))


def _over_trainings(x: np.ndarray, shared: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Variance over a model's trainings, its degrees of freedom, and what of it tells VDs apart.

    ``x`` (..., S, Y, V) is what they add. Weights of each VD's own are V times S trainings, of which every S make a
    variance (Satterthwaite 1946).
    """
    S = x.shape[-3]
    if shared:
        variance = spread(x, -3) - spread(x, -3, -2)
        return variance, np.full_like(variance, S - 1), spread(x, -3, -1) - spread(x, -3, -2, -1)
    alone = np.moveaxis(x[..., None], -2, -4)  # (..., V, S, Y, 1)
    each = spread(alone, -3)  # (..., V)
    variance, squares = (each - spread(alone, -3, -2)).sum(axis=-1), (each**2).sum(axis=-1)
    df = np.divide(each.sum(axis=-1) ** 2, squares, out=np.zeros_like(squares), where=squares > 0) * (S - 1)
    return variance, df, variance


def _over_days(x: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Variance over Y days that add ``x`` (..., Y), of sum 0; its degrees of freedom; the correlation allowed for.

    That is measured, less the bias of a series of Y days around its own mean (Kendall 1954: -(1 + 4 r) / Y), and drawn
    towards ``USUAL_CORRELATION`` as far as days are few.
    """
    Y = x.shape[-1]
    squares = (x**2).sum(axis=-1)
    if Y < 2:
        return (np.zeros_like(squares),) * 3
    neighbours = (x[..., 1:] * x[..., :-1]).sum(axis=-1)
    measured = np.divide(neighbours, squares, out=np.zeros_like(squares), where=squares > 0)
    r = (Y * measured + 1 + WORTH_DAYS * USUAL_CORRELATION) / (Y - 4 + WORTH_DAYS)
    r = r.clip(0, HIGHEST_CORRELATION)
    of_mean, of_squares, df = autoregressive(r, Y)
    return Y**2 * squares / of_squares * of_mean, df, r
