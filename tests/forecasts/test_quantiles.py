"""Intervals, and margins by split-conformal quantile regression."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from vdcast.forecasts.quantiles import Quantiles, coverages, levels_of
from vdcast.models.shared.calibration import FEWEST, POOLS, conformal

LEVELS = (0.1, 0.5, 0.9)
NONE = len(POOLS)


def normal_intervals(rng, W: int, spread: float, noise=1.0, V: int = 1, H: int = 1):
    """Forecasts (1, W, H, V, 1, 3) of -spread, 0, spread around a mean, and observations around it too."""
    mean = rng.normal(0, 5, (W, H, V, 1))
    raw = mean[None, ..., None] + spread * np.array([-1.0, 0.0, 1.0])
    return raw.astype(np.float32), (mean + noise * rng.normal(0, 1, mean.shape)).astype(np.float32)


def test_nominal_coverages():
    assert coverages((0.05, 0.25, 0.5, 0.75, 0.95)) == [0.9, 0.5]
    assert coverages((0.5,)) == []


def test_a_margin_by_hand():
    """199 observations 1, 2, ..., 199 above an interval of width 0: the margin is the 160th, as 0.8 * 200 = 160."""
    observed = np.random.default_rng(0).permutation(np.arange(1.0, 200.0)).reshape(-1, 1, 1, 1)
    raw = np.zeros((1, 199, 1, 1, 1, 3))
    margins, pools = conformal(raw, observed, LEVELS, np.ones((1, 1)))
    assert margins.ravel().tolist() == [-160, 0, 160] and pools.ravel().tolist() == [0]
    # the interval is -500 to 500 now: every observation is 500 - y inside, so it may shrink
    margins, _ = conformal(raw + np.array([-500, 0, 500]), observed, LEVELS, np.ones((1, 1)))
    assert margins.ravel().tolist() == [340, 0, -340]


def test_missing_observations_do_not_count():
    observed = np.r_[np.arange(1.0, 200.0), np.full(300, np.nan)].reshape(-1, 1, 1, 1)
    margins, _ = conformal(np.zeros((1, 499, 1, 1, 1, 3)), observed, LEVELS, np.ones((1, 1)))
    assert margins.ravel().tolist() == [-160, 0, 160]


def test_where_a_detector_has_too_few_observations_its_horizons_and_then_all_detectors_are_pooled():
    """VD 0 has enough at each horizon; VD 1 only over both; VD 2 almost none, and errors twice its scale."""
    W = 2 * FEWEST
    observed = np.full((W, 2, 3, 1), np.nan)
    observed[:, 0, 0, 0], observed[:, 1, 0, 0] = 1.0, 2.0
    observed[: FEWEST - 1, 0, 1, 0], observed[: FEWEST - 1, 1, 1, 0] = 3.0, 5.0
    observed[:2, 0, 2, 0] = 7.0
    scale = np.array([[1.0], [1.0], [10.0]])
    margins, pools = conformal(np.zeros((1, W, 2, 3, 1, 3)), observed, LEVELS, scale)
    upper = margins[0, ..., 0, 2]
    assert pools[..., 0, 0].tolist() == [[0, 1, 2], [0, 1, 2]]
    assert upper[:, 0].tolist() == [1, 2]
    assert upper[:, 1].tolist() == [5, 5]
    # all scores in units of scale: 200 of 1, 200 of 2, 99 of 3, 99 of 5, 2 of 0.7; n = 600, rank 481 of them
    assert upper[:, 2].tolist() == [30, 30]


def test_too_few_observations_altogether_leave_the_forecast_as_it_is():
    W = FEWEST - 1
    margins, pools = conformal(np.zeros((1, W, 1, 1, 1, 3)), np.ones((W, 1, 1, 1)), LEVELS, np.ones((1, 1)))
    assert not margins.any() and pools.ravel().tolist() == [NONE]
    # 99 % of 150 observations would be rank 150 of 150; 99.9 % is beyond every rank
    raw, observed = np.zeros((1, 150, 1, 1, 1, 5)), np.arange(150.0).reshape(-1, 1, 1, 1)
    margins, pools = conformal(raw, observed, (0.0005, 0.005, 0.5, 0.995, 0.9995), np.ones((1, 1)))
    assert pools.ravel().tolist() == [NONE, 0]
    assert margins.ravel().tolist() == [0, -149, 0, 149, 0]


@pytest.mark.parametrize("spread", [0.3, 1.2816, 4.0], ids=["too narrow", "right", "too wide"])
def test_calibrated_intervals_cover_what_they_claim_on_heteroscedastic_data(spread):
    """Noise that differs threefold by window, detector and horizon; 60 fresh trials of each coverage.

    The coverage of a margin from n scores is Beta(r, n + 1 - r) distributed with r = ceil((n + 1) 0.8),
    and the count in m new observations is binomial given it; the mean over trials must lie in the 99.9 %
    interval of that.
    """
    rng, n, m, trials, V, H = np.random.default_rng(1), 400, 500, 60, 2, 2
    shares = []
    for _ in range(trials):
        level = np.array([1.0, 3.0])[None, None, :, None] * np.array([1.0, 2.0])[None, :, None, None]
        size = level * rng.choice([0.5, 1.5], (n + m, 1, 1, 1))
        raw, observed = normal_intervals(rng, n + m, spread, size, V, H)
        margins, pools = conformal(raw[:, :n], observed[:n], LEVELS, np.ones((V, 1)))
        assert (pools == 0).all()
        fan = Quantiles(levels=LEVELS, raw=raw[:, n:], margins=margins)
        levels = fan.calibrated[0]
        inside = (levels[..., 0] <= observed[n:]) & (observed[n:] <= levels[..., 2])
        shares.append(inside.mean(axis=0).ravel())
    shares = np.array(shares)  # (trials, V * H), independent
    rank = np.ceil((n + 1) * 0.8)
    beta = stats.beta(rank, n + 1 - rank)
    deviation = np.sqrt((beta.var() + 0.8 * 0.2 / m) / trials)
    assert (np.abs(shares.mean(axis=0) - beta.mean()) < 3.29 * deviation).all()


def test_each_seed_has_margins_of_its_own():
    rng = np.random.default_rng(2)
    narrow, observed = normal_intervals(rng, 500, 0.1)
    wide = np.concatenate([narrow[..., :1] - 5, narrow[..., 1:2], narrow[..., 2:] + 5], axis=-1)
    margins, _ = conformal(np.concatenate([narrow, wide]), observed, LEVELS, np.ones((1, 1)))
    assert margins[0, ..., 2] > 1 and margins[1, ..., 2] < -3
    alone, _ = conformal(wide, observed, LEVELS, np.ones((1, 1)))
    np.testing.assert_array_equal(margins[1:], alone)


@settings(deadline=None)
@given(st.lists(st.floats(-50, 50, width=32), min_size=5, max_size=5), st.integers(1, 3), st.data())
def test_calibration_never_lets_levels_cross_nor_moves_the_median(numbers, pairs, data):
    P = 2 * pairs + 1
    levels = tuple(np.round(np.linspace(0.05, 0.95, P), 3))
    raw = np.sort(np.array(numbers, np.float32)[:, None] + np.arange(P, dtype=np.float32), axis=-1)
    ends = data.draw(st.lists(st.floats(-40, 40, width=32), min_size=pairs, max_size=pairs))
    margins = np.array([*(-np.array(ends)), 0, *ends[::-1]], np.float32).reshape(1, 1, 1, 1, P)
    fan = Quantiles(levels=levels, raw=raw.reshape(1, 5, 1, 1, 1, P), margins=margins)
    calibrated = fan.calibrated
    assert (np.diff(calibrated) >= 0).all()
    np.testing.assert_array_equal(calibrated[..., pairs], fan.median)
    moved = fan.raw + margins[:, None]
    assert (calibrated[..., :pairs] <= moved[..., :pairs]).all(), "where levels met, intervals only widen"
    assert (calibrated[..., pairs + 1 :] >= moved[..., pairs + 1 :]).all()


@pytest.mark.parametrize(
    ("levels", "P", "sentence"),
    [
        ((0.1, 0.9), 2, "have no median in the middle"),
        ((0.1, 0.5, 0.9), 5, "3 levels for 5 quantiles"),
        ((0.9, 0.5, 0.1), 3, "are not ascending"),
    ],
)
def test_quantiles_that_contradict_themselves_are_refused(levels, P, sentence):
    with pytest.raises(ValueError, match=sentence):
        Quantiles(levels=levels, raw=np.zeros((1, 2, 1, 1, 1, P)), margins=np.zeros((1, 1, 1, 1, P)))
    with pytest.raises(ValueError, match="margins are"):
        Quantiles(levels=LEVELS, raw=np.zeros((1, 2, 1, 1, 1, 3)), margins=np.zeros((1, 2, 1, 1, 3)))


def test_without_quantiles_the_median_alone_is_forecast():
    assert levels_of([]) == (0.5,)
    assert levels_of([0.1, 0.5, 0.9]) == (0.1, 0.5, 0.9)
