"""The change of a verdict in words and figures (tests/pipeline/test_verdict.py reads it from revisions)."""

import copy

from vdcast.commands import verdict


def summary(better=None, mae=2.0, seconds=10.0, persistence=3.0) -> dict:
    words = f"{better} better by 1.00" if better else "no difference shown: 0.10"
    return {
        "verdict": {
            "overall": {"better": better, "words": words},
            "modes": {"multi_vd": {"better": better, "words": words}},
        },
        "multi_vd": {
            "target_vd": {"lstm": {"mae": 2.5}, "xlstm": {"mae": mae}, "persistence": {"mae": persistence}},
            "cost": {
                "lstm": {"seconds": 5.0, "parameters": 1000},
                "xlstm": {"seconds": seconds, "parameters": 2000},
            },
        },
    }


def test_no_change_is_said_to_be_none():
    text = verdict.as_markdown("main", "workspace", summary(), summary())
    assert text.splitlines()[0] == "### Verdict: `main` to `workspace`"
    assert "**No difference shown: 0.10.** (as before)" in text
    assert "- `multi_vd`: No difference shown: 0.10. (as before)" in text
    assert "| `multi_vd` | xLSTM | 2.000 | 0 | 10 | 0 | 2,000 | 0 |" in text


def test_old_and_new_stand_side_by_side():
    text = verdict.as_markdown("main", "larger", summary(), summary("xLSTM", mae=1.5, seconds=30.0))
    assert "**xLSTM better by 1.00.** Before: No difference shown: 0.10." in text
    assert (
        "- `multi_vd`: **changed**\n  - now: xLSTM better by 1.00.\n  - before: No difference shown: 0.10."
        in text
    )
    assert "| `multi_vd` | LSTM | 2.500 | 0 | 5 | 0 | 1,000 | 0 |" in text
    assert "| `multi_vd` | xLSTM | 2.000 to 1.500 | -25.0% | 10 to 30 | +200.0% | 2,000 | 0 |" in text
    assert "cannot be compared" not in text


def test_what_the_new_report_opens_with_is_said_first():
    new = summary()
    new["verdict"]["warnings"] = ["In multi_vd, LSTM loses to persistence."]
    lines = verdict.as_markdown("a", "b", summary(), new).splitlines()
    assert lines.index("- In multi_vd, LSTM loses to persistence.") < lines.index(
        "- `multi_vd`: No difference shown: 0.10. (as before)"
    )


def test_other_figures_with_the_same_answer_are_no_change_of_the_verdict():
    new = summary()
    new["verdict"]["modes"]["multi_vd"]["words"] = "no difference shown: 0.20"
    assert "- `multi_vd`: same answer" in verdict.as_markdown("a", "b", summary(), new)


def test_from_no_verdict_to_no_difference_is_a_change_of_the_answer():
    none = summary()
    none["verdict"]["modes"]["multi_vd"]["words"] = (
        "no verdict on xLSTM against LSTM: no interval from 1 test day"
    )
    for pair in ((none, summary()), (summary(), none)):
        assert "- `multi_vd`: **changed**" in verdict.as_markdown("a", "b", *pair)
    other = copy.deepcopy(none)
    other["verdict"]["modes"]["multi_vd"]["words"] = "no verdict: no weights"
    assert "- `multi_vd`: same answer" in verdict.as_markdown("a", "b", none, other)


def test_other_observations_forbid_the_comparison():
    text = verdict.as_markdown("a", "b", summary(), summary(persistence=4.0))
    assert "not scored on the same observations" in text and "cannot be compared: `multi_vd`.**" in text


def test_a_mode_or_a_verdict_that_one_side_lacks_is_no_error():
    old = copy.deepcopy(summary())
    del old["verdict"], old["multi_vd"]
    text = verdict.as_markdown("a", "b", old, summary())
    assert "before: No verdict." in text and "none to 2.500 | -" in text
