"""A copy is trained as if it were alone: in a stack of others, beside some that stop or diverge."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch._dynamo.backends.registry import lookup_backend
from torch.utils._python_dispatch import TorchDispatchMode

from tests.train.small import data, in_double, run_of, same
from vdcast.models.shared.forecaster import build
from vdcast.models.xlstm.encoder import XLSTM
from vdcast.train import stack
from vdcast.train.copies import Copies, Rates
from vdcast.train.data import TrainingData
from vdcast.train.loop import fit_stack, run_epoch, validate
from vdcast.train.stack import Stack
from vdcast.train.workers import fit

MEDIAN = torch.tensor([0.5])


@pytest.mark.parametrize("mode", ["multi_vd", "independent_multi_vd", "global_multi_vd", "social"])
def test_the_same_seed_gives_the_same_weights_bit_for_bit(network, detectors, prepare_settings, mode):
    common = data(detectors, prepare_settings, mode)
    one, two = (fit(run_of(network), [common]) for _ in range(2))
    assert same(one.weights, two.weights)
    assert torch.equal(one.figures, two.figures)
    other = fit(run_of(network, seeds=[1]), [common])
    assert not same(one.weights, other.weights)


@pytest.mark.parametrize(
    "quantiles, epochs, patience",
    [([], 2, 2), ([0.1, 0.5, 0.9], 2, 2), ([], 8, 1)],
    ids=["", "quantiles", "stops"],
)
def test_stacked_training_equals_training_one_by_one(
    network, detectors, prepare_settings, float64, quantiles, epochs, patience
):
    """Three detectors by two seeds in one stack, against six trainings of one model each; copies stop one by one.

    In float64, because a stack's batched matmul rounds otherwise than a single one's, and AdamW turns
    the rounding of a gradient near zero into a whole step.
    """

    def trained(seeds, vds):
        doubled = in_double(data(detectors, prepare_settings, "independent_multi_vd", vds))
        settings = dict(epochs=epochs, patience=patience, seeds=seeds, quantiles=quantiles)
        run = run_of(network, "independent_multi_vd", **settings)
        copies = Copies(
            seeds=[s for s in seeds for _ in vds], groups=[[v] for v in range(len(vds))] * len(seeds)
        )
        return fit_stack(run, doubled, copies)

    together = trained([0, 7], [0, 1, 2])
    assert patience == epochs or len(set(together.training)) > 1, "the test needs copies that stop early"
    for n, (seed, vd) in enumerate((seed, vd) for seed in (0, 7) for vd in range(3)):
        alone = trained([seed], [vd])
        for name, value in alone.weights.items():
            # against the weights as a whole: rounding that eight epochs hand on is a large share of one near zero
            off = torch.linalg.vector_norm(together.weights[name][n] - value[0])
            assert off <= 1e-5 * torch.linalg.vector_norm(value[0]), name
        assert together.best_loss[n] == pytest.approx(alone.best_loss[0], rel=1e-8)
        assert together.best_epoch[n] == alone.best_epoch[0]


def test_copies_with_rates_of_their_own_train_as_with_these_settings_alone(
    network, detectors, prepare_settings, float64
):
    """Three of one seed, which differ in dropout, learning rate and weight decay; one of them stops early."""
    rates = [Rates(0.0, 0.01, 0.3), Rates(0.5, 0.001, 0.0), Rates(0.2, 0.05, 0.01)]
    doubled = in_double(data(detectors, prepare_settings, "multi_vd"))
    settings = dict(epochs=6, patience=1, seeds=[7])
    together = fit_stack(
        run_of(network, **settings), doubled, Copies(seeds=[7] * 3, groups=[[0]] * 3, rates=rates)
    )
    assert len(set(together.training)) > 1, "the test needs copies that stop early"
    for n, each in enumerate(rates):
        own = network.model_copy(update=each._asdict())
        alone = fit_stack(run_of(own, **settings), doubled, Copies(seeds=[7], groups=[[0]]))
        for name, value in alone.weights.items():
            off = torch.linalg.vector_norm(together.weights[name][n] - value[0])
            assert off <= 1e-5 * torch.linalg.vector_norm(value[0]), name
        assert together.best_epoch[n] == alone.best_epoch[0]
        assert together.best_loss[n] == pytest.approx(alone.best_loss[0], rel=1e-8)


@pytest.mark.parametrize("mode, size", [("global_multi_vd", 1), ("social", 3)])
def test_seeds_of_a_network_for_all_detectors_train_stacked_as_one_by_one(
    network, detectors, prepare_settings, float64, mode, size
):
    """Each seed's own order of (window, detector) pairs, of which an epoch holds every one; or of windows."""

    def stack(seeds):
        run = run_of(network, mode, epochs=1, seeds=seeds)
        return (
            run,
            in_double(data(detectors, prepare_settings, mode)),
            Copies(seeds=seeds, groups=[[0, 1, 2]] * len(seeds)),
        )

    together = fit_stack(*stack([0, 7]))
    for n, seed in enumerate([0, 7]):
        alone = fit_stack(*stack([seed]))
        assert alone.weights["embedding.weight"].any(dim=2).all(), "every detector has learned its embedding"
        for name, value in alone.weights.items():
            off = torch.linalg.vector_norm(together.weights[name][n] - value[0])
            assert off <= 1e-5 * torch.linalg.vector_norm(value[0]), name
    samples = Stack.build(*stack([0, 7])).next_samples()
    pairs = 3 * len(stack([0])[1].train)
    assert samples.shape == (2, pairs // size, size) and not torch.equal(samples[0], samples[1])
    assert all(sorted(order) == list(range(pairs)) for order in samples.flatten(1).tolist())
    assert (samples // 3 == samples[..., :1] // 3).all(), "what stays together is of one window"


def test_a_stopped_copy_leaves_the_others_as_they_would_be_without_it(network, detectors, prepare_settings):
    common = data(detectors, prepare_settings, "independent_multi_vd")
    run = run_of(network, "independent_multi_vd", epochs=12, patience=1)
    fitted = fit(run, [common])
    assert fitted.training == sorted(fitted.training, reverse=True)
    assert fitted.training[-1] < 3, "the test needs a copy that stops early"
    # the weights kept are those of each copy's best epoch: they give the loss that was recorded for it
    model = build(network, common.train.sizes, copies=3)
    model.load_state_dict(fitted.weights)
    loss, _ = validate(model, common.validation, torch.tensor([[0], [1], [2]]), common.scale, MEDIAN)
    assert loss.tolist() == pytest.approx(fitted.best_loss, rel=1e-4)


def test_a_loss_that_is_never_finite_leaves_no_weights(network, detectors, prepare_settings):
    common = data(detectors, prepare_settings, "multi_vd")
    common.train.mean[:] = -torch.inf
    fitted = fit(run_of(network), [common])
    assert (fitted.diverged, fitted.best_epoch, fitted.training) == ([1], [0], [1])
    assert all(value.isnan().all() for value in fitted.weights.values())


def test_a_copy_that_diverges_leaves_the_others_as_they_would_be_without_it(
    network, detectors, prepare_settings, float64
):
    def trained(vds, spoil=False):
        common = in_double(data(detectors, prepare_settings, "independent_multi_vd", vds))
        if spoil:
            common.train.mean[1] = -torch.inf
        run = run_of(network, "independent_multi_vd", epochs=2)
        return fit(run, [common])

    together = trained([0, 1, 2], spoil=True)
    assert (together.diverged, together.training) == ([0, 1, 0], [3, 2])
    for n in (0, 2):
        alone = trained([n])
        for name, value in alone.weights.items():
            torch.testing.assert_close(together.weights[name][n], value[0], rtol=1e-7, atol=1e-9, msg=name)


def test_a_copy_that_diverges_later_keeps_its_best_finite_weights(
    network, detectors, prepare_settings, monkeypatch
):
    common = data(detectors, prepare_settings, "multi_vd")
    steps = -(-len(common.train) // network.batch_size)
    monkeypatch.setattr(
        stack, "warm_up_then_cosine", lambda *_: lambda step: 1.0 if step < 2 * steps else 1e38
    )
    two, many = (fit(run_of(network, epochs=epochs), [common]) for epochs in (2, 5))
    assert (two.diverged, many.diverged, many.training) == ([0], [3], [1, 1, 1])
    assert same(two.weights, many.weights) and two.best_loss == many.best_loss
    assert torch.equal(many.figures[2], many.figures[1]), "the figures that are kept are the last finite ones"


def test_an_epoch_never_waits_for_the_device(network, detectors, prepare_settings):
    """Reading a number of a tensor, or an index that depends on values, would stop a GPU at every step."""

    common = data(detectors, prepare_settings, "independent_multi_vd")
    seen = operations(network, common, copies=3)
    assert "_fused_adamw_" in seen
    assert not seen.keys() & {"_local_scalar_dense", "nonzero", "masked_select", "is_nonzero", "equal"}


def test_on_a_gpu_a_hundred_copies_start_hardly_more_kernels_than_ten(
    network, detectors, prepare_settings, monkeypatch
):
    """What a stack is for there, where starting a kernel is what a step of a small network costs.

    A few more, as batches of more copies are assembled in smaller lots.
    """
    common = data(detectors, prepare_settings, "independent_multi_vd")
    monkeypatch.setattr(torch.Tensor, "is_cuda", True)
    monkeypatch.setattr(torch.cuda, "make_graphed_callables", lambda function, samples: function)
    ten, hundred = (operations(network, common, copies=copies).total() for copies in (10, 100))
    assert ten <= hundred < 1.05 * ten


def operations(network, common: TrainingData, copies: int) -> Counter:
    """Names of torch's operations in an epoch, and how often each was called; views and new names are among them."""

    class Operations(TorchDispatchMode):
        def __init__(self):
            super().__init__()
            self.seen = Counter()

        def __torch_dispatch__(self, func, types, args=(), kwargs=None):
            self.seen[func.overloadpacket.__name__] += 1
            return func(*args, **(kwargs or {}))

    of_three = Copies(seeds=[0] * copies, groups=[[n % 3] for n in range(copies)])
    stack = Stack.build(run_of(network), common, of_three)
    with Operations() as counted:
        run_epoch(stack, stack.next_samples())
    return counted.seen


def test_bfloat16_trains_as_well_as_float32(network, detectors, prepare_settings):
    """Its rounding, 2^-8 of a value, shows in the weights and hardly in the loss."""
    common = data(detectors, prepare_settings, "multi_vd")
    full, half = (
        fit(run_of(network, epochs=8, patience=8, precision=precision), [common])
        for precision in ("float32", "bfloat16")
    )
    assert not same(full.weights, half.weights)
    assert all(value.dtype == torch.float32 for value in half.weights.values())
    assert half.best_loss[0] == pytest.approx(full.best_loss[0], rel=0.1)


def test_compiled_training_is_the_same_training(small_xlstm, detectors, prepare_settings, monkeypatch):
    """By the backend that traces and differentiates as the real one does, and generates no code."""
    shapes = Counter()

    def traced(graph, inputs):
        shapes[inputs[0].shape] += 1
        return lookup_backend("aot_eager")(graph, inputs)

    compile_it = XLSTM.compile_for
    monkeypatch.setattr(
        XLSTM, "compile_for", lambda self, *shape: compile_it(self, *shape, backend=traced, fullgraph=True)
    )
    common = data(detectors, prepare_settings, "multi_vd")
    eager, compiled = (
        fit(run_of(small_xlstm.model_copy(update={"compile": on}), epochs=2), [common])
        for on in (False, True)
    )
    torch.compiler.reset()
    graphs = 3  # an mLSTM layer; of an sLSTM block what comes before and after the recurrence
    assert sum(shapes.values()) == graphs, "of a full batch; the last batch of an epoch has another shape"
    for name, value in eager.weights.items():
        torch.testing.assert_close(compiled.weights[name], value, rtol=1e-3, atol=1e-5, msg=name)


def test_training_learns_what_no_linear_forecast_can(network, detectors, prepare_settings):
    """Each hour is a parabola of the one before (the logistic map), which no straight line follows."""
    values = np.full_like(detectors.values, 0.3)
    values[0] += 0.1 * np.arange(3)[:, None]
    for t in range(1, len(values)):
        values[t] = 3.9 * values[t - 1] * (1 - values[t - 1])
    common = data(replace(detectors, values=100 * values), prepare_settings, "independent_multi_vd")
    network = network.model_copy(update={"dropout": 0.0})
    history = fit(run_of(network, epochs=20, patience=20), [common]).history()
    assert history[-1]["train_loss"] < 0.8 * history[0]["train_loss"]


@pytest.mark.parametrize("mode", ["multi_vd", "global_multi_vd"])
def test_validation_error_by_hand(detectors, prepare_settings, mode):
    common = data(detectors, prepare_settings, mode)
    validation, scale = common.validation, common.scale

    class Zero(torch.nn.Module):
        def forward(self, batch):
            return torch.zeros_like(batch.y)[..., None]

    groups = torch.tensor(common.copies)
    loss, mae = validate(Zero(), validation, groups, scale, MEDIAN)
    batch = validation.batch(validation.samples(groups, torch.arange(len(validation))))
    y = batch.y[batch.valid]
    assert loss.item() == pytest.approx(y.abs().mean().item(), rel=1e-5)
    in_units = (batch.y.abs() * scale[batch.group][:, :, None])[batch.valid].mean()
    assert mae.item() == pytest.approx(in_units.item(), rel=1e-5)
