"""Folds of a walk forward are trained side by side, and none knows what comes after it."""

from dataclasses import replace

import numpy as np
import torch

from tests.train.small import run_of, same, task_of
from vdcast.language import in_words
from vdcast.models.shared.trained import Trained
from vdcast.params.sections import Folds
from vdcast.prepare.split import prepare
from vdcast.train.copies import stacks_of
from vdcast.train.data import Inputs, TrainingData
from vdcast.train.outputs import divergence, outputs_of
from vdcast.train.workers import fit

FOLDS = Folds(number=2, days=3, every=3, refit=True)  # test parts from step 336 and 408 of 480


def inputs(detectors, settings, mode="multi_vd") -> list[Inputs]:
    made, _ = prepare(detectors, settings, FOLDS)
    known = [
        replace(each, parts={name: each.parts[name] for name in ("train", "validation")}) for each in made
    ]
    found = []
    for each in known:
        task = replace(task_of(detectors, settings, mode), mean=each.mean, std=each.std, profile=each.profile)
        found.append(Inputs(each, task, TrainingData.of(task, each, "cpu")))
    return found


def fitted(run, folds):
    return fit(run, [each.data for each in folds])


def test_copies_are_by_fold_then_seed_then_group(small_lstm):
    run = run_of(small_lstm, seeds=[4, 9])
    for device in ("cpu", "cuda"):
        stacks = stacks_of(run, [[0], [1]], device, folds=2)
        each = [
            (it.fold, seed, group)
            for it in stacks
            for seed, (group,) in zip(it.seeds, it.groups, strict=True)
        ]
        assert each == [(fold, seed, group) for fold in (0, 1) for seed in (4, 9) for group in (0, 1)]


def test_folds_together_are_each_fold_alone(detectors, prepare_settings, small_lstm):
    run = run_of(small_lstm, "independent_multi_vd", epochs=2, seeds=[0, 1])
    folds = inputs(detectors, prepare_settings, "independent_multi_vd")
    together = fitted(run, folds).weights
    alone = [fitted(run, [fold]).weights for fold in folds]
    assert same(together, {name: torch.cat([each[name] for each in alone]) for name in together})


def test_values_at_or_after_its_test_part_change_no_byte_of_a_fold(detectors, prepare_settings, small_lstm):
    run = run_of(small_lstm, epochs=2)
    before = fitted(run, inputs(detectors, prepare_settings)).weights
    for first, kept in ((408, (0, 1)), (336, (0,)), (200, ())):
        values = detectors.values.copy()
        values[first:] = 1e6 * np.random.default_rng(0).random(values[first:].shape)
        after = fitted(run, inputs(replace(detectors, values=values), prepare_settings)).weights
        equal = [
            all(torch.equal(before[name][fold], after[name][fold]) for name in before) for fold in (0, 1)
        ]
        assert all(equal[fold] for fold in kept)
        assert any(equal) is bool(kept), "or the test would not see a change"


def test_a_model_file_holds_every_fold_and_opens_as_the_last(
    detectors, prepare_settings, small_lstm, tmp_path
):
    run = run_of(small_lstm, epochs=1)
    folds = inputs(detectors, prepare_settings)
    made = outputs_of(run, folds, fitted(run, folds))
    made.trained.save(tmp_path / "model.pt")
    loaded = Trained.load(tmp_path / "model.pt")
    assert len(loaded.folds) == 2 and made.training.copies == 2
    for before, after, fold in zip(made.trained.folds, loaded.folds, folds, strict=True):
        assert same(before.weights, after.weights)
        np.testing.assert_array_equal(after.task.profile, fold.prepared.profile)
        part = fold.prepared.parts["validation"]
        np.testing.assert_array_equal(after.forecast(part), before.forecast(part))
    part = folds[1].prepared.parts["validation"]
    np.testing.assert_array_equal(loaded.forecast(part), loaded.folds[1].forecast(part))
    assert not np.array_equal(loaded.forecast(part), loaded.folds[0].forecast(part))


def test_a_copy_without_weights_is_named_with_its_fold(detectors, prepare_settings, small_lstm):
    run = run_of(small_lstm, epochs=1)
    found = replace(fitted(run, inputs(detectors, prepare_settings)), best_epoch=[1, 0], diverged=[0, 1])
    problem, _ = divergence(run, found, ["a"], folds=2)
    assert "has no weights of seed 0 of fold 2, as" in in_words(problem)
