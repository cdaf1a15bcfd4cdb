"""The change of a verdict in words and figures (tests/pipeline/test_verdict.py reads it from revisions)."""

from msgspec import structs

from tests.records import made
from vdcast.commands import verdict
from vdcast.records.summary import ModeFigures, ModeVerdict, Overall, Summary, Verdict


def summary(
    status="undecided", better=None, words=None, mae=2.0, seconds=10.0, persistence=3.0, losses=""
) -> Summary:
    words = words or (f"{better} better by 1.00" if better else "undecided: 0.10")
    said = {"status": status, "better": better, "provisional": False}
    mode = ModeVerdict(**said, words=words, takes=None, per_second=None, per_parameter=None, cost_words="")
    verdict = Verdict(
        overall=Overall(**said, mode="multi_vd", words=f"Overall {words}."),
        losses=losses,
        modes={"multi_vd": mode},
        differences={},
        lines={},
        against={},
        weaknesses=[],
        same_vd=None,
        rule="",
        margin=0.05,
    )
    maes = {"lstm": 2.5, "xlstm": mae, "persistence": persistence, "lstm_ensemble": mae}
    figures = ModeFigures(
        target_vd={name: made.scores(each) for name, each in maes.items()},
        cost={
            "lstm": made.spent(seconds=5.0, parameters=1000),
            "xlstm": made.spent(seconds=seconds, parameters=2000),
        },
    )
    return Summary(verdict=verdict, modes={"multi_vd": figures})


def change_markdown(*given, changed=None) -> str:
    return verdict.change_markdown(*given, changed or {})


def test_no_change_is_said_to_be_none():
    text = change_markdown("main", "workspace", summary(), summary())
    assert text.splitlines()[0] == "### Verdict: `main` to `workspace`"
    assert "**Overall undecided: 0.10.** (as before)" in text
    assert "- `multi_vd`: Undecided: 0.10. (as before)" in text
    assert "| `multi_vd` | xLSTM | 2.000 | 0 | not known | - | 10 | 0 | 2,000 | 0 |" in text


def test_old_and_new_stand_side_by_side():
    new = summary("better", "xLSTM", mae=1.5, seconds=30.0)
    text = change_markdown("main", "larger", summary(), new)
    assert "**Overall xLSTM better by 1.00.** Before: Overall undecided: 0.10." in text
    assert "- `multi_vd`: **changed**\n  - now: xLSTM better by 1.00.\n  - before: Undecided: 0.10." in text
    assert "| `multi_vd` | LSTM | 2.500 | 0 | not known | - | 5 | 0 | 1,000 | 0 |" in text
    assert (
        "| `multi_vd` | xLSTM | 2.000 to 1.500 | -25.0% | not known | - | 10 to 30 | +200.0% | 2,000 | 0 |"
        in text
    )
    assert "cannot be compared" not in text


def test_a_loss_in_the_new_report_is_said_before_its_modes():
    new = summary(losses="LSTM loses to persistence.")
    lines = change_markdown("a", "b", summary(), new).splitlines()
    assert lines.index("LSTM loses to persistence.") < lines.index(
        "- `multi_vd`: Undecided: 0.10. (as before)"
    )


def test_other_figures_with_the_same_answer_are_no_change_of_the_verdict():
    new = summary(words="undecided: 0.20")
    assert "- `multi_vd`: same answer" in change_markdown("a", "b", summary(), new)


def test_from_no_verdict_to_undecided_is_a_change_of_the_answer():
    """Whatever the words: the status decides."""
    none = summary("no_verdict", words="no interval from 1 test day")
    for pair in ((none, summary()), (summary(), none)):
        assert "- `multi_vd`: **changed**" in change_markdown("a", "b", *pair)
    other = summary("no_verdict", words="no weights")
    assert "- `multi_vd`: same answer" in change_markdown("a", "b", none, other)


def test_other_observations_forbid_the_comparison():
    text = change_markdown("a", "b", summary(), summary(persistence=4.0))
    assert "not scored on the same observations" in text and "cannot be compared: `multi_vd`.**" in text


def test_a_baseline_that_one_side_lacks_says_nothing_of_the_observations():
    new = summary()
    new.modes["multi_vd"].target_vd["damped"] = made.scores(2.9)
    assert "cannot be compared" not in change_markdown("a", "b", summary(), new)


def test_a_mode_that_one_side_lacks_is_no_error():
    whole = summary()
    old = structs.replace(whole, modes={}, verdict=structs.replace(whole.verdict, modes={}))
    text = change_markdown("a", "b", old, whole)
    assert "before: No verdict." in text and "none to 2.500 | -" in text


def test_a_name_in_a_sentence_is_no_markup():
    new = summary(words="undecided on VD [a](b)\x1b, p <1e-6", losses="VD <b>\n# c has no data.")
    text = change_markdown("a", "b", summary(), new)
    assert "VD &#60;b&#62;&#92;x0a# c has no data." in text
    assert "  - now: Undecided on VD &#91;a&#93;(b)&#92;x1b, p <1e-6." in text


def test_a_change_carries_an_interval_that_allows_for_all_of_them():
    changed = {
        ("multi_vd", "lstm"): made.difference("new", "old", 0.001, 0.01),
        ("multi_vd", "xlstm"): made.difference("new", "old", -0.1, 0.02),
        ("single_vd", "lstm"): None,
        ("single_vd", "xlstm"): made.difference("new", "old", 0.0, 0.02),  # the same, so nothing is tested
    }
    text = change_markdown("a", "b", summary(), summary(), changed=changed)
    assert "| -10.0 %, 97.5 % interval -14.5 to -5.5 % | better |" in text
    assert "| +0.1 %, 95 % interval -1.9 to +2.1 % | equal within 5 % |" in text
    same = {("multi_vd", "lstm"): changed["single_vd", "xlstm"]}
    text = change_markdown("a", "b", summary(), summary(), changed=same)
    assert "| `multi_vd` | LSTM | 2.500 | 0 | none | the same forecasts |" in text
