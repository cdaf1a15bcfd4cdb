import numpy as np
import pytest

from vdcast.significance import difference


def errors(rng, days=40, a=1.0, b=1.0):
    """Absolute errors (1, W, 1, 1) of two models over ``days`` of 24 hours whose level drifts from day to day."""
    level = rng.gamma(4, 0.25, size=(days, 1))
    shape = (days, 24)
    scaled = [factor * level * rng.gamma(2, 0.5, shape) for factor in (a, b)]
    return *(each.reshape(1, -1, 1, 1) for each in scaled), np.arange(days).repeat(24)[:, None]


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


def test_one_day_or_none_has_no_interval():
    one = difference(np.ones((1, 24, 1, 1)), np.zeros((1, 24, 1, 1)), np.zeros((24, 1)))
    assert (one.mae, one.days) == (1.0, 1) and np.isnan([one.low, one.high, one.p]).all()
    none = difference(np.full((1, 3, 1, 1), np.nan), np.ones((1, 3, 1, 1)), np.arange(3)[:, None])
    assert np.isnan(none.mae) and none.days == 0


@pytest.mark.parametrize("days", [5, 40])
def test_equal_models_are_told_apart_at_about_the_nominal_rate(days):
    rng = np.random.default_rng(0)
    false = sum(difference(*errors(rng, days)).p < 0.05 for _ in range(400))
    assert 5 <= false <= 38  # 5 % of 400 is 20; the binomial puts 99.98 % within this range


def test_a_real_difference_is_found():
    rng = np.random.default_rng(1)
    found = sum(difference(*errors(rng, a=1.2)).low > 0 for _ in range(50))
    assert found >= 45
