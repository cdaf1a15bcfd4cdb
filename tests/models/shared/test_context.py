"""A network that hears of neighbours: that it does, of whom, and of nobody else."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from tests.models.shared.test_neighbours import DEGREE, settings
from tests.models.shared.test_windows import table, task
from vdcast.models.shared.forecaster import build_seeded
from vdcast.models.shared.neighbours import neighbours_of
from vdcast.models.shared.windows import Windows
from vdcast.params.modes import Sharing

EAST = np.array([0, 500, 700, 60_000, 120_000, 120_400.0])  # metres: three near each other, one alone, two


def windows(values: np.ndarray, east: np.ndarray = EAST, **changes) -> Windows:
    made = table(values)
    made = replace(made, info={"lon": east / DEGREE, "lat": np.zeros(len(east))})
    near = neighbours_of(made, settings(**changes)) if changes.get("neighbours", 8) else None
    return Windows(replace(task(made, Sharing.SHARED, length=4), neighbours=near), made)


def values(V: int = len(EAST)) -> np.ndarray:
    return np.random.default_rng(0).normal(size=(30, V, 2))


def forecast(network, w: Windows) -> np.ndarray:
    """(W, V, H) with weights of which none is zero, the same for the same network."""
    model = build_seeded(network, w.sizes, seeds=[0]).eval()
    with torch.no_grad():
        for name, weight in sorted(model.named_parameters()):
            generator = torch.Generator().manual_seed(len(name))
            if not name.startswith("encoder"):
                weight.copy_(torch.randn(weight.shape, generator=generator) * 0.3)
        if model.embedding is not None:
            model.embedding.weight.zero_()  # detectors that change places take their embeddings along
        made = torch.cat([model(batch) for batch in w.in_order(torch.arange(len(w.mean))[None])], dim=1)
    return made[0, ..., 0, 0].view(len(w), -1, made.shape[2]).numpy()


@pytest.fixture(params=["small_lstm", "small_xlstm"])
def network(request):
    return request.getfixturevalue(request.param)


@pytest.mark.parametrize("weights", ["gaussian", "attention"])
def test_a_forecast_hears_of_neighbours_and_of_nobody_else(network, weights):
    before = forecast(network, windows(values(), weights=weights))
    for changed, hear in ((1, {0, 1, 2}), (3, {3}), (5, {4, 5})):
        other = values()
        other[:, changed] *= -1
        after = forecast(network, windows(other, weights=weights))
        differs = {v for v in range(6) if not np.array_equal(after[:, v], before[:, v])}
        assert differs == hear, "bit for bit"


def test_permuting_detectors_permutes_forecasts(network):
    order = np.array([4, 2, 0, 5, 3, 1])
    plain = forecast(network, windows(values()))
    shuffled = forecast(network, windows(values()[:, order], EAST[order]))
    np.testing.assert_allclose(shuffled, plain[:, order], rtol=1e-5, atol=1e-6)


def test_whoever_is_alone_is_forecast_as_without_neighbours(network):
    social, plain = (forecast(network, windows(values(), neighbours=n)) for n in (8, 0))
    assert np.array_equal(social[:, 3], plain[:, 3])
    assert not np.array_equal(social[:, 0], plain[:, 0])


def test_a_neighbour_without_an_observation_in_the_window_is_left_out(small_lstm):
    """Of detector 4's only neighbour, so there is no context; of detector 0's two the other one stays."""
    silent = values()
    silent[:, [5, 1]] = np.nan
    found, plain = (forecast(small_lstm, windows(silent, neighbours=n)) for n in (8, 0))
    assert np.array_equal(found[:, 4], plain[:, 4]) and not np.array_equal(found[:, 0], plain[:, 0])
    without = forecast(small_lstm, windows(np.delete(silent, 1, axis=1), np.delete(EAST, 1), radius=1000))
    far = windows(silent).sizes.neighbours
    assert np.isfinite(far.kernel[0, 0]).sum() == 2
    np.testing.assert_allclose(found[:, 0], without[:, 0], rtol=1e-5, atol=1e-6)


def test_a_neighbour_without_an_observation_in_what_the_encoder_reads_is_left_out(small_lstm):
    """Of four steps the encoder reads the last two."""
    short = small_lstm.model_copy(update={"lookback": 2})
    silent = np.full((30, len(EAST), 2), np.nan)
    silent[:2] = 1.0
    silent[2:4, 0] = 2.0
    found, plain = (forecast(short, windows(silent, neighbours=n)) for n in (8, 0))
    heard = [not np.array_equal(found[0, v], plain[0, v]) for v in range(3)]
    assert heard == [False, True, True], "of the first window's last two steps, 0 alone was seen"


def test_the_gaussian_context_by_hand(small_lstm):
    w = windows(values())
    model = build_seeded(small_lstm, w.sizes, seeds=[0])
    torch.nn.init.normal_(model.context.project)
    state = torch.randn(1, 12, 8)  # two windows
    found = model.context(state, torch.ones(1, 12, dtype=torch.bool))
    sigma2 = np.mean(np.square([500, 700, 200, 400]))  # of the pairs 0-1, 0-2, 1-2 and 4-5
    a, b = np.exp(-(500**2) / sigma2), np.exp(-(700**2) / sigma2)
    mean = (a * state[0, 6 + 1] + b * state[0, 6 + 2]) / (a + b)  # of detector 0 in the second window
    torch.testing.assert_close(found[0, 6], model.context.project[0] @ mean)
    assert not found[0, 3].any()


def test_attention_starts_from_the_gaussian_weights(small_lstm):
    state, seen = torch.randn(1, 12, 8), torch.ones(1, 12, dtype=torch.bool)
    found = []
    for weights in ("gaussian", "attention"):
        context = build_seeded(small_lstm, windows(values(), weights=weights).sizes, seeds=[0]).context
        torch.nn.init.ones_(context.project)
        found.append(context(state, seen))
    assert torch.equal(*found)
    with torch.no_grad():
        context.attention.temperature.fill_(2.0)
    assert not torch.allclose(context(state, seen), found[0])
