"""The figures of metrics.json, by hand."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from tests.train.small import data
from tests.train.test_outputs import fitted
from vdcast.prepare.split import prepare
from vdcast.train.validation import kept_mae, naive_maes, validation_figures


def by_hand(prepared, v: int, length: int, horizon: int) -> tuple[float, float]:
    """MAE of the profile and of persistence in one VD's validation part, window by window, hour by hour."""
    part = prepared.parts["validation"]
    values = part.values[:, v, 0].astype(float)
    when = (part.timestamps + 8 * 3600) // 3600  # hours since Thursday, 1970-01-01 00:00 in Taipei
    usual = prepared.profile[(when + 3 * 24) % 168, v, 0].astype(float)
    profile, persistence = [], []
    for origin in range(length - 1, len(values) - horizon):
        seen = [t for t in range(origin - length + 1, origin + 1) if not math.isnan(values[t])]
        last = usual[origin] + (values[seen[-1]] - usual[seen[-1]] if seen else 0.0)
        for t in range(origin + 1, origin + horizon + 1):
            if not math.isnan(values[t]):
                profile.append(abs(usual[t] - values[t]))
                persistence.append(abs(last - values[t]))
    return np.mean(profile), np.mean(persistence)


def test_naive_errors_are_those_of_the_profile_and_of_the_last_observation(detectors, prepare_settings):
    (prepared,), _ = prepare(detectors, prepare_settings)
    apart = data(detectors, prepare_settings, "independent_multi_vd")
    maes = naive_maes(apart)
    for v in range(3):
        assert maes[:, v].tolist() == pytest.approx(by_hand(prepared, v, 6, 3), rel=1e-4)
    counts = np.isfinite(prepared.parts["validation"].values[:, :, 0])
    n = sum(counts[o + 1 : o + 4].sum(axis=0) for o in range(5, len(counts) - 3))  # (V,) by window
    pooled = (maes.numpy() * n).sum(axis=1) / n.sum()
    for mode in ("multi_vd", "global_multi_vd"):
        together = naive_maes(data(detectors, prepare_settings, mode))
        assert together.shape == (2, 1) and together[:, 0].tolist() == pytest.approx(pooled, rel=1e-4)


def test_a_copy_counts_with_the_error_of_the_epoch_that_it_keeps():
    trained = fitted([2, 1], [0, 0])
    maes = torch.tensor([[[5.0, 7.0], [4.0, 8.0]]]).movedim(0, -1)  # (epochs, N, 1)
    trained = replace(trained, figures=torch.cat([torch.zeros(2, 2, 2), maes, torch.zeros(2, 2, 1)], dim=-1))
    assert kept_mae(trained) == (4.0 + 7.0) / 2
    assert math.isnan(kept_mae(replace(trained, best_epoch=[2, 0])))


def test_figures_stand_under_the_name_of_the_run_and_leave_out_what_is_undefined(detectors, prepare_settings):
    common = data(detectors, prepare_settings, "multi_vd")
    naive = naive_maes(common).min().item()
    trained = replace(fitted([1], [0]), figures=torch.full((1, 1, 4), 0.75 * naive))
    figures = validation_figures("a", trained, [common])
    assert figures == {"a": {"val_mae": pytest.approx(0.75 * naive, abs=1e-6), "val_skill": 0.25}}
    assert validation_figures("a", replace(trained, best_epoch=[0]), [common]) == {"a": {}}
