"""Components of a difference, by hand, against a jackknife, and on pairs drawn with known ones."""

import numpy as np
import pytest

from vdcast.differences import components as module
from vdcast.differences.components import components
from vdcast.scores.answers import half_width, standard_error


@pytest.fixture
def days_apart(monkeypatch):
    """Days that are known to be independent."""
    monkeypatch.setattr(module, "USUAL_CORRELATION", 0.0)
    monkeypatch.setattr(module, "WORTH_DAYS", 1e12)


SHARED, APART = (True, True), (False, False)


def ones(Y, V):
    return np.ones((Y, V))


def test_the_relative_difference_is_of_each_vds_own_error():
    """MAE 3 and 1 at a quiet VD, 99 and 101 at a busy one: 2 * 2 / 4 = 1, and -2 * 2 / 200 = -0.02."""
    a, b = np.array([[[3.0, 99.0]]]), np.array([[[1.0, 101.0]]])
    assert components(a, b, ones(1, 2), SHARED).relative == pytest.approx([1.0, -0.02])
    other_way = components(b, a, ones(1, 2), SHARED)
    assert other_way.relative == pytest.approx([-1.0, 0.02])


def test_days_by_hand():
    """MAE 4 and 2 on two days: 2 / 3. Slopes 1 / 9 along A and -2 / 9 along B, so the days add 1 / 9 and -1 / 9.

    Two days always look correlated by -1 / 2, their bias: r is 30 * 0.7 / 28. The variance of the mean of two is
    (1 + r) / 2 of one's, the sum of squares around it 1 - r.
    """
    a, b = np.array([3.0, 5.0]), np.array([1.0, 3.0])
    found = components(a.reshape(1, 2, 1), b.reshape(1, 2, 1), ones(2, 1), SHARED)
    r = 30 * 0.7 / 28
    assert found.correlation == pytest.approx(r)
    assert found.variance == pytest.approx([4 * (2 / 81) / (1 - r) * (1 + r) / 2, 0, 0, 0])
    assert found.df[0] == pytest.approx(1)


def test_trainings_by_hand():
    """MAE 1 and 3 in two trainings of one model, 2 and 2 in those of the other: 2 / 2 of a variance of 2, over 2 * 2."""
    a, b = (np.array(each)[:, None, None] * ones(5, 1) for each in ([1.0, 3.0], [2.0, 2.0]))
    found = components(a, b, ones(5, 1), SHARED)
    assert found.variance == pytest.approx([0, 0, 0.25, 0])
    assert found.df[2:].tolist() == [1, 1]


def test_vds_by_hand():
    """Relative differences 0.1 and 0.3: a variance of 0.02, of a mean of two."""
    a, b = np.array([1.05, 1.15]) * ones(5, 2), np.array([0.95, 0.85]) * ones(5, 2)
    found = components(a[None], b[None], ones(5, 2), SHARED)
    assert found.variance == pytest.approx([0, 0.01, 0, 0], abs=1e-12)
    assert found.df[1] == 1


def test_weights_of_each_vds_own_are_so_many_trainings_more():
    """Two trainings of two VDs, apart by +-1 of 10 at one and +-2 at the other: variances 0.02 and 0.08, of means of two."""
    luck = np.array([[9.0, 12.0], [11.0, 8.0]])[:, None, :] * ones(5, 2)  # their luck cancels out over VDs
    level = np.full((2, 5, 2), 10.0)
    apart = components(luck, level, ones(5, 2), APART)
    assert apart.variance[2] == pytest.approx((0.02 / 2 + 0.08 / 2) / 4)
    assert apart.df[2] == pytest.approx((0.02 + 0.08) ** 2 / (0.02**2 + 0.08**2))
    together = components(luck, level, ones(5, 2), SHARED)
    assert together.variance[2] == pytest.approx(0.5 / 2 / 100)  # MAE 10.5 and 9.5 over both VDs
    assert together.df[2] == 1


def test_weights_that_serve_all_meet_weights_of_each_vds_own():
    """Each side as beside its like, by the numbers of the case above."""
    luck = np.array([[9.0, 12.0], [11.0, 8.0]])[:, None, :] * ones(5, 2)
    level = np.full((2, 5, 2), 10.0)
    for shared, trainings in (((True, False), [0.0025, 0.0125]), ((False, True), [0.0125, 0.0025])):
        found = [
            components(luck, level, ones(5, 2), shared).variance[2],
            components(level, luck, ones(5, 2), shared).variance[3],
        ]
        assert found == pytest.approx(trainings)


def test_one_of_everything_has_no_variance():
    found = components(np.full((1, 1, 1), 2.0), np.ones((1, 1, 1)), ones(1, 1), SHARED)
    assert found.variance.tolist() == [0, 0, 0, 0]


def test_two_forecasts_without_error_do_not_differ():
    found = components(np.zeros((2, 5, 3)), np.zeros((2, 5, 3)), ones(5, 3), SHARED)
    assert found.relative.tolist() == [0, 0, 0] and found.variance.tolist() == [0, 0, 0, 0]


def test_a_forecast_without_error_differs_by_all_there_is():
    found = components(np.zeros((1, 5, 1)), np.ones((1, 5, 1)), ones(5, 1), SHARED)
    assert found.relative.tolist() == [-2] and found.variance.tolist() == [0, 0, 0, 0]


def test_a_page_of_pairs_is_each_pair_alone():
    rng = np.random.default_rng(0)
    a, b, count = rng.gamma(9, size=(4, 3, 6, 2)), rng.gamma(9, size=(4, 2, 6, 2)), ones(6, 2)
    for shared in (SHARED, APART, (True, False)):
        together = components(a, b, count, shared)
        for i in range(4):
            alone = components(a[i], b[i], count, shared)
            for field in ("relative", "variance", "df", "correlation"):
                assert getattr(alone, field) == pytest.approx(getattr(together, field)[i])


def test_the_variance_over_days_is_that_of_a_jackknife(days_apart):
    """Leave one day out of thirty, with gaps and days of other lengths: no linearisation there."""
    rng = np.random.default_rng(0)
    count = rng.integers(0, 20, size=(30, 3))
    a, b = (rng.gamma(40, 1 / 40, size=(30, 3)) * count for _ in range(2))

    def mean(days):
        A, B = (each[days].sum(axis=0) / count[days].sum(axis=0) for each in (a, b))
        return (2 * (A - B) / (A + B)).mean()

    left_out = np.array([mean(np.arange(30) != day) for day in range(30)])
    jackknife = 29 / 30 * ((left_out - left_out.mean()) ** 2).sum()
    found = components(a[None], b[None], count, SHARED)
    assert found.variance[0] == pytest.approx(jackknife, rel=0.05)


def drawn(rng, *, pages=2000, Y=10, V=5, S=3, day=0.0, cell=0.0, vd=0.0, seed=0.0, copy=0.0, r=0.0):
    """Pages of equal models (pages, S, Y, V), with those standard deviations; days correlated by ``r``."""

    def days(*shape):
        x = rng.normal(size=shape)
        for j in range(1, Y):
            x[..., j] = r * x[..., j - 1] + np.sqrt(1 - r**2) * x[..., j]
        return x

    good = day * days(pages, 1, 1, Y) + cell * days(pages, 1, V, Y) + vd * rng.normal(size=(pages, 1, V, 1))
    return [
        1
        + sign * good.swapaxes(-1, -2)
        + seed * rng.normal(size=(pages, S, 1, 1))
        + copy * rng.normal(size=(pages, S, 1, V))
        for sign in (0.5, -0.5)
    ]


@pytest.mark.parametrize(
    ("case", "shared"),
    [
        ({"day": 0.02}, SHARED),
        ({"cell": 0.05}, SHARED),
        ({"seed": 0.02}, SHARED),
        ({"copy": 0.05}, APART),
        ({"day": 0.02, "cell": 0.03, "vd": 0.03, "seed": 0.02, "copy": 0.02}, SHARED),
        ({"day": 0.02, "cell": 0.03, "vd": 0.03, "copy": 0.04}, APART),
    ],
    ids=str,
)
def test_the_variance_is_that_of_the_differences_on_average(days_apart, case, shared):
    """No part is below 0, so what is not there is estimated a little above it; nothing is counted twice."""
    found = components(*drawn(np.random.default_rng(0), **case), ones(10, 5), shared)
    true = found.relative.mean(axis=-1).var()
    assert 0.93 <= found.variance.sum(axis=-1).mean() / true <= 1.3


@pytest.mark.parametrize(
    ("case", "lowest", "highest"),
    [
        ({"day": 0.02, "Y": 5}, 0.0, 0.02),  # that days might be alike is paid for
        ({"day": 0.02, "r": 0.6, "Y": 5}, 0.005, 0.05),
        ({"day": 0.02, "r": 0.6, "Y": 14}, 0.01, 0.05),
        ({"seed": 0.02}, 0.02, 0.06),
        ({"day": 0.01, "cell": 0.03, "vd": 0.03, "seed": 0.02, "r": 0.3}, 0.015, 0.05),
    ],
    ids=str,
)
def test_equal_models_are_seldom_told_apart(case, lowest, highest):
    """At 4 %, as the report asks of its answer. The whole page: benchmarks/verdict.py."""
    pair = drawn(np.random.default_rng(0), pages=4000, **case)
    found = components(*pair, ones(pair[0].shape[-2], 5), SHARED)
    half = half_width(*standard_error(found.variance, found.df), 0.04)
    assert lowest <= (np.abs(found.relative.mean(axis=-1)) > half).mean() <= highest


def test_days_that_are_alike_are_measured_where_there_are_many():
    rng = np.random.default_rng(0)
    for r, low, high in ((0.0, 0.0, 0.2), (0.6, 0.55, 0.7)):
        found = components(*drawn(rng, pages=50, Y=200, V=1, day=0.02, r=r), ones(200, 1), SHARED)
        assert low <= np.median(found.correlation) <= high
