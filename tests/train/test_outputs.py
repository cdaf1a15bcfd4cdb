"""What training.json says beside figures: copies whose loss did not stay finite, detectors that nobody knows the place of."""

from dataclasses import replace

import pytest
import torch

from tests.train.small import run_of, task_of
from vdcast.language import in_words
from vdcast.train.fitted import Fitted
from vdcast.train.outputs import divergence, unplaced


@pytest.fixture
def run(small_lstm):
    return run_of(small_lstm, "independent_multi_vd", seeds=[3, 5])


def fitted(best_epoch: list[int], diverged: list[int]) -> Fitted:
    N = len(best_epoch)
    return Fitted(
        weights={},
        figures=torch.zeros(1, N, 4),
        training=[N],
        learning_rate=[0.01],
        seconds=[1.0],
        best_epoch=best_epoch,
        best_loss=[0.5] * N,
        diverged=diverged,
        peak_memory_mb=1.0,
    )


def test_nothing_is_said_of_a_training_that_stayed_finite(run):
    assert divergence(run, fitted([1, 2], [0, 0]), ["A"]) == (None, [])


def test_a_copy_is_named_by_seed_and_vd_and_keeps_what_it_has(run):
    problem, notes = divergence(run, fitted([1, 0, 2, 4], [0, 1, 7, 0]), ["A", "B"])
    advice = "lower lstm.learning_rate (0.01) or train.gradient_clip (1)"
    assert in_words(problem) == (
        "run lstm-independent_multi_vd has no weights of seed 3 of VD B, as the loss was not finite in the first "
        f"epoch; {advice}"
    )
    assert [*map(in_words, notes)] == [
        "In run lstm-independent_multi_vd, the loss did not stay finite for seed 5 of VD A (in epoch 7; the weights are "
        f"those of epoch 2): training ended there; {advice}."
    ]


def test_of_many_copies_some_are_named(run):
    problem, _ = divergence(run, fitted([0] * 20, [1] * 20), [f"{v}" for v in range(10)])
    assert "seed 3 of VD 4 and 15 more, as" in in_words(problem)


def test_detectors_without_coordinates_are_named(small_lstm, detectors, prepare_settings):
    run, task = run_of(small_lstm, "social"), task_of(detectors, prepare_settings, "social")
    assert unplaced(run, task) == []
    lost = replace(task.neighbours, lost=("A", "B", "C", "D", "E", "F"))
    assert [*map(in_words, unplaced(run, replace(task, neighbours=lost)))] == [
        "In run lstm-social, VDs without coordinates have no neighbours: A, B, C, D, E and 1 more."
    ]
