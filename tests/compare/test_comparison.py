"""What the reports say in words follows from the numbers by rule."""

from dataclasses import replace

import msgspec
import numpy as np
import pytest

from tests.records import made
from vdcast.compare.comparison import Side, compared
from vdcast.compare.findings import _against, losses
from vdcast.compare.markdown import comparison_markdown
from vdcast.forecasts.predictions import Conditions, beside_observed
from vdcast.params.sections import Evaluate
from vdcast.records.comparison import Comparison, NoComparison
from vdcast.report.judge import judge
from vdcast.report.markdown import report_markdown
from vdcast.report.summary import summary_of
from vdcast.scores import cuts


@pytest.fixture
def observed(detectors):
    """A perfect forecast of 20 days, two seeds."""
    steps = len(detectors.timestamps)
    part = replace(detectors, values=np.nan_to_num(detectors.values, nan=50.0))
    forecast = np.stack([part.values[4 + h : steps - 1 + h, :, :1] for h in range(2)], axis=1)[None].repeat(
        2, axis=0
    )
    return beside_observed(forecast, part, ["volume"], 4)


def off_by(predictions, error):
    return replace(predictions, forecast=predictions.forecast + np.float32(error))


def of_errors(observed, lstm, xlstm, naive, trainings=()) -> Comparison:
    """Of forecasts that are off by so much; ``naive``: that of persistence, or all baselines by name."""
    models = {"lstm": off_by(observed, lstm), "xlstm": off_by(observed, xlstm)}
    W, H, V, _ = observed.observed.shape
    conditions = Conditions(
        missing=np.zeros((W, V)),
        congestion=np.zeros((W, H, V), np.int8),
        rule="never",
        vd_ids=observed.vd_ids,
    )
    settings = Evaluate(
        protocol=None,
        baselines=["persistence"],
        mape_floor=10.0,
        horizons=[1],
        peak_hours=[8],
        congested_speed=60.0,
        congested_quantile=0.9,
    )
    return compared(
        "multi_vd",
        {
            model: Side(each, dict(trainings).get(model) or made.training(), made.cost())
            for model, each in models.items()
        },
        naive if isinstance(naive, dict) else {"persistence": off_by(observed, naive)},
        conditions=conditions,
        target_vd="VD-B",
        settings=settings,
    )


def test_the_numbers_of_a_known_case(observed):
    found = of_errors(observed, lstm=2.0, xlstm=-1.0, naive=4.0)
    assert b"NaN" not in msgspec.json.encode(found)
    assert found.scores["target_vd"]["lstm"].mae == pytest.approx(2, abs=1e-5)
    assert found.scores["all_vds"]["xlstm"].mae == pytest.approx(1, abs=1e-5)
    assert found.scores["target_vd"]["xlstm"].skill == pytest.approx(0.75, abs=1e-5)
    pairs = {(row.a, row.b): row for row in found.differences}
    assert list(pairs) == [("xlstm", "lstm"), ("lstm", "persistence"), ("xlstm", "persistence")]
    assert pairs["xlstm", "lstm"].mae == pytest.approx(-1, abs=1e-5)
    assert (pairs["xlstm", "lstm"].days, pairs["xlstm", "lstm"].vds) == (20, 3), "of the last one 6 hours"
    by_cut = found.cuts["target_vd"]
    assert [row.label for row in by_cut["horizon"]["lstm"]] == [60, 120]
    assert [row.label for row in found.cuts["all_vds"]["vd"]["xlstm"]] == list(observed.vd_ids)
    assert by_cut["congestion"]["lstm"][0].mae is None
    assert by_cut["congestion"]["lstm"][0].observations == 0
    assert found.losses == []
    text = comparison_markdown(found)
    assert "| xLSTM - LSTM" in text and "loses" not in text
    assert "| congested " in text and "| no data" in text and "nan" not in text and "|  |" not in text


def test_a_model_that_loses_to_naive_is_named_first(observed):
    found = of_errors(observed, lstm=5.0, xlstm=1.0, naive=4.0)
    (loss,) = found.losses
    assert loss == (
        "In multi_vd, LSTM loses to persistence on the target VD (MAE 5.00 against 4.00 veh/h), on all VDs (MAE 5.00 "
        "against 4.00 veh/h), on the target VD at 60 and 120 minutes (most at 60, MAE 5.00 against 4.00 veh/h) and at 3 of 3 "
        f"VDs (most at {observed.vd_ids[0]}, MAE 5.00 against 4.00 veh/h)."
    )
    modes = {"multi_vd": found}
    page = report_markdown(modes, judge(modes))
    assert page.index(f"**{loss}**") < page.index("xLSTM better") < page.index("## ")


def test_losses_at_many_horizons_are_one_sentence_that_leaves_none_out():
    def rows(mae) -> list:
        return [made.row(5.0 * (h + 1), each) for h, each in enumerate(mae)]

    whole = {"lstm": 2.0, "xlstm": 2.0, "persistence": 3.0, "yesterday": 4.0}
    horizons = {
        "lstm": rows([2.9, 2.7, 2.6, 2.5, 1, 1, 3.3, 1, 6, None]),
        "xlstm": rows([1] * 9 + [None]),
        "persistence": rows([2.58, 2.6, 2.5, 2.5, 5, 5, 3.0, 5, 9, None]),
        "yesterday": rows([9] * 8 + [5, None]),
    }
    scores = {"target_vd": {name: made.scores(mae) for name, mae in whole.items()}}
    by_cut = {"target_vd": {"horizon": horizons}}
    assert losses("multi_vd", scores, by_cut, "veh/h") == [
        "In multi_vd, LSTM loses to persistence on the target VD at 5 to 20 and 35 minutes (most at 5, MAE 2.90 against "
        "2.58 veh/h); to yesterday on the target VD at 45 minutes (MAE 6.00 against 5.00 veh/h)."
    ]
    scores["target_vd"]["xlstm"] = made.scores(None)  # has no figure; LSTM's loss is said all the same
    assert len(losses("multi_vd", scores, by_cut, "veh/h")) == 1


def test_a_loss_at_one_vd_is_said_though_all_together_win():
    def rows(mae) -> list:
        return [made.row(vd, each) for vd, each in zip("abc", mae, strict=True)]

    vds = {"lstm": rows([5.36, 1, None]), "xlstm": rows([5, 1, None]), "persistence": rows([5.2, 4.13, None])}
    better = {"lstm": made.scores(2.0), "xlstm": made.scores(2.0), "persistence": made.scores(3.0)}
    by_cut = {"target_vd": {"horizon": {name: [] for name in vds}}, "all_vds": {"vd": vds}}
    assert losses("multi_vd", {"all_vds": better}, by_cut, "km/h") == [
        "In multi_vd, LSTM loses to persistence at 1 of 3 VDs (a, MAE 5.36 against 5.20 km/h)."
    ]


def test_two_errors_that_differ_print_apart():
    mae = {"lstm": 3.0743, "persistence": 3.0712, "yesterday": 3.0743}
    assert _against(mae, "lstm", "persistence") == "3.074 against 3.071"
    assert _against(mae, "lstm", "yesterday") == "3.07 against 3.07", "a tie is a loss, and prints as one"


def test_the_opponent_is_the_naive_forecast_that_is_best_on_what_is_compared(observed):
    """Persistence is the better one at the target VD, yesterday over all three: (6 + 2 * 1) / 3 against 4."""
    two = {"persistence": off_by(observed, 4.0), "yesterday": off_by(observed, [[1.0], [6.0], [1.0]])}
    found = of_errors(observed, lstm=2.0, xlstm=1.0, naive=two)
    assert found.best_naive == "yesterday"
    assert [row.b for row in found.differences] == ["lstm", "yesterday", "yesterday"]
    assert found.differences[1].mae == pytest.approx(2 - 8 / 3, abs=0.05)  # gaps of the fixture are few
    assert found.scores["all_vds"]["yesterday"].skill == 0


def test_a_small_p_is_not_rounded_before_it_is_used(observed):
    found = of_errors(observed, lstm=2.0, xlstm=1.0, naive=4.0)
    assert all(0 <= row.p < 1e-6 for row in found.differences)
    assert "| <1e-6 " in comparison_markdown(found)


def test_further_targets_have_a_table_and_no_verdict(observed):
    """Speed beside volume, off by 7 for LSTM, 5 for xLSTM and 3 for the baseline."""

    def both(error_of_volume, error_of_speed):
        return np.array([error_of_volume, error_of_speed])

    two = replace(
        observed,
        forecast=observed.forecast.repeat(2, axis=-1),
        observed=observed.observed.repeat(2, axis=-1),
        targets=("volume", "speed"),
        units=("veh/h", "km/h"),
    )
    found = of_errors(two, lstm=both(2, 7), xlstm=both(1, 5), naive=both(4, 3))
    (speed,) = found.further_targets
    assert (speed.target, speed.unit) == ("speed", "km/h")
    assert speed.mae == pytest.approx(
        {"lstm": 7, "xlstm": 5, "lstm_ensemble": 7, "xlstm_ensemble": 5, "persistence": 3}, abs=1e-4
    )
    modes = {"multi_vd": found}
    for text in (comparison_markdown(found), report_markdown(modes, judge(modes))):
        part = text.partition("## Further targets\n")[2].partition("\n## ")[0]
        assert "is on volume alone." in part and "**speed, MAE in km/h" in part and "multi_vd (3 VDs)" in part
        assert "| LSTM " in part and "| 7.00 " in part
    assert "Further targets" not in comparison_markdown(of_errors(observed, lstm=2.0, xlstm=1.0, naive=4.0))


def test_a_loss_to_linear_is_said_though_skill_and_the_opponent_are_naive(observed):
    found = of_errors(
        observed,
        lstm=2.0,
        xlstm=0.5,
        naive={"linear": off_by(observed, 1.0), "damped": off_by(observed, 4.0)},
    )
    assert found.best_naive == "damped"
    assert found.scores["all_vds"]["lstm"].skill == pytest.approx(0.5, abs=1e-4)
    assert found.scores["all_vds"]["linear"].skill == pytest.approx(0.75, abs=1e-4)
    (said,) = found.losses
    assert said.startswith("In multi_vd, LSTM loses to linear on the target VD (MAE 2.00 against 1.00 veh/h)")


def test_a_tie_with_naive_is_a_loss(observed):
    assert of_errors(observed, lstm=4.0, xlstm=4.0, naive=4.0).losses


def marked(observed, values, **kwargs) -> list[str]:
    """``notes`` where ``values`` were observed."""
    changed = replace(observed, observed=values)
    found = of_errors(changed, lstm=2.0, xlstm=1.0, naive=4.0, **kwargs)
    text = comparison_markdown(found)
    page = report_markdown({"multi_vd": found}, judge({"multi_vd": found}))
    for note in found.notes:
        assert f"**{note}**" in text and f"**{note}**" in page
    assert "nan" not in text + page and "|  |" not in text + page
    assert b"NaN" not in msgspec.json.encode(found)
    return found.notes


def test_a_vd_without_test_observations_is_marked_and_counts_for_nothing(observed):
    values = observed.observed.copy()
    values[:, :, 2] = np.nan
    (note,) = marked(observed, values)
    assert note == (
        "In multi_vd, VD VD-國 has no valid observation in the test part: there is no figure of it, "
        "and those of all VDs stand on the other 2."
    )
    found = of_errors(replace(observed, observed=values), lstm=2.0, xlstm=1.0, naive=4.0)
    row = found.cuts["all_vds"]["vd"]["lstm"][2]
    assert row.mae is None and row.observations == 0
    assert found.differences[0].vds == 2
    line = next(line for line in comparison_markdown(found).splitlines() if line.startswith("| VD-國"))
    assert line.count("no data") == 5  # two models, two ensembles, a baseline


def test_a_constant_target_is_marked(observed):
    values = observed.observed.copy()
    values[:, :, 0] = 7.0
    found = replace(observed, observed=values, forecast=values[None].repeat(2, axis=0))
    (note,) = marked(found, values)
    assert note == "In multi_vd, the observations of VD VD-A do not vary in the test part: R2 is undefined."


def test_a_horizon_and_an_hour_without_data_are_marked(observed):
    values = observed.observed.copy()
    values[:, 1, 1] = np.nan
    (note,) = marked(observed, values)
    assert note == "In multi_vd, VD VD-B has no observation 120 minutes ahead: nothing was scored there."
    values = observed.observed.copy()
    values[cuts.by_hour(observed).label[:, :, 0] == 3] = np.nan
    (note,) = marked(observed, values)
    assert note == "In multi_vd, VD VD-B has no observation at local hour 3: nothing was scored there."


def test_few_days_and_a_single_seed_are_marked(observed):
    values = observed.observed.copy()
    values[60:] = np.nan
    assert "the test part has 3 days with observations" in marked(observed, values)[-1]
    one = of_errors(replace(observed, forecast=observed.forecast[:1]), lstm=2.0, xlstm=1.0, naive=4.0)
    assert len(one.notes) == 1 and "one seed was trained" in one.notes[0]
    assert "lstm_ensemble" not in one.scores["target_vd"]


def test_a_mode_that_cannot_be_compared_is_marked_and_the_others_go_on(observed):
    problem = "lstm and xlstm were not evaluated on the same windows"
    modes = {
        "single_vd": NoComparison(mode="single_vd", problem=problem),
        "multi_vd": of_errors(observed, lstm=2.0, xlstm=1.0, naive=4.0),
    }
    verdict = judge(modes)
    page = report_markdown(modes, verdict)
    assert f"**No comparison in single_vd: {problem}.**" in page
    assert f"- `single_vd`: No verdict: {problem}." in page
    assert verdict.overall.better == "xlstm"
    assert verdict.overall.words == "xLSTM better in `multi_vd`; no verdict in `single_vd`"
    assert verdict.modes["single_vd"].status == "no_verdict"
    figures = msgspec.to_builtins(summary_of(modes, verdict).modes)
    assert figures["single_vd"] == {"problem": problem}
    assert figures["multi_vd"]["by_horizon"]["persistence"] == pytest.approx(
        {"60min": 4, "120min": 4}, abs=1e-4
    )
    assert "problem" not in figures["multi_vd"] and "quantiles" not in figures["multi_vd"]
    assert f"**No comparison: {problem}.**" in comparison_markdown(modes["single_vd"])
    nothing = {"single_vd": modes["single_vd"]}
    assert "No comparison in single_vd" in report_markdown(nothing, judge(nothing))


def test_that_all_modes_share_their_origins_is_said_of_as_many_as_there_are(observed):
    one = of_errors(observed, lstm=2.0, xlstm=1.0, naive=4.0)
    lost = NoComparison(mode="lost", problem="why")
    for modes, said in (
        ({"a": one}, None),
        ({"a": one, "b": one}, "Both modes forecast the same origins"),
        ({"a": one, "b": one, "c": one}, "All three modes forecast the same origins"),
        ({"a": one, "b": one, "c": lost}, None),
    ):
        page = report_markdown(modes, judge(modes))
        assert (said in page) if said else ("the same origins" not in page)


def test_a_training_that_was_cut_short_is_noted_beside_what_it_noted_itself(observed):
    short = made.training(notes=["Its own note."], best_epoch=[10], epoch_limit=10)
    found = of_errors(observed, 2.0, 1.0, 4.0, trainings={"xlstm": short})
    assert found.notes == [
        "Its own note.",
        "In multi_vd, xLSTM has not converged: 1 of 1 networks were still improving at the limit of 10 epochs; raise "
        "train.epochs.",
    ]
