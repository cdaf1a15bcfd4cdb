"""From a difference and its variance to an answer."""

import numpy as np
import pytest
from scipy import stats

from vdcast.scores import answers
from vdcast.scores.answers import Evidence, answer, autoregressive, holm, interval, p_of


@pytest.mark.parametrize(
    ("low", "high", "said"),
    [
        (0.01, 0.06, "worse"),
        (-0.06, -0.01, "better"),
        (0.01, 0.02, "worse"),  # a difference, though within the margin
        (-0.02, 0.049, "equal"),
        (0.0, 0.0, "equal"),
        (-0.02, 0.05, "undecided"),  # as large as the margin is not within it
        (-0.06, 0.01, "undecided"),
    ],
)
def test_three_answers_from_one_interval(low, high, said):
    assert answer(low, high, 0.05) == said


def test_two_samples_of_trainings_are_welchs_test():
    """Nothing but trainings varies: the degrees of freedom are Welch's, who is Satterthwaite of two parts."""
    a, b = np.array([1.0, 2.0, 4.0]), np.array([3.0, 3.5, 5.0])
    variance = np.array([0, 0, a.var(ddof=1) / 3, b.var(ddof=1) / 3])
    error, df = answers.standard_error(variance, np.array([0, 0, 2.0, 2.0]))
    welch = stats.ttest_ind(a, b, equal_var=False)
    measured = Evidence(a.mean() - b.mean(), float(error), float(df))
    assert p_of(measured) == pytest.approx(welch.pvalue)
    found, expected = interval(measured, 0.05, 0.05), welch.confidence_interval()
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high))


def test_a_difference_that_never_varies_leaves_no_doubt():
    assert p_of(Evidence(0.1, 0.0, 1.0)) == 0 and p_of(Evidence(0.0, 0.0, 1.0)) == 1
    assert interval(Evidence(0.1, 0.0, 1.0), 0.05, 0.05).status == "worse"
    assert interval(Evidence(0.0, 0.0, 1.0), 0.05, 0.05).status == "equal"


def test_without_an_error_there_is_no_verdict():
    found = interval(Evidence(0.1, None, None), 0.05, 0.05)
    assert (found.status, found.low, found.smallest) == ("no_verdict", None, None)
    assert p_of(Evidence(None, None, None)) is None


def test_the_smallest_difference_shown_is_shown_in_80_percent_of_cases():
    """Of a normal estimate with a known error: 1.96 + 0.84 of it, and a power of 80 % there."""
    smallest = answers.smallest_shown(np.asarray(1.0), np.asarray(1e9))
    assert smallest == pytest.approx(1.959964 + 0.841621, rel=1e-5)
    assert stats.norm.sf(1.959964 - smallest) == pytest.approx(0.8, rel=1e-4)


def test_autoregressive_days_by_hand():
    of_mean, squares, df = autoregressive(np.array([0.0, 0.5]), 3)
    # correlations 1, r and r^2: (3 + 4 r + 2 r^2) / 9, and 3 less three times that
    assert of_mean == pytest.approx([1 / 3, 5.5 / 9])
    assert squares == pytest.approx([2, 3 - 5.5 / 3])
    assert df[0] == pytest.approx(2) and df[1] < 2


def test_autoregressive_days_against_a_simulation():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(40_000, 6))
    for j in range(1, 6):
        x[:, j] = 0.6 * x[:, j - 1] + 0.8 * x[:, j]
    of_mean, squares, df = autoregressive(np.asarray(0.6), 6)
    sums = ((x - x.mean(axis=1, keepdims=True)) ** 2).sum(axis=1)
    assert x.mean(axis=1).var() == pytest.approx(of_mean, rel=0.03)
    assert sums.mean() == pytest.approx(squares, rel=0.02)
    assert 2 * sums.mean() ** 2 / sums.var() == pytest.approx(df, rel=0.05)


def test_holm_by_hand():
    # sorted 0.011, 0.02, 0.03, 0.04 at 0.05 / 4, / 3, / 3, / 3: the second is above 0.0167, and none after it is tested anew
    assert holm([0.03, 0.011, 0.04, 0.02], 0.05) == pytest.approx([0.05 / 3, 0.05 / 4, 0.05 / 3, 0.05 / 3])
    assert holm([0.001, 0.002], 0.05) == pytest.approx([0.025, 0.05])
    # a test that could not be made still counts among those that were meant to be made
    assert holm([0.01, None], 0.05) == [0.025, 0.025]
    assert holm([], 0.05) == []
