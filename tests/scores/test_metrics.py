import numpy as np
import pytest

from vdcast.scores import metrics

NAN = np.nan


def arrays():
    """2 windows, 2 horizons, 2 VDs; one observation missing."""
    observed = np.array([[[10, 100], [20, NAN]], [[0, 300], [30, 200]]], float)
    forecast = np.array([[[12, 90], [20, 7]], [[1, 330], [24, 200]]], float)
    return forecast, observed


def test_overall_by_hand():
    forecast, observed = arrays()
    got = {name: value.item() for name, value in metrics.score(forecast, observed, mape_floor=20).items()}
    # errors: 2, -10, 0, 1, 30, -6, 0 over seven valid observations
    assert got["observations"] == 7
    assert got["mae"] == pytest.approx(49 / 7)
    assert got["rmse"] == pytest.approx(np.sqrt((4 + 100 + 0 + 1 + 900 + 36 + 0) / 7))
    assert got["bias"] == pytest.approx(17 / 7)
    assert got["wape"] == pytest.approx(49 / 660)
    # observations of at least 20: 100, 20, 300, 30, 200
    assert got["mape"] == pytest.approx((10 / 100 + 0 + 30 / 300 + 6 / 30 + 0) / 5)
    # each VD about its own mean: 10, 20, 0, 30 about 15; 100, 300, 200 about 200
    assert got["r2"] == pytest.approx(1 - 1041 / ((25 + 25 + 225 + 225) + 20000))


def test_by_horizon_is_the_same_reduction_by_another_label():
    forecast, observed = arrays()
    got = metrics.score(forecast, observed, np.arange(2)[:, None], 2)
    np.testing.assert_allclose(got["mae"], [(2 + 10 + 1 + 30) / 4, (0 + 6 + 0) / 3])
    for h in range(2):
        alone = metrics.score(forecast[:, h : h + 1], observed[:, h : h + 1])
        for name, value in got.items():
            assert value[h] == pytest.approx(alone[name])


def test_pooled_is_not_the_mean_of_means():
    forecast, observed = arrays()
    by_vd = metrics.score(forecast, observed, np.arange(2), 2)["mae"]
    pooled = metrics.score(forecast, observed)["mae"].item()
    assert by_vd.mean() != pytest.approx(pooled)
    assert pooled == pytest.approx((by_vd[0] * 4 + by_vd[1] * 3) / 7)


def test_what_is_not_observed_changes_nothing():
    forecast, observed = arrays()
    before = metrics.score(forecast, observed)
    forecast[0, 1, 1] = 1e9
    after = metrics.score(forecast, observed)
    assert all(before[name] == after[name] for name in before)
    forecast[0, 1, 1] = NAN  # even no forecast at all
    assert metrics.score(forecast, observed)["mae"] == before["mae"]


def test_a_negative_label_leaves_out_and_an_empty_one_is_nan():
    forecast, observed = arrays()
    got = metrics.score(forecast, observed, np.array([0, -1])[:, None, None], 2)
    assert got["mae"][0] == pytest.approx((2 + 10 + 0) / 3)
    assert got["observations"].tolist() == [3, 0]
    assert all(np.isnan(got[name][1]) for name in ("mae", "rmse", "wape", "mape", "r2", "bias"))


def test_r2_of_what_does_not_vary_is_undefined():
    observed = np.full((50, 2, 1), 0.1, np.float32)
    assert np.isnan(metrics.score(observed + 1, observed)["r2"]).all()


def test_a_missing_forecast_of_a_valid_observation_is_not_averaged_away():
    forecast, observed = arrays()
    forecast[0, 0, 0] = NAN
    by_vd = metrics.score(forecast, observed, np.arange(2), 2)
    for name in ("mae", "rmse", "wape", "mape", "r2", "bias"):
        assert np.isnan(by_vd[name][0]) and np.isfinite(by_vd[name][1]), name
    assert by_vd["observations"].tolist() == [4, 3]
    assert np.isnan(metrics.score(forecast, observed)["mae"])
    seeds = metrics.over_seeds(np.stack([forecast, observed]), observed)
    assert np.isnan([seeds["mae"], seeds["mae_sd"], seeds["mae_min"]]).all()
    quantiles, observed = quantile_arrays()
    quantiles = quantiles.copy()
    quantiles[1] = NAN
    assert all(
        np.isnan(each) for each in metrics.score_quantiles(quantiles, observed, (0.1, 0.5, 0.9)).values()
    )


def test_shapes_are_checked():
    forecast, observed = arrays()
    with pytest.raises(ValueError, match="must both be"):
        metrics.score(forecast[0], observed[0])


def test_seeds_are_scored_one_by_one_and_averaged():
    forecast, observed = arrays()
    one = metrics.score(forecast, observed)["mae"]
    both = metrics.over_seeds(np.stack([forecast, observed]), observed)
    assert both["mae"] == pytest.approx(one / 2)
    assert both["mae_min"] == 0 and both["mae_max"] == one
    assert both["mae_sd"] == pytest.approx(one / np.sqrt(2))  # of 0 and x, with one degree of freedom
    assert "mae_sd" not in metrics.over_seeds(forecast[None], observed)


def test_skill_is_against_the_best_of_each_cut():
    mae = np.array([1.0, 3.0])
    naive = {"a": np.array([2.0, 8.0]), "b": np.array([4.0, 2.0])}
    np.testing.assert_allclose(metrics.skill(mae, naive), [0.5, -0.5])


def quantile_arrays():
    """4 windows, 1 horizon, 1 VD: intervals 8 to 14 around 10; the third observation is missing."""
    observed = np.array([7, 10, NAN, 14], float).reshape(4, 1, 1)
    return np.broadcast_to([8.0, 10.0, 14.0], (4, 1, 1, 3)), observed


def test_quantile_scores_by_hand():
    quantiles, observed = quantile_arrays()
    got = {
        name: value.item()
        for name, value in metrics.score_quantiles(quantiles, observed, (0.1, 0.5, 0.9)).items()
    }
    # twice the pinball loss: of 7, 2 (0.9 * 1, 0.5 * 3, 0.1 * 7); of 10, 2 (0.1 * 2, 0, 0.1 * 4);
    # of 14, 2 (0.1 * 6, 0.5 * 4, 0)
    assert got["wql"] == pytest.approx(2 * (3.1 + 0.6 + 2.6) / 3 / 31)
    assert got["coverage_80"] == pytest.approx(2 / 3)  # an end belongs to its interval
    assert got["width_80"] == 6
    assert set(got) == {"wql", "coverage_80", "width_80"}


def test_weighted_quantile_loss_is_that_of_gluonts_and_of_its_median_wape():
    rng = np.random.default_rng(0)
    levels = (0.05, 0.25, 0.5, 0.75, 0.95)
    observed = rng.normal(20, 5, (50, 2, 3))
    quantiles = np.sort(rng.normal(20, 5, (50, 2, 3, 5)), axis=-1)
    y, q = observed[..., None], quantiles
    each = 2 * np.abs((q - y) * ((y <= q) - np.array(levels))).sum(axis=(0, 1, 2)) / np.abs(y).sum()
    got = metrics.score_quantiles(quantiles, observed, levels)
    assert got["wql"].item() == pytest.approx(each.mean())
    median = metrics.score_quantiles(quantiles[..., 2:3], observed, (0.5,))["wql"].item()
    assert median == pytest.approx(np.abs(quantiles[..., 2] - observed).sum() / observed.sum())


def test_quantile_scores_of_a_label_are_those_of_its_cells_alone():
    rng = np.random.default_rng(1)
    observed, quantiles = rng.normal(20, 5, (9, 2, 3)), np.sort(rng.normal(20, 5, (9, 2, 3, 3)), axis=-1)
    levels = (0.1, 0.5, 0.9)
    by_vd = metrics.score_quantiles(quantiles, observed, levels, np.arange(3), 4)
    for v in range(3):
        alone = metrics.score_quantiles(quantiles[:, :, [v]], observed[:, :, [v]], levels)
        for name, value in alone.items():
            assert by_vd[name][v] == pytest.approx(value.item()), name
    assert all(np.isnan(value[3]) for value in by_vd.values())
