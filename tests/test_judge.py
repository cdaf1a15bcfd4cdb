"""The verdict follows from the numbers by one rule."""

import pytest

from vdcast import judge

COST = {"lstm": {"seconds": 10.0, "parameters": 100}, "xlstm": {"seconds": 40.0, "parameters": 200}}


def comparison(mae=-0.5, low=-0.9, high=-0.1, p=0.001, naive_p=0.0001) -> dict:
    base = {"days": 5, "vds": 1}
    against_naive = {"mae": -1.0, "low": -1.5, "high": -0.5, "p": naive_p} | base
    return {
        "unit": "veh/h",
        "vds": ["7"],
        "scores": {"target_vd": {"lstm": {"mae": 5.0}, "xlstm": {"mae": 4.5}, "persistence": {"mae": 6.0}}},
        "cost": COST,
        "differences": [
            {"a": "xlstm", "b": "lstm", "mae": mae, "low": low, "high": high, "p": p} | base,
            {"a": "lstm", "b": "persistence"} | against_naive,
            {"a": "xlstm", "b": "persistence"} | against_naive,
        ],
    }


def test_holm_by_hand():
    # sorted 0.01, 0.02, 0.03, 0.04 times 4, 3, 2, 1, and never falling: 0.04, 0.06, 0.06, 0.06
    assert judge.holm([0.03, 0.01, 0.04, 0.02]) == pytest.approx([0.06, 0.04, 0.06, 0.06])
    assert judge.holm([0.6, 0.9]) == pytest.approx([1.0, 1.0])
    # a test that could not be made still counts among those that were meant to be made
    assert judge.holm([0.01, None]) == [0.02, None]


def test_better_is_said_only_where_interval_and_corrected_p_agree():
    better = judge.verdict({"single_vd": comparison()})["modes"]["single_vd"]
    assert better["better"] == "xlstm"
    assert better["words"] == (
        "xLSTM better than LSTM by 0.50 veh/h (10.0%), 95 % interval 0.10 to 0.90 over 5 test days, p 0.001"
    )
    worse = judge.verdict({"single_vd": comparison(mae=0.5, low=0.1, high=0.9)})["modes"]["single_vd"]
    assert worse["better"] == "lstm" and worse["words"].startswith("LSTM better than xLSTM by 0.50")
    wide = judge.verdict({"single_vd": comparison(low=-0.9, high=0.1, p=0.2)})["modes"]["single_vd"]
    assert wide["better"] is None and wide["words"].startswith(
        "no difference shown: xLSTM's MAE is 0.50 veh/h"
    )
    # p of 0.03 is below 0.05 alone, not as one of nine tests of which six have smaller p
    nine = judge.verdict({mode: comparison(p=0.03) for mode in ("a", "b", "c")})
    assert {each["better"] for each in nine["modes"].values()} == {None}
    assert nine["modes"]["a"]["words"].endswith("p 0.09") and "all 9 comparisons" in nine["rule"]


def test_too_few_days_give_no_verdict():
    none = judge.verdict({"single_vd": comparison(low=None, high=None, p=None)})
    assert none["modes"]["single_vd"]["words"].startswith(
        "no verdict on xLSTM against LSTM: 5 test days are too few"
    )
    nothing = judge.verdict({"single_vd": comparison(mae=None, low=None, high=None, p=None)})
    assert "no observation" in nothing["modes"]["single_vd"]["words"]


def test_overall_needs_a_better_mode_and_no_worse_one():
    assert judge.overall({"a": None, "b": None})["better"] is None
    assert judge.overall({"a": "xlstm", "b": None}) == {
        "better": "xlstm",
        "words": "xLSTM better in `a`; no difference shown in `b`",
    }
    divided = judge.overall({"a": "xlstm", "b": "lstm"})
    assert divided == {"better": "divided", "words": "divided: LSTM better in `b`; xLSTM better in `a`"}


def test_cost_goes_to_the_cheaper_unless_accuracy_must_be_paid_for():
    row = {"better": None, "words": ""}
    assert judge.of_mode(row, COST)["per_second"] == "lstm"
    assert judge.of_mode(row | {"better": "lstm"}, COST)["per_parameter"] == "lstm"
    paid = judge.of_mode(row | {"better": "xlstm"}, COST)
    assert paid["per_second"] is None and paid["per_parameter"] is None
    assert paid["cost_words"] == (
        "per second of training neither wins (LSTM needs 4.0 times fewer); "
        "per parameter neither wins (LSTM needs 2.0 times fewer)"
    )
