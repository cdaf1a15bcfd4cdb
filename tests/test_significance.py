import numpy as np
import pytest

from vdcast.significance import paired_difference


def errors(rng, days=40, a=1.0, b=1.0):
    """Absolute errors of two models over ``days`` of 24 hours whose level drifts from day to day."""
    level = rng.gamma(4, 0.25, size=(days, 1))
    shape = (days, 24)
    return (
        a * level * rng.gamma(2, 0.5, shape),
        b * level * rng.gamma(2, 0.5, shape),
        np.arange(days)[:, None].repeat(24, 1),
    )


def test_the_difference_is_the_pooled_one_and_knows_its_days():
    a, b = np.array([[1.0, 3.0], [5.0, np.nan]]), np.array([[0.0, 1.0], [1.0, 9.0]])
    found = paired_difference(a, b, np.array([[0, 0], [1, 1]]))
    assert found.difference == pytest.approx((1 + 2 + 4) / 3)
    assert found.days == 2
    # two days: the resampled means are 1.5 (first day twice), 7/3 and 4
    # daily residuals 3 - 2 * 7/3 and 4 - 7/3, i.e. -5/3 and 5/3; t of 97.5 % with one degree of freedom is 12.7062
    half = 12.7062 * np.sqrt(2 * 2 * (5 / 3) ** 2) / 3
    assert found.high - found.difference == pytest.approx(half, rel=1e-5)
    assert found.difference - found.low == pytest.approx(half, rel=1e-5)
    assert not found.shown


def test_one_day_or_none_shows_nothing():
    one = paired_difference(np.ones(24), np.zeros(24), np.zeros(24))
    assert (one.difference, one.days, one.shown) == (1.0, 1, False)
    none = paired_difference(np.full(3, np.nan), np.ones(3), np.arange(3))
    assert np.isnan(none.difference) and none.days == 0 and not none.shown


@pytest.mark.parametrize("days", [5, 40])
def test_equal_models_are_told_apart_at_about_the_nominal_rate(days):
    rng = np.random.default_rng(0)
    false = sum(paired_difference(*errors(rng, days)).shown for _ in range(400))
    assert 5 <= false <= 38  # 5 % of 400 is 20; the binomial puts 99.98 % within this range


def test_a_real_difference_is_found():
    rng = np.random.default_rng(1)
    found = sum(paired_difference(*errors(rng, a=1.2)).low > 0 for _ in range(50))
    assert found >= 45
