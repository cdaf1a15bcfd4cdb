"""The error that a trial is told by, against a plain loop."""

import numpy as np
import pytest
import torch

from tests.train.small import data, run_of, task_of
from vdcast.models.shared.forecaster import build
from vdcast.prepare.split import prepare
from vdcast.search.trainer import relative_errors
from vdcast.train.copies import Copies
from vdcast.train.loop import train_epoch
from vdcast.train.stack import Stack

L, H = 6, 3


@pytest.mark.parametrize("mode", ["multi_vd", "independent_multi_vd", "global_multi_vd"])
def test_it_is_the_mean_over_vds_of_their_mae_against_the_better_simple_forecast(
    small_lstm, detectors, prepare_settings, mode
):
    run, fitted_to = run_of(small_lstm, mode), data(detectors, prepare_settings, mode)
    copies = Copies(
        seeds=[1] * len(fitted_to.copies) + [2] * len(fitted_to.copies), groups=fitted_to.copies * 2
    )
    stack = Stack.build(run, fitted_to, copies)
    train_epoch(stack)
    found = relative_errors(stack, fitted_to)

    (prepared,), _ = prepare(detectors, prepare_settings)
    part = prepared.parts["validation"]
    maes = {seed: by_vd(stack, fitted_to, seed) for seed in (0, 1)}
    naive = simple(part.values[..., 0], usual_of(part, task_of(detectors, prepare_settings, mode)))
    std = prepared.std[:, 0]
    for seed in (0, 1):
        assert float(found[seed]) == pytest.approx(np.mean(maes[seed] * std / naive), rel=1e-4)


def by_vd(stack, fitted_to, seed: int) -> np.ndarray:
    """The MAE of each VD in scaled units, from one batch of all windows of each group."""
    windows = fitted_to.validation
    N, G = len(stack.copies.seeds), len(fitted_to.scale)
    model = build(stack.run.network, windows.sizes, copies=N).eval()
    model.load_state_dict(stack.reached.best)
    totals = np.zeros(3)
    for group in range(G):
        copy = next(n for n in range(seed * N // 2, N) if group in stack.copies.groups[n])
        groups = torch.full((N, 1), group)
        batch = windows.batch(windows.samples(groups, torch.arange(len(windows))))
        with torch.no_grad():
            off = (model(batch)[copy, ..., 0] - batch.y[copy]).abs()  # (B, H, Q)
        for q in range(off.shape[-1]):
            totals[group if G > 1 else q] = off[..., q][batch.valid[copy, ..., q]].mean()
    return totals


def usual_of(part, task) -> np.ndarray:
    from vdcast.data import profile

    return task.profile[profile.slots_of(part)][..., 0]


def simple(values: np.ndarray, usual: np.ndarray) -> np.ndarray:
    """(3,) the lower MAE of the profile and of the last observation, kept as its distance from the profile over a gap."""
    errors = np.zeros((2, 3))
    for v in range(3):
        of_profile, of_last = [], []
        for start in range(len(values) - L - H + 1):
            seen = values[start : start + L, v]
            known = np.flatnonzero(np.isfinite(seen))
            origin = usual[start + L - 1, v]
            last = seen[known[-1]] - usual[start + known[-1], v] + origin if len(known) else origin
            for ahead in range(start + L, start + L + H):
                if np.isfinite(values[ahead, v]):
                    of_profile.append(abs(usual[ahead, v] - values[ahead, v]))
                    of_last.append(abs(last - values[ahead, v]))
        errors[:, v] = np.mean(of_profile), np.mean(of_last)
    return errors.min(axis=0)
