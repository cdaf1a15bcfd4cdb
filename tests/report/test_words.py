"""Sentences of the answer."""

import pytest
from msgspec import structs

from tests.records import made
from vdcast.records.comparison import Note
from vdcast.report import words
from vdcast.report.judge import judge

COST = made.comparison().cost  # LSTM: 10 s, 100 parameters; xLSTM: 40 s, 200


def answer(relative: float, error: float = 0.02, **others) -> str:
    mode = made.comparison(**{"differences": [made.difference("xlstm", "lstm", relative, error)]} | others)
    return judge({"multi_vd": mode}, primary="multi_vd", margin=0.05).overall.words


def test_equal_models_cost_what_they_cost():
    assert answer(0.01, 0.01) == (
        "Take the LSTM: both forecast equally well within 5 %, and it trains 4.0 times faster (xLSTM's error is 1.0 % higher "
        "than LSTM's, 96 % interval -1.1 to +3.1 %, in multi_vd)."
    )
    same = {"lstm": COST["lstm"], "xlstm": COST["lstm"]}
    assert answer(0.01, 0.01, cost=same).startswith(
        "Take either: both forecast equally well within 5 %, at the same cost of training"
    )


def test_the_better_model_is_taken_and_its_price_said():
    assert answer(0.1) == (
        "Take the LSTM: its error is 10.0 % lower than the xLSTM's in multi_vd (xLSTM - LSTM: 96 % interval +5.9 to +14.1 %), "
        "and it trains 4.0 times faster."
    )
    assert answer(-0.1) == (
        "Take the xLSTM if its 4.0 times longer training is no matter: its error is 10.0 % lower than the LSTM's in multi_vd "
        "(xLSTM - LSTM: 96 % interval -14.1 to -5.9 %)."
    )


def test_undecided_says_what_would_decide_and_what_to_do_meanwhile():
    said = answer(0.01, 0.04)
    assert said.startswith(
        "Undecided: xLSTM's error is 1.0 % higher than LSTM's in multi_vd, 96 % interval -7.2 to +9.2 %;"
    )
    assert (
        "this design shows 11.6 % in 80 % of cases. To decide, it would take 24 test days in place of 5"
        in said
    )
    assert said.endswith("Until then take the LSTM, which trains 4.0 times faster.")


def test_no_figure_hides_a_sign():
    assert words.percent(0.0004, -0.0001, signed=True) == ["+0.04 %", "-0.01 %"]
    assert words.more_or_less(0.0, "a", "b") == "a's error is b's"


def test_cost_goes_to_the_cheaper_unless_accuracy_must_be_paid_for():
    assert words.by_cost(None, COST)[0] == ["lstm", "lstm"]
    assert words.by_cost("lstm", COST)[0] == ["lstm", "lstm"]
    wins, said = words.by_cost("xlstm", COST)
    assert wins == [None, None]
    assert said == (
        "per second of training neither wins (LSTM trains 4.0 times faster); "
        "per parameter neither wins (xLSTM has 2.0 times as many)"
    )
    same = {"lstm": COST["lstm"], "xlstm": COST["lstm"]}
    assert words.by_cost(None, same)[0] == [None, None]
    assert words.by_cost("xlstm", same)[0] == ["xlstm", "xlstm"]


def judged(lines, mode="multi_vd"):
    return judge({mode: made.comparison(mode, lines=lines)}, primary=mode, margin=0.05)


def test_losses_are_one_sentence():
    lines = [
        made.line("lstm", "linear", 0.08),
        made.line("lstm", "persistence", 0.2, place="horizon", label=15.0),
        made.line("xlstm", "linear", 0.0),
    ]
    assert judged(lines).losses == (
        "Simpler forecasts are better in places: LSTM loses to linear in multi_vd by 8.0 %; LSTM loses to persistence in "
        "multi_vd 15 minutes ahead by 20.0 %."
    )
    many = [made.line("lstm", "linear", 0.3, place="horizon", label=5.0 * i) for i in range(6)]
    assert judged(many).losses.endswith(" and 2 more, below.")


def test_no_loss_is_said_with_what_is_shown_instead():
    assert judged([made.line("lstm", "linear"), made.line("xlstm", "linear", 0.0)]).losses == (
        "In multi_vd no simpler forecast is shown to be better than a model; better than linear, the best of them on the "
        "validation part, is LSTM (LSTM's error is 20.0 % lower than linear's; xLSTM's error is linear's)."
    )
    assert judged([made.line("lstm", "damped", 0.0)]).losses == (
        "In multi_vd no simpler forecast is shown to be better than a model; nor is a model shown to be better than damped, the "
        "best of them on the validation part (LSTM's error is damped's)."
    )
    assert judged([]).losses == "In multi_vd nothing could be compared with simpler forecasts."


def test_answers_against_simpler_forecasts_are_gathered():
    lines = [made.line("lstm", "linear", 0.3)]
    lines += [
        made.line("lstm", simpler, each, place="horizon", label=15.0 * i)
        for i, (simpler, each) in enumerate(
            (("persistence", 0.3), ("linear", -0.3), ("linear", -0.3), ("linear", 0.04), ("linear", 0.3)), 1
        )
    ]
    assert judged(lines).against["multi_vd"] == [
        "LSTM loses to linear: LSTM's error is 30.0 % higher than linear's, 98.25 % interval +25.2 to +34.8 %.",
        "LSTM by minutes ahead: loses to persistence at 15; better than linear at 30 and 45; no worse shown than linear at 60.",
    ]


def test_what_weakens_the_answer_is_said_once_by_kind():
    seed, gap = Note("seeds", "one seed was trained."), Note("data", "VD a has no observation.")
    modes = {
        "single_vd": made.comparison(notes=[seed]),
        "multi_vd": made.comparison(notes=[gap, seed]),
    }
    found = judge(modes, primary="multi_vd", margin=0.05, dropped=["VD b was dropped."]).weaknesses
    assert [(it.title, it.sentences) for it in found] == [
        ("One seed", ["In single_vd and multi_vd: one seed was trained."]),
        ("What was not observed", ["In multi_vd: VD a has no observation."]),
        ("What was left out", ["VD b was dropped."]),
    ]


@pytest.mark.parametrize(("second", "said"), [(4.001, True), (4.1, False)])
def test_modes_whose_weights_see_the_target_vd_alone_agree_on_it(second, said):
    alone = made.comparison("single_vd")
    scores = {name: made.scores(mae) for name, mae in {"lstm": 5.0, "xlstm": second}.items()}
    apart = structs.replace(
        alone, mode="independent_multi_vd", vds=["7", "8"], scores={"target_vd": scores, "all_vds": scores}
    )
    joint = structs.replace(apart, mode="multi_vd")
    modes = {"single_vd": alone, "multi_vd": joint, "independent_multi_vd": apart}
    found = words.same_vd(modes)
    assert (found is not None) is said
    if said:
        assert found.startswith("single_vd and independent_multi_vd agree on VD 7 as they must")
    assert words.same_vd({"single_vd": alone, "multi_vd": joint}) is None
