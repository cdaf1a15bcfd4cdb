"""What the page says of the search behind the settings."""

from tests.params.test_load import write
from vdcast import params
from vdcast.report.searched import searched


def test_it_says_so_where_nothing_was_searched(tmp_path):
    settings = params.load(write(tmp_path, ("search.spent", {})))
    assert searched(settings).sentences == [
        "In single_vd, multi_vd, independent_multi_vd and global_multi_vd, `vdcast search` gave LSTM 0 trials in 0 CPU "
        "seconds and xLSTM 0 trials in 0 CPU seconds, by the validation part."
    ]


def test_it_says_what_each_model_had_of_each_mode(tmp_path):
    spent = {
        "lstm-multi_vd": {"trials": 60, "seconds": 412.4},
        "xlstm-multi_vd": {"trials": 48, "seconds": 1900.6},
    }
    modes = ("single_vd", "multi_vd")
    pairs = {mode: {"lstm": f"lstm-{mode}", "xlstm": f"xlstm-{mode}"} for mode in modes}
    found = searched(params.load(write(tmp_path, ("search.spent", spent), ("comparisons", pairs))))
    assert found.sentences == [
        "In single_vd, `vdcast search` gave LSTM 0 trials in 0 CPU seconds and xLSTM 0 trials in 0 CPU seconds, by the "
        "validation part.",
        "In multi_vd, `vdcast search` gave LSTM 60 trials in 412 CPU seconds and xLSTM 48 trials in 1,901 CPU seconds, "
        "by the validation part.",
    ]
