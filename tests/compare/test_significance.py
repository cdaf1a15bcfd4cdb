"""The interval and the tests against hand-computed cases, an independent package, and synthetic pairs."""

import numpy as np
import pytest
import xarray as xr
from scipy import signal, stats
from scores.stats.statistical_tests import diebold_mariano as reference

from vdcast.compare import significance
from vdcast.compare.significance import bootstrap, diebold_mariano, difference, numbered_days

DAY = 24  # windows of a simulated day
H = 4


def pair(rng, *, days=5, vds=1, seeds=3, effect=0.0, of_day=0.0, of_vd=0.0, of_seed=0.0, tied=0.0):
    """Absolute errors (S, W, H, V) of two models on overlapping windows: equal but for ``effect``.

    The errors of a VD are one AR(1) series (0.8 from step to step), as a model is off for hours, and
    a window's H errors are the next H of the series: neighbours share H - 1 observations. ``of_day``,
    ``of_vd`` and ``of_seed`` are how far one day, VD or training is good for one model, by chance; ``tied``
    is the correlation of that from one day to the next, an AR(1) series of days.
    """
    T = days * DAY + H

    def model(extra):
        noise = rng.normal(size=(seeds, T, vds))
        noise[:, 0] /= 0.6  # the first one has the variance of all
        series = signal.lfilter([0.6], [1, -0.8], noise, axis=1)
        level = 3 + extra + rng.normal(0, of_vd, vds) + rng.normal(0, of_seed, (seeds, 1, 1))
        good = rng.normal(0, of_day, days + 1)
        for day in range(1, days + 1):
            good[day] = tied * good[day - 1] + np.sqrt(1 - tied**2) * good[day]
        level = level + good.repeat(DAY)[:T, None]
        return (level + np.abs(series))[:, np.arange(days * DAY)[:, None] + np.arange(H)]

    date = (np.arange(days * DAY)[:, None] + np.arange(H)) // DAY
    return model(effect), model(0.0), date


def rejections(trials, seed=0, **kwargs) -> int:
    """How many intervals exclude 0; the bootstrap, of which p knows nothing, is left out for speed."""
    rng = np.random.default_rng(seed)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(significance, "bootstrap", lambda _: (0.0, 0.0))
        return sum(difference(*pair(rng, **kwargs)).p < 0.05 for _ in range(trials))


def test_the_difference_is_the_pooled_one_and_knows_its_days():
    a, b = np.array([[1.0, 3.0], [5.0, np.nan]]), np.array([[0.0, 1.0], [1.0, 9.0]])
    found = difference(a[None, ..., None], b[None, ..., None], np.array([[0, 0], [1, 1]]))
    assert found.mae == pytest.approx((1 + 2 + 4) / 3)
    assert (found.days, found.vds) == (2, 1)
    # daily residuals 3 - 2 * 7/3 and 4 - 7/3, i.e. -5/3 and 5/3; t of 97.5 % with one degree of freedom is 12.7062
    half = 12.7062 * np.sqrt(2 * 2 * (5 / 3) ** 2) / 3
    assert found.high - found.mae == pytest.approx(half, rel=1e-5)
    assert found.mae - found.low == pytest.approx(half, rel=1e-5)
    assert found.p > 0.05


@pytest.mark.parametrize(
    ("observations", "days"),
    [
        # observations of each day, and the number that each day gets
        ((2, 6, 6, 6, 2), (0, 0, 1, 2, 2)),  # a stub at either end counts to its neighbour
        ((3, 6, 6, 6, 3), (0, 1, 2, 3, 4)),  # half of the median is a day
        ((6, 2, 6, 6), (0, 1, 2, 3)),  # gaps within are days with few observations
        ((6, 1), (0, 0)),  # the median is 3.5
        ((6,), (0,)),
    ],
)
def test_a_stub_of_a_day_at_either_end_is_no_day_of_its_own(observations, days):
    label = np.repeat(np.arange(10, 10 + len(observations)), observations)
    assert numbered_days(label).tolist() == np.repeat(days, observations).tolist()


def test_a_difference_counts_the_observations_of_a_stub_but_not_its_day():
    d = np.repeat([1.0, 3.0, 5.0], [6, 6, 2])[None, :, None, None]
    found = difference(d, np.zeros_like(d), np.repeat([0, 1, 2], [6, 6, 2])[:, None])
    assert (found.mae, found.days) == (pytest.approx((6 + 18 + 10) / 14), 2)


def test_one_vd_and_one_seed_is_the_paired_t_test_on_days():
    rng = np.random.default_rng(0)
    a, b = rng.gamma(2, size=(2, 5, 6))  # 5 days of 6 windows
    found = difference(a.reshape(1, 30, 1, 1), b.reshape(1, 30, 1, 1), np.arange(5).repeat(6)[:, None])
    assert found.p == pytest.approx(stats.ttest_rel(a.mean(axis=1), b.mean(axis=1)).pvalue)


def test_the_variance_over_seeds_is_welchs():
    """Days and VDs without any difference of their own: what is left is two samples of trainings."""
    a, b = np.array([1.0, 2.0, 4.0]), np.array([3.0, 3.5, 5.0])
    spread = [each[:, None, None, None] * np.ones((3, 30, 2, 1)) for each in (a, b)]
    found = difference(*spread, np.arange(5).repeat(6)[:, None].repeat(2, 1))
    welch = stats.ttest_ind(a, b, equal_var=False)
    assert found.p == pytest.approx(welch.pvalue)
    interval = welch.confidence_interval()
    assert (found.low, found.high) == pytest.approx((interval.low, interval.high))


def test_days_and_vds_change_places():
    """A variance that is the same over VDs as over days: the statistic knows no preferred axis."""
    table = np.random.default_rng(0).normal(size=(5, 5))  # (days, VDs)
    zero = np.zeros((1, 5, 1, 5))
    date = np.arange(5)[:, None]
    assert difference(table[None, :, None], zero, date).p == pytest.approx(
        difference(table.T[None, :, None], zero, date).p
    )


def test_one_day_or_none_has_no_interval():
    one = difference(np.ones((1, 24, 1, 1)), np.zeros((1, 24, 1, 1)), np.zeros((24, 1)))
    assert (one.mae, one.days) == (1.0, 1) and np.isnan(
        [one.low, one.high, one.p, one.boot_low, one.boot_high]
    ).all()
    none = difference(np.full((1, 3, 1, 1), np.nan), np.ones((1, 3, 1, 1)), np.arange(3)[:, None])
    assert np.isnan(none.mae) and none.days == 0


def test_a_vd_without_observations_counts_for_nothing():
    rng = np.random.default_rng(0)
    a, b, date = pair(rng, vds=3)
    silent = np.full((*a.shape[:3], 1), np.nan)
    assert difference(np.concatenate([a, silent], -1), np.concatenate([b, silent], -1), date) == difference(
        a, b, date
    )


def test_the_same_forecast_twice_differs_by_nothing():
    a, _, date = pair(np.random.default_rng(0), seeds=1)
    found = difference(a, a, date)
    assert (found.mae, found.low, found.high, found.p, found.p_dm) == (0, 0, 0, 1, 1)
    assert (found.boot_low, found.boot_high) == (0, 0)


def test_the_bootstrap_of_days_is_that_of_scipy():
    """One VD, as many observations every day: the mean of resampled daily means."""
    days = np.random.default_rng(0).normal(size=12)
    low, high = bootstrap(np.stack([days * 6, np.full(12, 6.0)])[..., None])
    of_scipy = stats.bootstrap(
        (days,), np.mean, n_resamples=20_000, method="percentile", rng=np.random.default_rng(1)
    ).confidence_interval
    spread = days.std() / np.sqrt(12)
    assert (low, high) == pytest.approx((of_scipy.low, of_scipy.high), abs=0.15 * spread)


def test_the_bootstrap_of_days_and_vds_against_a_loop():
    """An obvious one: draw days, draw VDs, pool what was drawn."""
    rng = np.random.default_rng(0)
    count = rng.integers(1, 20, size=(6, 4))
    table = np.stack([rng.normal(1, 0.5, size=(6, 4)) * count, count])
    ratios = []
    for _ in range(4000):
        drawn = table[:, rng.integers(6, size=6)][:, :, rng.integers(4, size=4)]
        ratios.append(drawn[0].sum() / drawn[1].sum())
    assert bootstrap(table) == pytest.approx(np.percentile(ratios, [2.5, 97.5]), abs=0.15 * np.std(ratios))


def test_a_vd_without_observations_is_not_resampled():
    table = np.random.default_rng(0).uniform(1, 2, size=(2, 5, 3))
    assert bootstrap(np.concatenate([table, np.zeros((2, 5, 1))], axis=2)) == bootstrap(table)


@pytest.mark.parametrize("h", [1, 2, 5])
def test_diebold_mariano_against_the_package_scores(h):
    rng = np.random.default_rng(h)
    series = np.convolve(rng.normal(0.2, 1, 120), np.ones(h), "valid")
    array = xr.DataArray(series[None], dims=("model", "time"), coords={"h": ("model", [h])})
    expected = reference(array, "model", "h", method="HLN", statistic_distribution="t")
    above = expected["confidence_gt_0"].item()
    assert diebold_mariano(series, h) == pytest.approx(2 * min(above, 1 - above), rel=1e-9)


def test_diebold_mariano_of_too_short_a_series_is_undefined():
    assert np.isnan(diebold_mariano(np.arange(4.0), 4))
    assert np.isnan(diebold_mariano(np.array([1.0, -1.0] * 10), 2))  # its variance estimate is negative


def test_diebold_mariano_of_a_constant_series_leaves_no_doubt():
    assert diebold_mariano(np.full(9, -0.1), 2) == 0.0
    assert diebold_mariano(np.zeros(9), 2) == 1.0


@pytest.mark.parametrize(
    "case",
    [
        {"of_day": 0.2},
        {"of_day": 0.2, "vds": 4, "of_vd": 0.3},
        {"of_seed": 0.2},
    ],
    ids=str,
)
def test_equal_models_are_told_apart_at_about_the_nominal_rate(case):
    # 5 % of 300 is 15; the binomial puts 99.9 % at 4 to 28
    assert 4 <= rejections(300, **case) <= 28


def test_a_known_difference_is_found():
    assert rejections(40, days=10, vds=4, of_day=0.1, of_vd=0.1, effect=0.5) >= 36
    assert rejections(40, days=10, vds=4, of_day=0.1, of_vd=0.1, effect=-0.5) >= 36


@pytest.mark.slow
@pytest.mark.parametrize("days", [5, 10, 30])
@pytest.mark.parametrize(
    ("case", "lowest"),
    [
        ({"of_day": 0.0}, 0.025),
        ({"of_day": 0.2}, 0.03),
        ({"of_day": 0.2, "vds": 10}, 0.04),
        ({"vds": 10, "of_vd": 0.3}, 0.035),
        ({"vds": 10, "of_vd": 0.2, "of_day": 0.2, "of_seed": 0.2}, 0.035),
        ({"of_seed": 0.2}, 0.04),
    ],
    ids=str,
)
def test_false_positives_keep_to_their_nominal_rate(case, lowest, days):
    """2000 equal pairs each gave 3.0 to 6.6 %: no more, and not so few that a difference could hardly be shown."""
    found = rejections(2000, days=days, **case) / 2000
    assert lowest <= found <= 0.07


@pytest.mark.slow
@pytest.mark.parametrize("days", [5, 7, 9])
@pytest.mark.parametrize(("vds", "lowest", "highest"), [(1, 0.06, 0.10), (10, 0.10, 0.15)])
def test_days_that_hang_together_are_what_the_interval_does_not_know(days, vds, lowest, highest):
    """Each day resembles the one before (0.3): 2000 equal pairs each gave 7 to 9 % on one VD, 12 to 14 % on ten.

    ``judge.RULE`` tells this to every reader.
    """
    found = rejections(2000, days=days, vds=vds, of_day=0.2, tied=0.3) / 2000
    assert lowest <= found <= highest


@pytest.mark.slow
@pytest.mark.parametrize(
    ("days", "vds", "effect", "at_least"), [(5, 1, 0.5, 0.5), (5, 10, 0.5, 0.8), (30, 10, 0.3, 0.95)]
)
def test_power(days, vds, effect, at_least):
    found = rejections(400, days=days, vds=vds, of_day=0.1, of_vd=0.1, of_seed=0.05, effect=effect)
    assert found / 400 >= at_least
