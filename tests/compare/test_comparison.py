"""What the reports say in words follows from the numbers by rule."""

from dataclasses import replace

import msgspec
import numpy as np
import pytest

from tests.records import made
from vdcast.baselines.run import validation_of
from vdcast.compare.comparison import Side, Simpler, compared
from vdcast.compare.markdown import comparison_markdown
from vdcast.forecasts.predictions import Conditions, beside_observed
from vdcast.language import Said
from vdcast.params.sections import Evaluate
from vdcast.records import io
from vdcast.records.comparison import Comparison, NoComparison
from vdcast.records.summary import Verdict
from vdcast.report import judge as rule
from vdcast.report.markdown import report_markdown
from vdcast.report.summary import summary_of
from vdcast.scores import cuts


def judge(modes) -> Verdict:
    return rule.judge(modes, primary="multi_vd" if "multi_vd" in modes else next(iter(modes)), margin=0.05)


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
    baselines = naive if isinstance(naive, dict) else {"persistence": off_by(observed, naive)}
    W, H, V, _ = observed.observed.shape
    conditions = Conditions(
        missing=np.zeros((W, V)),
        congestion=np.zeros((W, H, V), np.int8),
        rule=Said("scores.congested_speed", {"speed": "50", "unit": "km/h"}),
        vd_ids=observed.vd_ids,
    )
    settings = Evaluate(
        primary="multi_vd",
        margin=0.05,
        folds=None,
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
        Simpler(baselines, validation_of(baselines), conditions),
        target_vd="VD-B",
        settings=settings,
    )


def test_the_numbers_of_a_known_case(observed):
    found = of_errors(observed, lstm=2.0, xlstm=-1.0, naive=4.0)
    assert b"NaN" not in msgspec.json.encode(found)
    assert found.scores["target_vd"]["lstm"].mae == pytest.approx(2, abs=1e-5)
    assert found.scores["all_vds"]["xlstm"].mae == pytest.approx(1, abs=1e-5)
    assert found.scores["target_vd"]["xlstm"].skill == pytest.approx(0.75, abs=1e-5)
    pair, ensembles = found.differences
    assert (pair.a, pair.b, ensembles.a, ensembles.b) == ("xlstm", "lstm", "xlstm_ensemble", "lstm_ensemble")
    assert pair.relative == ensembles.relative == pytest.approx(2 * (1 - 2) / (1 + 2), abs=1e-5)
    assert pair.mae == pytest.approx(-1, abs=1e-5)
    assert (pair.days, pair.vds, pair.seeds) == (20, 3, 2), "of the last day 6 hours"
    assert [(row.model, row.place, row.label) for row in found.lines] == [
        (model, place, label)
        for model in ("lstm", "xlstm")
        for place, label in (("whole", ""), ("horizon", 60.0))
    ]
    assert found.lines[0].relative == pytest.approx(2 * (2 - 4) / (2 + 4), abs=1e-5)
    by_cut = found.cuts["target_vd"]
    assert [row.label for row in by_cut["horizon"]["lstm"]] == [60, 120]
    assert [row.label for row in found.cuts["all_vds"]["vd"]["xlstm"]] == list(observed.vd_ids)
    assert by_cut["congestion"]["lstm"][0].mae is None
    assert by_cut["congestion"]["lstm"][0].observations == 0
    text = comparison_markdown(found)
    assert "| xLSTM - LSTM" in text and "loses" not in text
    assert "| congested " in text and "| no data" in text and "nan" not in text and "|  |" not in text


def test_a_model_that_loses_to_naive_is_named_after_the_answer(observed):
    modes = {"multi_vd": of_errors(observed, lstm=5.0, xlstm=1.0, naive=4.0)}
    page = report_markdown(modes, judge(modes))
    loss = "LSTM loses to persistence in multi_vd by 22.2 %; LSTM loses to persistence in multi_vd 60 minutes ahead"
    assert page.index("Take the xLSTM") < page.index(loss) < page.index("## ")


def test_skill_is_against_the_naive_forecast_that_is_best_on_what_is_compared(observed):
    """Persistence is the better one at the target VD, yesterday over all three: (6 + 2 * 1) / 3 against 4."""
    two = {"persistence": off_by(observed, 4.0), "yesterday": off_by(observed, [[1.0], [6.0], [1.0]])}
    found = of_errors(observed, lstm=2.0, xlstm=1.0, naive=two)
    assert found.best_naive == "yesterday"
    assert found.scores["all_vds"]["yesterday"].skill == 0


def test_further_targets_have_a_table_and_no_verdict(observed, tmp_path):
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
    path = tmp_path / "comparison.json"
    io.write(path, found)
    assert io.read(path, Comparison, "compare").further_targets == [speed]
    modes = {"multi_vd": found}
    for text in (comparison_markdown(found), report_markdown(modes, judge(modes))):
        part = text.partition("## Further targets\n")[2].partition("\n## ")[0]
        assert "is on volume alone." in part and "**speed, MAE in km/h" in part and "multi_vd (3 VDs)" in part
        assert "| LSTM " in part and "| 7.00 " in part
    assert "Further targets" not in comparison_markdown(of_errors(observed, lstm=2.0, xlstm=1.0, naive=4.0))


def test_a_loss_to_linear_is_said_though_skill_and_the_opponent_are_naive(observed):
    """It was the best on the validation part too."""
    found = of_errors(
        observed,
        lstm=2.0,
        xlstm=0.5,
        naive={"linear": off_by(observed, 1.0), "damped": off_by(observed, 4.0)},
    )
    assert found.best_naive == "damped"
    assert found.scores["all_vds"]["lstm"].skill == pytest.approx(0.5, abs=1e-4)
    assert found.scores["all_vds"]["linear"].skill == pytest.approx(0.75, abs=1e-4)
    lost = {
        (row.model, row.simpler)
        for row in judge({"multi_vd": found}).lines["multi_vd"]
        if row.status == "worse"
    }
    assert lost == {("lstm", "linear")}


def marked(observed, values, **kwargs) -> list[str]:
    """``notes`` where ``values`` were observed."""
    changed = replace(observed, observed=values)
    found = of_errors(changed, lstm=2.0, xlstm=1.0, naive=4.0, **kwargs)
    text = comparison_markdown(found)
    page = report_markdown({"multi_vd": found}, judge({"multi_vd": found}))
    for note in found.notes:
        assert f"**{note.words}**" in text and f"In multi_vd: {note.words}" in page
    assert "nan" not in text + page and "|  |" not in text + page
    assert b"NaN" not in msgspec.json.encode(found)
    return [note.words for note in found.notes]


def test_a_vd_without_test_observations_is_marked_and_counts_for_nothing(observed):
    values = observed.observed.copy()
    values[:, :, 2] = np.nan
    (note,) = marked(observed, values)
    assert note == (
        "VD VD-國 has no valid observation in the test part: there is no figure of it, "
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
    assert note == "the observations of VD VD-A do not vary in the test part: R2 is undefined."


def test_a_horizon_and_an_hour_without_data_are_marked(observed):
    values = observed.observed.copy()
    values[:, 1, 1] = np.nan
    (note,) = marked(observed, values)
    assert note == "VD VD-B has no observation 120 minutes ahead: nothing was scored there."
    values = observed.observed.copy()
    values[cuts.by_hour(observed).label[:, :, 0] == 3] = np.nan
    (note,) = marked(observed, values)
    assert note == "VD VD-B has no observation at local hour 3: nothing was scored there."


def test_few_days_and_a_single_seed_are_marked(observed):
    values = observed.observed.copy()
    values[60:] = np.nan
    assert "the test part has 3 days with observations" in marked(observed, values)[-1]
    one = of_errors(replace(observed, forecast=observed.forecast[:1]), lstm=2.0, xlstm=1.0, naive=4.0)
    assert [note.kind for note in one.notes] == ["seeds"]
    assert judge({"multi_vd": one}).overall.provisional
    assert "lstm_ensemble" not in one.scores["target_vd"]


def test_a_mode_that_cannot_be_compared_is_marked_and_the_others_go_on(observed):
    problem = "lstm and xlstm were not evaluated on the same windows"
    modes = {
        "single_vd": NoComparison(mode="single_vd", problem=problem),
        "multi_vd": of_errors(observed, lstm=2.0, xlstm=1.0, naive=4.0),
    }
    verdict = judge(modes)
    page = report_markdown(modes, verdict)
    assert f"In single_vd: {problem}." in page
    assert f"- `single_vd`: No verdict: {problem}." in page
    assert verdict.overall.better == "xlstm"
    assert verdict.modes["single_vd"].status == "no_verdict"
    figures = msgspec.to_builtins(summary_of(modes, verdict).modes)
    assert figures["single_vd"] == {"problem": problem}
    assert figures["multi_vd"]["by_horizon"]["persistence"] == pytest.approx(
        {"60min": 4, "120min": 4}, abs=1e-4
    )
    assert "problem" not in figures["multi_vd"] and "quantiles" not in figures["multi_vd"]
    assert f"**No comparison: {problem}.**" in comparison_markdown(modes["single_vd"])
    nothing = {"single_vd": modes["single_vd"]}
    assert "No answer: in single_vd, no verdict: lstm and xlstm" in report_markdown(nothing, judge(nothing))


def test_that_all_modes_share_their_origins_is_said_of_as_many_as_there_are(observed):
    one = of_errors(observed, lstm=2.0, xlstm=1.0, naive=4.0)
    lost = NoComparison(mode="lost", problem="why")
    for modes, said in (
        ({"multi_vd": one}, None),
        ({"multi_vd": one, "single_vd": one}, "Both modes are tested on the same windows"),
        ({"multi_vd": one, "single_vd": lost}, None),
    ):
        page = report_markdown(modes, judge(modes))
        assert (said in page) if said else ("the same windows" not in page)


def test_a_training_that_was_cut_short_is_noted_beside_what_it_noted_itself(observed):
    own, places = Said("scores.one_seed"), Said("scores.unplaced", {"run": "a", "vds": "b"})
    short = made.training(notes=[own, places], best_epoch=[10], epoch_limit=10)
    found = of_errors(observed, 2.0, 1.0, 4.0, trainings={"xlstm": short})
    assert [(note.kind, note.words) for note in found.notes] == [
        ("training", "One seed."),
        ("data", "In run a, VDs without coordinates have no neighbours: b."),
        (
            "training",
            "xLSTM has not converged: 1 of 1 networks were still improving at the limit of 10 epochs; raise train.epochs.",
        ),
    ]
