"""The usual figures against independent packages."""

import numpy as np
import pytest
import xarray as xr
from scipy import stats
from scores.stats.statistical_tests import diebold_mariano as reference

from vdcast.differences.significance import bootstrap, diebold_mariano


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
