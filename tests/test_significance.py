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
    assert (found.low, found.high) == (1.5, 4.0) and found.shown


def test_equal_models_are_told_apart_at_about_the_nominal_rate():
    rng = np.random.default_rng(0)
    false = sum(paired_difference(*errors(rng), seed=i).shown for i in range(200))
    assert 2 <= false <= 22  # 5 % of 200 is 10; the binomial puts 99.9 % within this range


def test_a_real_difference_is_found():
    rng = np.random.default_rng(1)
    found = sum(paired_difference(*errors(rng, a=1.2), seed=i).low > 0 for i in range(50))
    assert found >= 45
