"""The verdict follows from the numbers by one rule."""

import numpy as np
import pytest
from msgspec import structs

from tests.compare.test_significance import pair
from tests.records import made
from vdcast.compare.significance import difference
from vdcast.records.comparison import Comparison, PairedDifference
from vdcast.records.summary import JudgedDifference, ModeVerdict, Overall
from vdcast.report import judge

COST = made.comparison().cost  # LSTM: 10 s, 100 parameters; xLSTM: 40 s, 200


def comparison(mae=-0.5, low=-0.9, high=-0.1, p=0.001, p_dm=0.001, boot=None, **others) -> Comparison:
    boot_low, boot_high = boot or (low, high)
    first = {"mae": mae, "low": low, "high": high, "p": p}
    first |= {"boot_low": boot_low, "boot_high": boot_high, "p_dm": p_dm}
    naive = {"mae": -1.0, "low": -1.5, "high": -0.5, "p": 0.0001, "boot_low": -1.4, "boot_high": -0.6}
    naive |= {"p_dm": p_dm}
    rows = [
        made.difference("xlstm", "lstm", **first),
        made.difference("lstm", "persistence", **naive),
        made.difference("xlstm", "persistence", **naive),
    ]
    return made.comparison(**{"differences": rows} | others)


def single(**case) -> ModeVerdict:
    """The verdict on one mode."""
    return judge.judge({"single_vd": comparison(**case)}).modes["single_vd"]


def test_holm_by_hand():
    # sorted 0.01, 0.02, 0.03, 0.04 times 4, 3, 2, 1, and never falling: 0.04, 0.06, 0.06, 0.06
    assert judge.holm([0.03, 0.01, 0.04, 0.02]) == pytest.approx([0.06, 0.04, 0.06, 0.06])
    assert judge.holm([0.6, 0.9]) == pytest.approx([1.0, 1.0])
    # a test that could not be made still counts among those that were meant to be made
    assert judge.holm([0.01, None]) == [0.02, None]


def test_better_is_said_only_where_interval_and_corrected_p_agree():
    better = single()
    assert (better.status, better.better) == ("better", "xlstm")
    assert better.words == (
        "xLSTM better than LSTM by 0.50 veh/h (10.0%), 95 % interval 0.10 to 0.90 on VD 7 over 5 test days, p 0.001 "
        "after Holm"
    )
    worse = single(mae=0.5, low=0.1, high=0.9)
    assert worse.better == "lstm", "and the share is of the loser's MAE, 4.0"
    assert worse.words.startswith("LSTM better than xLSTM by 0.50 veh/h (12.5%), 95 % interval 0.10 to 0.90")
    wide = single(low=-0.9, high=0.1, p=0.2)
    assert (wide.status, wide.better) == ("no_difference", None)
    assert wide.words.startswith("no difference shown: xLSTM's MAE is 0.50 veh/h")
    disputed = single(boot=(-1.0, 0.05))
    assert disputed.better is None
    assert disputed.words.endswith(
        "; the interval excludes 0, but the interval of the block bootstrap does not"
    )
    for p_dm, failed in (
        (0.2, "p of the Diebold-Mariano test is 0.2"),
        (None, "the Diebold-Mariano test is undefined"),
    ):
        found = single(p_dm=p_dm)
        assert found.better is None and found.words.endswith(f"; the interval excludes 0, but {failed}")
    # p of 0.03 is below 0.05 alone, not as one of nine tests of which six have smaller p
    nine = judge.judge({mode: comparison(p=0.03) for mode in ("a", "b", "c")})
    assert {each.better for each in nine.modes.values()} == {None}
    assert nine.modes["a"].words.endswith(
        "p 0.09 after Holm; the interval excludes 0, but p after Holm is not below 0.05"
    )
    assert "all 9 comparisons" in nine.rule


def test_what_a_difference_stands_on_is_said():
    scores = {"all_vds": {"lstm": made.scores(5.0), "xlstm": made.scores(4.0)}}
    many = comparison(vds=["7", "8"], scores=scores)
    for counted, words in (
        ({"vds": 2, "days": 5}, "over 2 VDs and 5 test days"),
        ({"vds": 1, "days": 1}, "over 1 VD and 1 test day"),
    ):
        row = structs.replace(many.differences[0], low=-0.9, high=0.1, **counted)
        assert judge.judged(row, 0.2, many).words.endswith(f"+0.10 {words}, p 0.2 after Holm")


def test_no_figure_hides_a_sign_or_a_small_p():
    assert single(mae=-0.0313, low=-0.0621, high=-0.0004, p=2e-8).words == (
        "xLSTM better than LSTM by 0.0313 veh/h (0.6%), 95 % interval 0.0004 to 0.0621 on VD 7 over 5 test days, "
        "p <1e-6 after Holm"
    )


def test_too_few_days_give_no_verdict():
    undecided = comparison(low=None, high=None, p=None)
    none = judge.judge({"single_vd": undecided})
    assert none.modes["single_vd"] == ModeVerdict(
        status="no_verdict",
        better=None,
        words="no verdict on xLSTM against LSTM: no interval from 5 test days (difference in MAE -0.50 veh/h)",
        per_second=None,
        per_parameter=None,
        cost_words="no winner by cost",
    )
    assert none.overall == Overall(
        status="no_verdict",
        better=None,
        words="no verdict: no mode could be compared",
        cost_words="no winner by cost",
    )
    assert none.unbeaten is None
    beside = judge.judge({"single_vd": undecided, "multi_vd": comparison(low=-0.9, high=0.1, p=0.2)}).overall
    assert beside.status == "no_difference"
    assert (
        beside.words == "no difference shown between LSTM and xLSTM in `multi_vd`; no verdict in `single_vd`"
    )
    assert (
        beside.cost_words
        == "per second of training LSTM wins in `multi_vd`; per parameter LSTM wins in `multi_vd`"
    )
    assert "no observation" in single(mae=None, low=None, high=None, p=None).words


def test_a_run_without_weights_leaves_a_mode_without_verdict():
    found = judge.judge({"single_vd": comparison(problem="run a has no weights")})
    assert found.modes["single_vd"].status == "no_verdict"
    assert found.modes["single_vd"].words == "no verdict: run a has no weights"
    assert found.differences["single_vd"][0].status == "better", "each difference stands for itself"
    assert found.warnings == ["No comparison in single_vd: run a has no weights."]


def test_what_prepare_dropped_is_said_last():
    found = judge.judge({"single_vd": comparison(losses=["LSTM loses."], notes=["Few days."])}, ["Dropped."])
    assert found.warnings == ["LSTM loses.", "Few days.", "Dropped."]


def test_unbeaten_is_said_only_of_rows_that_all_have_a_figure():
    said = judge.judge({"single_vd": comparison()}).unbeaten
    assert said.startswith("Each model has a lower MAE than every simpler forecast")
    rows = {"lstm": [made.row("a", 5.0), made.row("b", None)], "xlstm": [made.row("a", 4.0)]}
    cuts = comparison().cuts
    scores = {"target_vd": {"lstm": made.scores(5.0), "xlstm": made.scores(None)}}
    for case in (
        {"losses": ["LSTM loses."]},
        {"cuts": {"target_vd": {"horizon": rows}}},
        {"cuts": cuts | {"all_vds": {"vd": rows}}},
    ):
        assert judge.judge({"single_vd": comparison(**case)}).unbeaten is None
    assert not judge.complete(comparison(scores=scores)) and judge.complete(comparison())


def test_overall_needs_a_better_mode_and_no_worse_one():
    even, xlstm, lstm = (
        structs.replace(single(), status="better" if who else "no_difference", better=who)
        for who in (None, "xlstm", "lstm")
    )
    nothing = judge.overall({"a": even, "b": even})
    assert (nothing.status, nothing.better) == ("no_difference", None)
    assert nothing.words == "no difference shown between LSTM and xLSTM in any of 2 modes"
    one = judge.overall({"a": xlstm, "b": even})
    assert (one.status, one.better) == ("better", "xlstm")
    assert one.words == "xLSTM better in `a`; no difference shown in `b`"
    divided = judge.overall({"a": xlstm, "b": lstm})
    assert (divided.status, divided.better) == ("divided", None)
    assert divided.words == "divided: LSTM better in `b`; xLSTM better in `a`"


def judged_better(who: str | None) -> JudgedDifference:
    row = judge.judged(comparison().differences[0], 0.001, comparison())
    return structs.replace(row, better=who)


def test_cost_goes_to_the_cheaper_unless_accuracy_must_be_paid_for():
    assert judge.by_cost(judged_better(None), COST).per_second == "lstm"
    assert judge.by_cost(judged_better("lstm"), COST).per_parameter == "lstm"
    paid = judge.by_cost(judged_better("xlstm"), COST)
    assert paid.per_second is None and paid.per_parameter is None
    assert paid.cost_words == (
        "per second of training neither wins (LSTM needs 4.0 times fewer); "
        "per parameter neither wins (LSTM needs 2.0 times fewer)"
    )


def test_nobody_is_cheaper_at_equal_cost():
    same = {"lstm": COST["lstm"], "xlstm": COST["lstm"]}
    nobody = judge.by_cost(judged_better(None), same)
    assert (nobody.per_second, nobody.per_parameter) == (None, None)
    assert nobody.cost_words == (
        "per second of training neither wins (both need the same); per parameter neither wins (both need the same)"
    )
    better = judge.by_cost(judged_better("xlstm"), same)
    assert (better.per_second, better.per_parameter) == ("xlstm", "xlstm")
    assert better.cost_words.startswith("per second of training xLSTM wins (both need the same)")


def test_cost_over_all_modes_is_said_once():
    lstm, paid = (structs.replace(single(), per_second=who, per_parameter="lstm") for who in ("lstm", None))
    assert judge.cost_in_words({"a": lstm, "b": lstm}) == (
        "per second of training LSTM wins in all 2 modes; per parameter LSTM wins in all 2 modes"
    )
    assert judge.cost_in_words({"a": lstm, "b": paid}) == (
        "per second of training LSTM wins in `a`, neither wins in `b`; per parameter LSTM wins in all 2 modes"
    )
    assert judge.cost_in_words({}) == "no winner by cost"


def called_better(rng, modes=3, effect=0.0, **case) -> list[str | None]:
    """Who is called better in each of several modes, by the whole rule, of pairs with a known ``effect``.

    As in a report both models are also tested against a naive forecast, which is much worse.
    """

    def row(a: str, b: str, errors: tuple, date) -> PairedDifference:
        found = vars(difference(*errors, date))
        return PairedDifference(
            a=a, b=b, **{k: None if np.isnan(each) else each for k, each in found.items()}
        )

    summaries = {}
    for mode in range(modes):
        xlstm, lstm, date = pair(rng, effect=effect, **case)
        naive = (lstm + 2 + rng.normal(0, 0.1, lstm.shape))[:1]
        rows = [("xlstm", "lstm", (xlstm, lstm)), ("lstm", "persistence", (lstm, naive))]
        rows += [("xlstm", "persistence", (xlstm, naive))]
        summaries[f"{mode}"] = comparison(differences=[row(*each, date) for each in rows])
    return [each.better for each in judge.judge(summaries).modes.values()]


def test_the_rule_seldom_calls_any_of_three_equal_pairs_different():
    rng, trials = np.random.default_rng(0), 100
    case = {"of_day": 0.2, "vds": 4, "of_vd": 0.2}
    wrong = sum(any(called_better(rng, **case)) for _ in range(trials))
    assert wrong <= 13, "5 % of 100 is 5; the binomial puts 99.9 % at 13 or fewer"


@pytest.mark.parametrize(("effect", "better"), [(0.5, "lstm"), (-0.5, "xlstm")])
def test_the_rule_names_the_model_that_is_better_by_a_known_amount(effect, better):
    rng = np.random.default_rng(0)
    case = {"days": 10, "vds": 4, "of_day": 0.1, "of_vd": 0.1}
    found = [each for _ in range(10) for each in called_better(rng, effect=effect, **case)]
    assert found.count(better) >= 27 and set(found) <= {better, None}


@pytest.mark.slow
@pytest.mark.parametrize("days", [5, 30])
@pytest.mark.parametrize(
    "case",
    [
        {"of_day": 0.0},
        {"of_day": 0.2},
        {"of_day": 0.2, "vds": 10},
        {"vds": 10, "of_vd": 0.3},
        {"vds": 10, "of_vd": 0.2, "of_day": 0.2, "of_seed": 0.2},
        {"of_seed": 0.2},
    ],
    ids=str,
)
def test_a_page_of_equal_models_has_a_false_verdict_at_about_the_nominal_rate(case, days):
    """Three equal pairs a page: any of them called different is one error of the page. 1000 pages gave 2 to 7.5 %."""
    rng, trials = np.random.default_rng(1), 500
    wrong = sum(any(called_better(rng, days=days, **case)) for _ in range(trials))
    assert wrong / trials <= 0.1


@pytest.mark.slow
@pytest.mark.parametrize("days", [5, 9])
@pytest.mark.parametrize(("vds", "highest"), [(1, 0.13), (10, 0.2)])
def test_a_page_of_days_that_hang_together_has_more_false_verdicts(days, vds, highest):
    """Each day resembles the one before (0.3): 1000 pages gave 8 and 10 % on one VD, 17 % on ten."""
    rng, trials = np.random.default_rng(1), 500
    case = {"days": days, "vds": vds, "of_day": 0.2, "tied": 0.3}
    wrong = sum(any(called_better(rng, **case)) for _ in range(trials))
    assert wrong / trials <= highest


@pytest.mark.slow
@pytest.mark.parametrize(
    ("days", "vds", "effect", "at_least"), [(5, 1, 0.5, 0.7), (5, 10, 0.5, 0.95), (30, 10, 0.3, 0.95)]
)
def test_power_of_the_rule(days, vds, effect, at_least):
    rng = np.random.default_rng(1)
    case = {"days": days, "vds": vds, "of_day": 0.1, "of_vd": 0.1, "of_seed": 0.05}
    found = [each for _ in range(70) for each in called_better(rng, effect=effect, **case)]
    assert found.count("lstm") / len(found) >= at_least and "xlstm" not in found
