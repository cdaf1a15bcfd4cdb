"""What the page says of the search behind the settings."""

import pytest

from tests.params.test_load import write
from vdcast import params
from vdcast.records.summary import ModeVerdict
from vdcast.report.searched import searched


def test_it_says_so_where_nothing_was_searched(tmp_path):
    settings = params.load(write(tmp_path, ("search.spent", {})))
    assert searched(settings, {}).sentences == [
        "In single_vd, multi_vd, independent_multi_vd and global_multi_vd no setting was searched for: both models are "
        "trained with what params.yaml says."
    ]


def test_it_says_what_each_model_had_of_each_mode(tmp_path):
    spent = {
        "lstm-multi_vd": {"trials": 60, "seconds": 412.4},
        "xlstm-multi_vd": {"trials": 48, "seconds": 1900.6},
    }
    modes = ("single_vd", "multi_vd")
    pairs = {mode: {"lstm": f"lstm-{mode}", "xlstm": f"xlstm-{mode}"} for mode in modes}
    found = searched(params.load(write(tmp_path, ("search.spent", spent), ("comparisons", pairs))), {})
    assert found.sentences == [
        "In single_vd no setting was searched for: both models are trained with what params.yaml says.",
        "In multi_vd, `vdcast search` gave LSTM 60 trials in 412 CPU seconds and xLSTM 48 trials in 1,901 CPU seconds, "
        "by the validation part.",
    ]


def verdict(status: str, better: str | None) -> ModeVerdict:
    nothing = dict(
        provisional=False, words="", takes=None, per_second=None, per_parameter=None, cost_words=""
    )
    return ModeVerdict(status=status, better=better, **nothing)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        (("equal", None), ("equal", None), "was the same: Equal within 5 %."),
        (("equal", None), ("better", "xlstm"), "was another one: Equal within 5 %. Now: xLSTM better."),
        (("better", "lstm"), ("better", "xlstm"), "was another one: LSTM better. Now: xLSTM better."),
        (("no_verdict", None), ("undecided", None), "was another one: No verdict. Now: Undecided."),
    ],
)
def test_it_says_whether_a_search_changed_the_answer(tmp_path, before, after, said):
    known = {"multi_vd": {"status": before[0], "better": before[1]}}
    settings = params.load(write(tmp_path, ("search.before", known)))
    *_, last = searched(settings, {"multi_vd": verdict(*after)}).sentences
    assert last == f"In multi_vd the answer with the settings from before that search {said}"


def test_an_answer_of_a_mode_that_is_compared_no_more_is_left_out(tmp_path):
    settings = params.load(
        write(
            tmp_path, ("search.spent", {}), ("search.before", {"social": {"status": "equal", "better": None}})
        )
    )
    assert len(searched(settings, {"multi_vd": verdict("equal", None)}).sentences) == 1
