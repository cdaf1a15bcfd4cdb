"""The section `search`: what it lets a search try."""

import pytest

from tests.params.test_load import SHIPPED, write
from vdcast import params
from vdcast.errors import InputError


def test_the_file_that_is_shipped_gives_both_models_one_budget_and_lets_the_first_trial_be_what_is_there():
    settings = params.load(SHIPPED)
    for model in ("lstm", "xlstm"):
        for run in (run for run in settings.runs.values() if run.model == model):
            for key, values in getattr(settings.search, model).items():
                value = getattr(run.network, key)
                if isinstance(values, list):
                    assert value in values or run.mode != settings.evaluate.primary
                else:
                    assert values.low <= value <= values.high


def test_what_was_spent_on_a_run_that_is_not_named_is_nothing(tmp_path):
    spent = {"lstm-multi_vd": {"trials": 60, "seconds": 812.5}}
    search = params.load(write(tmp_path, ("search.spent", spent))).search
    assert (search.spent_on("lstm-multi_vd").trials, search.spent_on("lstm-multi_vd").seconds) == (60, 812.5)
    assert (search.spent_on("xlstm-multi_vd").trials, search.spent_on("xlstm-multi_vd").seconds) == (0, 0.0)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (("search.lstm.hiden_size", [8]), "search.lstm: hiden_size is no setting to try; did you mean hidden_size? (allowed: "),
        (("search.lstm.num_blocks", [1]), "search.lstm: num_blocks is no setting to try"),
        (("search.xlstm.compile", [True]), "search.xlstm: compile is no setting to try"),
        (("search.lstm.hidden_size", []), "search.lstm: hidden_size = [] is neither a list of values, each once, nor a range"),
        (("search.lstm.hidden_size", [8, 8]), "search.lstm: hidden_size = [8, 8] is neither a list of values, each once"),
        (("search.lstm.hidden_size", 8), "search.lstm: hidden_size = 8 is neither a list"),
        (("search.lstm.hidden_size", [8, 0]), "search.lstm: hidden_size holds 0: input should be greater than 0"),
        (("search.xlstm.slstm_at", [1]), "search.xlstm: slstm_at holds 1: input should be a valid list"),
        (("search.lstm.dropout", {"low": 0.1, "high": 1.0, "log": False}), "search.lstm: dropout holds 1.0: input should be less than 1"),
        (("search.lstm.dropout", {"low": 0.3, "high": 0.3, "log": False}), "search.lstm: dropout: low 0.3 is not below high 0.3"),
        (("search.lstm.dropout", {"low": 0.0, "high": 0.3, "log": True}), "search.lstm: dropout: low 0 has no logarithm"),
        (("search.lstm.dropout", {"low": 0.1, "high": 0.3}), "search.lstm: dropout.log: field required; a range is {low: 0.1, high: 0.5, log: false}"),
        (("search.trials", 0), "search.trials = 0 (int)"),
        (("search.seconds", 0), "search.seconds = 0 (int)"),
        (("search.seeds", 1), "search.seeds = 1 (int)"),
        (("search.gru", {}), "search.gru is not a setting"),
    ],
)  # fmt: skip
def test_a_space_that_cannot_be_is_one_sentence(tmp_path, change, sentence):
    with pytest.raises(InputError) as error:
        params.load(write(tmp_path, change))
    assert sentence in str(error.value) and "\n" not in str(error.value)
