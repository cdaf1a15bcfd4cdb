import itertools

import numpy as np
import pytest
import torch

from tests.models.shared.test_windows import windows
from vdcast.models.shared.autoregression import RIDGE, Autoregression
from vdcast.params.modes import Sharing
from vdcast.train.stack import start_linear

GAPS = 0.1


@pytest.fixture
def values() -> np.ndarray:
    """Two detectors of two features that remember, with gaps."""
    rng = np.random.default_rng(0)
    made = rng.normal(size=(200, 2, 2))
    for t in range(1, 200):
        made[t] += 0.7 * made[t - 1, :, ::-1]
    made[rng.random(made.shape) < GAPS] = np.nan
    return made.astype(np.float32)


def solved(values: np.ndarray, vds: list[int], k: int, h: int, L: int, H: int) -> np.ndarray:
    """Lags and bias of a target and horizon by numpy: least squares over detectors with the ridge as rows of its own."""
    rows, y = [], []
    for v, s in itertools.product(vds, range(len(values) - L - H + 1)):
        window = values[s : s + L, v].copy()
        for t in range(L):
            hole = np.isnan(window[t])
            window[t, hole] = window[t - 1, hole] if t else 0
        if np.isfinite(target := values[s + L + h, v, k]):
            rows.append([*window.flatten(), 1])
            y.append(target)
    n, inputs = len(rows), L * values.shape[2]
    ridge = np.sqrt(RIDGE * n) * np.eye(inputs, inputs + 1)
    return np.linalg.lstsq(np.vstack([rows, ridge]), np.append(y, np.zeros(inputs)), rcond=None)[0]


@pytest.mark.parametrize("sharing", [Sharing.JOINT, Sharing.APART])
@pytest.mark.parametrize("targets", [("f0",), ("f1", "f0")])
def test_it_starts_from_the_least_squares_solution(values, sharing, targets):
    L, H, K = 3, 2, len(targets)
    w = windows(values, sharing, L, H, targets)
    groups = torch.tensor(sharing.copies(2))
    N = len(groups)
    model = Autoregression(N, w.sizes)
    weight, bias = model.least_squares(w.in_order(groups))
    for v in range(2):
        n, d = (0, v) if sharing is Sharing.JOINT else (v, 0)
        for k, target in enumerate(targets):
            for h in range(H):
                expected = solved(values, [v], int(target[1]), h, L, H)
                np.testing.assert_allclose(weight[n, d, k * H + h], expected[:-1], atol=1e-6)
                np.testing.assert_allclose(bias[n, d, 0, k * H + h], expected[-1], atol=1e-6)

    model.start(weight, bias)
    batch = w.batch(w.samples(groups, torch.arange(len(w))))
    found = model(batch.recent).detach()
    assert found.shape == (N, len(w), H, 2 // N * K)
    lags = batch.recent[-1, 7].unflatten(-1, (-1, 2))[:, -1].flatten()  # of the last detector
    last = (weight[-1, -1] @ lags.double() + bias[-1, -1, 0]).view(K, H)
    np.testing.assert_allclose(found[-1, 7, :, -K:].T, last, rtol=1e-4, atol=1e-6)


def test_a_detector_hears_of_itself_alone(values):
    w = windows(values, Sharing.JOINT)
    model = Autoregression(1, w.sizes)
    torch.nn.init.normal_(model.weight)
    batch = w.batch(torch.tensor([[5]]))
    before = model(batch.recent)
    batch.recent[..., 2:] += 1
    after = model(batch.recent)
    assert torch.equal(before[..., 0], after[..., 0]) and (before[..., 1] != after[..., 1]).all()


def test_a_target_without_observations_starts_from_zero(values):
    values[:, 1, 0] = np.nan
    w = windows(values, Sharing.JOINT)
    weight, bias = Autoregression(1, w.sizes).least_squares(w.in_order(torch.tensor([[0]])))
    assert not weight[0, 1].any() and not bias[0, 1].any() and weight[0, 0].all()


def test_copies_of_a_group_start_alike_and_as_they_would_alone(values):
    """Whatever the order of the copies and the size of the batches that a stack of so many is given."""
    w = windows(values, Sharing.APART)

    def started(groups: list[int]) -> Autoregression:
        holder = torch.nn.Module()
        holder.autoregression = Autoregression(len(groups), w.sizes)
        start_linear(holder, w, [[group] for group in groups])
        return holder.autoregression

    together = started([1, 0, 1])
    for n, group in enumerate([1, 0, 1]):
        torch.testing.assert_close(together.weight[n], started([group]).weight[0], rtol=1e-6, atol=1e-7)
    assert torch.equal(together.weight[0], together.weight[2])
    assert not torch.equal(together.weight[0], together.weight[1])


def test_a_copy_that_sees_every_detector_starts_from_what_fits_them_all_best(values):
    w = windows(values, Sharing.SHARED)
    weight, bias = Autoregression(1, w.sizes).least_squares(w.in_order(torch.tensor([[0, 1]])))
    expected = solved(values, [0, 1], k=0, h=1, L=3, H=2)
    np.testing.assert_allclose(weight[0, 0, 1], expected[:-1], atol=1e-6)
    np.testing.assert_allclose(bias[0, 0, 0, 1], expected[-1], atol=1e-6)
