"""The answer follows from the numbers by one rule; how often it errs: benchmarks/verdict.py."""

import numpy as np
import pytest
from scipy import stats

from tests.records import made
from vdcast.records.comparison import Comparison, NoComparison, Note, Parts
from vdcast.records.summary import ModeVerdict, Verdict
from vdcast.report import judge

NORMAL_96 = stats.norm.isf(0.02)  # 2.05


def comparison(relative=-0.1, error=0.02, **others) -> Comparison:
    return made.comparison(**{"differences": [made.difference("xlstm", "lstm", relative, error)]} | others)


def verdict(modes=None, primary="multi_vd", margin=0.05, **case) -> Verdict:
    return judge.judge(modes or {primary: comparison(**case)}, primary=primary, margin=margin)


def test_better_is_said_where_the_interval_lies_beyond_0():
    found = verdict()
    (row,) = found.differences["multi_vd"]
    assert (row.status, row.better, row.level) == ("better", "xlstm", 0.04)
    assert (row.low, row.high) == pytest.approx((-0.1 - 0.02 * NORMAL_96, -0.1 + 0.02 * NORMAL_96))
    assert row.smallest == pytest.approx(0.02 * (NORMAL_96 + stats.norm.ppf(0.8)))
    assert row.words == (
        "xLSTM better: xLSTM's error is 10.0 % lower than LSTM's, 96 % interval -14.1 to -5.9 % (VD 7, 5 test days, 2 "
        "seeds; -0.50 veh/h pooled)"
    )
    assert found.overall.better == "xlstm" and not found.overall.provisional
    assert verdict(relative=0.1).differences["multi_vd"][0].better == "lstm"


def test_equal_is_said_where_the_interval_lies_within_the_margin():
    found = verdict(relative=0.01, error=0.01).modes["multi_vd"]
    assert (found.status, found.better, found.takes) == ("equal", None, None)
    assert found.words.startswith("equal within 5 %: xLSTM's error is 1.0 % higher than LSTM's")
    assert verdict(relative=0.01, error=0.01, margin=0.02).modes["multi_vd"].status == "undecided"
    assert verdict(relative=0.03, error=0.01).modes["multi_vd"].status == "better", "beyond 0 comes first"


def test_undecided_comes_with_what_it_would_take():
    """To be within 5 % of 0, half the interval around 1 % must shrink from 8.2 to 4 %: t of Y - 1 days times their root."""
    found = verdict(relative=0.01, error=0.04).modes["multi_vd"]
    assert found.status == "undecided" and found.takes is not None
    days = next(Y for Y in range(6, 99) if stats.t.isf(0.02, Y - 1) * 0.04 * np.sqrt(5 / Y) <= 0.04)
    assert found.takes.startswith(f"{days} test days in place of 5")
    assert "more seeds alone would not do" in found.takes


def test_the_other_modes_share_a_stricter_level():
    """p of 0.0027: enough for the answer, too much for one of two others, which are tested at 0.5 %, then at 1 %."""
    modes = {mode: comparison(relative=-0.06, error=0.02) for mode in ("single_vd", "multi_vd")}
    modes["independent_multi_vd"] = comparison(relative=-0.2, error=0.02)
    found = verdict(modes)
    assert found.modes["multi_vd"].better == "xlstm"
    assert found.differences["independent_multi_vd"][0].level == pytest.approx(0.005)
    assert found.differences["single_vd"][0].level == pytest.approx(0.01), (
        "as the other one was below its level"
    )
    assert found.modes["single_vd"].better == "xlstm"
    modes["independent_multi_vd"] = comparison(relative=-0.01, error=0.02)
    assert verdict(modes).modes["single_vd"].better == "xlstm", "p 0.0027 is below 0.005"
    modes["single_vd"] = comparison(relative=-0.055, error=0.02)  # p 0.006
    assert verdict(modes).modes["single_vd"].better is None


def test_ensembles_are_judged_with_the_others():
    rows = [
        made.difference("xlstm", "lstm"),
        made.difference("xlstm_ensemble", "lstm_ensemble", -0.001, 0.005),
    ]
    found = verdict(differences=rows).differences["multi_vd"]
    assert [row.level for row in found] == [0.04, 0.01]
    assert found[1].words.startswith("equal within 5 %: xLSTM ensemble's error is 0.1 % lower")


def judged(*lines, primary="multi_vd"):
    return judge.judged_lines({"multi_vd": made.comparison(lines=list(lines))}, primary, 0.05)["multi_vd"]


def at(minutes, relative, simpler="linear", model="lstm"):
    return made.line(model, simpler, relative, place="horizon", label=minutes)


def test_a_model_meets_simpler_forecasts_in_order_until_one_shows_no_difference():
    """p of 0.012 is below the 1.75 % of each model; what comes after the equal one is not asked."""
    rows = judged(
        made.line("lstm", "linear", 0.05), at(15.0, -0.05, "persistence"), at(30.0, 0.0), at(60.0, 0.3),
        made.line("xlstm", "linear", 0.04), at(15.0, 0.3, model="xlstm"),
    )  # fmt: skip
    assert [row.status for row in rows] == ["worse", "better", "equal", "unjudged", "undecided", "unjudged"]
    assert [row.level for row in rows] == [0.0175, 0.0175, 0.0175, 0.05, 0.0175, 0.05]
    assert rows[0].words == (
        "LSTM loses to linear: LSTM's error is 5.0 % higher than linear's, 98.25 % interval +0.2 to +9.8 %"
    )
    assert rows[3].words.startswith("LSTM against linear: LSTM's error is 30.0 % higher than linear's, 95 %")
    assert rows[4].words.startswith("xLSTM no worse shown than linear: xLSTM's error is 4.0 % higher")


def test_of_another_mode_than_the_primary_nothing_is_claimed():
    (row,) = judged(made.line("lstm", "linear", 0.3, vds=10, vds_ahead=4), primary="single_vd")
    assert row.status == "unjudged" and row.level == 0.05
    assert row.words.endswith(", 95 % interval +26.1 to +33.9 %, lower at 4 of 10 VDs")


def test_without_an_interval_nothing_is_judged():
    rows = judged(made.line("lstm", "linear", 0.3, None), at(15.0, 0.3))
    assert [row.status for row in rows] == ["no_verdict", "unjudged"]


def test_too_few_days_give_no_verdict():
    found = verdict(error=None)
    assert found.modes["multi_vd"] == ModeVerdict(
        status="no_verdict",
        better=None,
        provisional=False,
        words="no verdict on xLSTM against LSTM: no interval from 5 test days (xLSTM's error is 10.0 % lower than LSTM's)",
        takes=None,
        per_second=None,
        per_parameter=None,
        cost_words="no winner by cost",
    )
    assert found.overall.status == "no_verdict" and found.overall.words.startswith(
        "No answer: in multi_vd, no"
    )
    assert "no observation" in verdict(relative=None, error=None).modes["multi_vd"].words


def test_a_primary_mode_that_cannot_be_compared_leaves_no_answer_and_the_others_theirs():
    lost = NoComparison(mode="multi_vd", problem="run a is gone")
    found = verdict({"multi_vd": lost, "single_vd": comparison()})
    assert found.overall.words == "No answer: in multi_vd, no verdict: run a is gone."
    assert found.modes["single_vd"].better == "xlstm"
    assert found.weaknesses[0].sentences == ["In multi_vd: run a is gone."]
    without_weights = verdict(problem="run a has no weights")
    assert without_weights.modes["multi_vd"].status == "no_verdict"
    assert without_weights.differences["multi_vd"][0].status == "better", "each difference stands for itself"


@pytest.mark.parametrize(("kind", "provisional"), [("seeds", True), ("training", True), ("days", False)])
def test_an_answer_of_one_seed_or_of_trainings_cut_short_is_provisional(kind, provisional):
    found = verdict(notes=[Note(kind, "Why.")])
    assert found.modes["multi_vd"].provisional is found.overall.provisional is provisional
    assert found.overall.words.startswith("Provisional: ") is provisional
    assert found.weaknesses[0].sentences == ["In multi_vd: Why."]


def test_a_pair_that_differs_everywhere_by_the_same_leaves_no_doubt():
    variance = Parts(days=0.0, vds=0.0, seeds_a=0.0, seeds_b=0.0)
    row = made.difference("xlstm", "lstm", variance=variance, df=variance)
    assert verdict(differences=[row]).overall.better == "xlstm"
