"""A search as one process takes part in it."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from optuna.trial import TrialState

from tests.search.conftest import settings_with
from vdcast import params
from vdcast.data import store
from vdcast.errors import InputError
from vdcast.layout import PREPARED
from vdcast.search import trainer
from vdcast.search.found import found
from vdcast.search.part import Part, folder_of
from vdcast.search.study import counts, presence
from vdcast.search.trainer import Lost, Trainer
from vdcast.train.copies import Rates
from vdcast.train.loop import train_epoch


def searched() -> Part:
    part = Part.of(params.load(), "multi_vd")
    part.take(Trainer(part.data))
    return part


def trials_of(part: Part) -> dict[str, list[tuple]]:
    return {
        model: [(t.state, t.value, t.params) for t in study.get_trials()]
        for model, study in part.studies.items()
    }


def test_both_models_get_the_trials_of_the_budget_and_the_best_is_confirmed(project):
    part = searched()
    for model, study in part.studies.items():
        trials = study.get_trials()
        assert sum(map(counts, trials)) == 5
        assert len(trials[0].user_attrs["seed_errors"]) == 2  # search.seeds
        assert trials[0].value == trials[0].user_attrs["seed_errors"][0]
        network = part.runs[model].network
        assert trials[0].params["learning_rate"] == network.learning_rate
        assert all(trial.state != TrialState.RUNNING for trial in trials)
    result = found(part, "multi_vd")
    for it in result.models.values():
        assert (it.trials, it.end) == (5, "trials")
        assert it.complete + it.pruned + sum(it.failed.values()) == 5
        assert it.best.seed_errors is not None and len(it.best.seed_errors) == 2
        assert it.best.error == min(tried.error for tried in it.top)


def test_a_finished_search_trains_nothing_more_and_a_larger_budget_goes_on(project):
    before = trials_of(searched())
    assert trials_of(searched()) == before
    settings_with({"search": {"trials": 7}})
    after = trials_of(searched())
    for model in before:
        assert after[model][: len(before[model])] == before[model]
        assert len(after[model]) >= len(before[model]) + 2


def test_values_of_the_test_part_change_no_trial(project):
    """Nor can it be there at all."""
    before = trials_of(searched())
    parts = ("train", "validation", "test")
    (prepared,) = store.read_prepared(PREPARED, parts)
    test = replace(prepared.parts["test"], values=np.full_like(prepared.parts["test"].values, 1e6))
    for others in ({"test": test}, {}):
        kept = {name: prepared.parts[name] for name in parts[:2]}
        store.write_prepared(PREPARED, [replace(prepared, parts=kept | others)])
        (folder_of("multi_vd") / "study.log").unlink()
        assert trials_of(searched()) == before


def test_trials_of_one_structure_are_asked_for_together(project):
    part = Part.of(params.load(), "multi_vd")
    with presence(part.folder) as name:
        firsts, seconds = ([part._next(name) for _ in range(2)] for _ in range(2))
    for (each,) in firsts:  # trial 0 of each model: train.seeds, and one more
        assert [(member.trial.number, member.seed) for member in each.members] == [(0, 3), (0, 0)]
    for (each,) in seconds:
        assert [(member.trial.number, member.seed) for member in each.members] == [(1, 3), (2, 3)]
        one, other = (member.network.model_dump() for member in each.members)
        assert {key for key in one if one[key] != other[key]} <= {*Rates._fields}
        assert one != other


def test_two_processes_share_one_study(project):
    one, other = (Part.of(params.load(), "multi_vd") for _ in range(2))
    with presence(one.folder) as first, presence(other.folder) as second:
        taken = [*one._next(first), *other._next(second), *one._next(first), *other._next(second)]
        names = [(each.run.name, member.trial.number) for each in taken for member in each.members[:1]]
        assert len({*names}) == 4  # nobody has what another one has
        for each in reversed(taken):
            each.train(Trainer(one.data))
    assert trials_of(one) == trials_of(other)
    other.take(Trainer(other.data))
    assert [sum(map(counts, study.get_trials())) for study in one.studies.values()] == [5, 5]


def test_trials_of_a_process_that_was_killed_are_tried_once_more(project):
    part = Part.of(params.load(), "multi_vd")
    ((killed,),) = [part._next("gone")]
    assert killed.run.model == "lstm"
    part.take(Trainer(part.data))
    trials = part.studies["lstm"].get_trials()
    assert trials[0].state == TrialState.FAIL
    assert trials[1].params == trials[0].params and len(trials[1].user_attrs["seed_errors"]) == 2
    assert sum(map(counts, trials)) == 5
    result = found(part, "multi_vd").models["lstm"]
    assert result.lost == 1 and result.first.number == 1


def test_a_trial_that_kills_twice_has_failed(project):
    part = Part.of(params.load(), "multi_vd")
    for _ in range(4):  # each model's first, twice
        part._next("gone")
    part.take(Trainer(part.data))
    for study in part.studies.values():
        trials = study.get_trials()
        assert [trial.state for trial in trials[:2]] == [TrialState.FAIL] * 2
        assert [counts(trial) for trial in trials[:2]] == [False, True]
        assert sum(map(counts, trials)) == 5
    result = found(part, "multi_vd").models["lstm"]
    assert result.failed == {"its process was killed, as happens when memory runs out": 1}
    assert result.first is None and result.best is not None


def test_combinations_that_no_network_can_have_are_counted_apart(project):
    settings_with(
        {"search": {"xlstm": {"num_blocks": [1, 2], "slstm_at": [[1]]}, "together": 1, "trials": 7}}
    )
    part = searched()
    trials = part.studies["xlstm"].get_trials()
    impossible = [trial for trial in trials if "impossible" in trial.user_attrs]
    assert impossible and {trial.params["num_blocks"] for trial in impossible} == {1}
    assert all("slstm_at [1] names block 1" in trial.user_attrs["impossible"] for trial in impossible)
    assert sum(map(counts, trials)) == 7
    assert found(part, "multi_vd").models["xlstm"].impossible == len(impossible)


def test_a_trial_that_diverges_has_failed_with_its_reason_and_the_others_go_on(project):
    settings_with({"search": {"lstm": {"learning_rate": [0.001, 1e30]}, "trials": 8}})
    part = searched()
    trials = part.studies["lstm"].get_trials()
    failed = [trial for trial in trials if trial.params["learning_rate"] == 1e30]
    assert failed and all(trial.state == TrialState.FAIL for trial in failed)
    assert all("its loss was not finite in epoch 1" in trial.user_attrs["reason"] for trial in failed)
    good = [trial for trial in trials if trial.params["learning_rate"] == 0.001]
    assert all(trial.state in (TrialState.COMPLETE, TrialState.PRUNED) for trial in good)


def test_what_memory_does_not_hold_together_is_trained_one_by_one_and_fails_alone(project, monkeypatch):
    def scarce(built):
        """Memory holds one LSTM, unless it is trial 0 with its two seeds, and no xLSTM but trial 0."""
        same = len(set(built.copies.seeds)) > 1
        if not same and (built.run.model == "xlstm" or len(built.copies.seeds) > 1):
            raise MemoryError("Unable to allocate 9 TiB")
        train_epoch(built)

    monkeypatch.setattr(trainer, "train_epoch", scarce)
    part = searched()
    trials = {model: list(filter(counts, study.get_trials())) for model, study in part.studies.items()}
    assert TrialState.FAIL not in [trial.state for trial in trials["lstm"]]
    assert [trial.state for trial in trials["xlstm"]] == [TrialState.COMPLETE, *[TrialState.FAIL] * 4]
    assert {trial.user_attrs["reason"] for trial in trials["xlstm"][1:]} == {
        "memory ran out: Unable to allocate 9 TiB"
    }


def test_the_seconds_end_a_search_too(project):
    settings_with({"search": {"trials": 1000, "seconds": 0.01}})
    part = searched()
    for it in found(part, "multi_vd").models.values():
        assert (
            it.end == "seconds" and it.trials == 1
        )  # the first is trained whole, so that there is something


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (
            {"search": {"lstm": {"hidden_size": [4]}}},
            "search.lstm.hidden_size leaves out 8, which run lstm-multi_vd has",
        ),
        (
            {"search": {"xlstm": {"learning_rate": {"low": 0.01, "high": 0.1, "log": True}}}},
            "search.xlstm.learning_rate leaves out 0.001",
        ),
        (
            {"search": {"lstm": {"lookback": [None, 7]}}},
            r"search.lstm.lookback holds 7 steps, and a window looks back 6 \(window.lookback\)",
        ),
    ],
)
def test_the_space_holds_what_the_run_has(project, changes, words):
    settings_with(changes)
    with pytest.raises(InputError, match=words):
        Part.of(params.load(), "multi_vd")


def test_a_study_of_other_settings_data_or_version_is_refused(project):
    Part.of(params.load(), "multi_vd")
    settings_with({"train": {"epochs": 3}})
    with pytest.raises(InputError, match="is a study of other train: its trials do not compare"):
        Part.of(params.load(), "multi_vd")
    settings_with({"search": {"lstm": {"hidden_size": [8]}}})
    with pytest.raises(InputError, match=r"is a study of other search\.lstm"):
        Part.of(params.load(), "multi_vd")
    settings_with({})
    (prepared,) = store.read_prepared(PREPARED, ("train", "validation"))
    train = prepared.parts["train"]
    changed = replace(train, values=train.values + np.float32(1))
    store.write_prepared(PREPARED, [replace(prepared, parts=prepared.parts | {"train": changed})])
    with pytest.raises(InputError, match="is a study of other data"):
        Part.of(params.load(), "multi_vd")
    path = folder_of("multi_vd") / "study.log"
    path.write_text(
        path.read_text().replace('"version":1', '"version":0').replace('"version": 1', '"version": 0')
    )
    with pytest.raises(InputError, match="study of version 0, and this vdcast makes version 1; delete it"):
        Part.of(params.load(), "multi_vd")
    path.write_text('{"a": "journal of something else"}\n')
    with pytest.raises(InputError, match=r"study\.log is no study of `vdcast search`"):
        Part.of(params.load(), "multi_vd")


def test_a_mode_that_nobody_compares_is_refused(project):
    with pytest.raises(InputError, match="`comparisons` has no 'single_vd'; a search is of one of: multi_vd"):
        Part.of(params.load(), "single_vd")


def test_a_line_that_was_cut_short_is_taken_out(project):
    part = searched()
    before = trials_of(part)
    with (folder_of("multi_vd") / "study.log").open("ab") as file:
        file.write(b'{"op_code": 5, "wor')  # as of a full disk
    settings_with({"search": {"trials": 6}})
    after = trials_of(searched())
    assert all(after[model][: len(before[model])] == before[model] for model in before)
    assert Path(folder_of("multi_vd") / "study.log").read_bytes().endswith(b"}\n")


class Loses(Trainer):
    """Its node is gone in the first epoch of each of these stacks, counted from 0."""

    def __init__(self, data, stacks):
        super().__init__(data)
        self.stacks, self.begun = stacks, -1

    def begin(self, run, copies):
        self.begun += 1
        super().begin(run, copies)

    def epoch(self):
        if self.begun in self.stacks:
            raise Lost
        return super().epoch()


def test_trials_whose_node_is_lost_are_tried_once_more(project):
    before = trials_of(searched())
    (folder_of("multi_vd") / "study.log").unlink()
    part = Part.of(params.load(), "multi_vd")
    part.take(Loses(part.data, {0, 3}))
    results = found(part, "multi_vd").models
    assert sum(it.lost for it in results.values()) == 3, "a first trial, and two that were trained together"
    assert [it.trials for it in results.values()] == [5, 5]
    for model, study in part.studies.items():
        first = next(t for t in study.get_trials() if t.state == TrialState.COMPLETE)
        assert first.value == before[model][0][1], "as in a search that lost none"
