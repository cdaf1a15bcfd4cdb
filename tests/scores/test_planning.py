"""What it would take, against the formulas of simple designs."""

import numpy as np
import pytest
from scipy import stats

from vdcast.language import speaking
from vdcast.scores.planning import Design, Plan, half_width_of, in_words, plan

NOW = Design(days=5, vds=10, seeds=3)


def test_the_design_as_it_is_has_the_interval_as_it_is():
    variance, df = np.array([4.0, 1.0, 2.0, 2.0]), np.array([3.0, 9.0, 2.0, 2.0])
    found = half_width_of(variance, df, 0.0, now=NOW, then=NOW, level=0.05)
    freedom = 81 / (16 / 4 + 1 / 9 + 4 / 2 + 4 / 2)  # five independent days have four
    assert found == pytest.approx(3 * stats.t.isf(0.025, freedom))


def test_more_seeds_where_trainings_are_all_that_varies():
    """Half of the interval is t of 2 (S - 1) degrees of freedom times sqrt(3 (v + v) / S)."""
    variance, df = np.array([0.0, 0.0, 1e-4, 1e-4]), np.array([4.0, 9.0, 2.0, 2.0])
    wanted = 0.02
    expected = next(
        S for S in range(3, 100) if stats.t.isf(0.025, 2 * (S - 1)) * np.sqrt(2e-4 * 3 / S) <= wanted
    )
    found = plan(variance, df, 0.0, NOW, wanted=wanted)
    assert found == Plan(alone={"seeds": expected}, never=["days", "vds"], times=None)
    assert in_words(found, NOW) == f"{expected} seeds in place of 3; more test days or VDs alone would not do"


def test_more_days_where_they_are_all_that_varies():
    variance, df = np.array([1e-4, 0.0, 0.0, 0.0]), np.array([4.0, 9.0, 2.0, 2.0])
    expected = next(Y for Y in range(5, 366) if stats.t.isf(0.025, Y - 1) * np.sqrt(1e-4 * 5 / Y) <= 0.01)
    assert plan(variance, df, 0.0, NOW, wanted=0.01).alone == {"days": expected}
    assert plan(variance, df, 0.6, NOW, wanted=0.01).alone["days"] > expected, "days that are alike tell less"


def test_where_nothing_is_enough_alone_all_together_may_be():
    variance, df = np.array([1e-4, 0.0, 1e-4, 1e-4]), np.array([4.0, 9.0, 2.0, 2.0])
    found = plan(variance, df, 0.0, NOW, wanted=0.012)
    assert found.alone == {} and found.times is not None and 2 <= found.times <= 10
    assert in_words(found, NOW) == f"{found.times} times the test days and VDs and seeds"


def test_what_there_is_one_of_is_not_asked_for():
    one = Design(days=5, vds=1, seeds=1)
    found = plan(np.array([1e-4, 0, 0, 0]), np.array([4.0, 0, 0, 0]), 0.0, one, wanted=0.01)
    assert list(found.alone) == ["days"] and found.never == []


def test_what_cannot_be_had_is_said():
    found = plan(np.array([1.0, 0, 1.0, 1.0]), np.array([4.0, 9, 2, 2]), 0.9, NOW, wanted=1e-4)
    assert found == Plan({}, ["days", "vds", "seeds"], None)
    assert in_words(found, NOW) == "far more test days and VDs and seeds than can be had"


def test_in_chinese_no_blank_stands_between_its_words():
    with speaking("zh-Hant"):
        words = in_words(Plan({"days": 18}, ["vds", "seeds"], None), NOW)
    assert words == "18 個測試日（現為 5 個）；僅增加偵測器或隨機種子並不足夠"
