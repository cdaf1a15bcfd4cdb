from collections import Counter

import pytest
import torch
from torch._dynamo.backends.registry import lookup_backend
from torch.utils._python_dispatch import TorchDispatchMode

from vdcast.data import store
from vdcast.models.shared.device import deterministic
from vdcast.models.shared.dropout import seed_dropout
from vdcast.models.shared.forecaster import build_seeded
from vdcast.models.shared.windows import Batch, Windows
from vdcast.models.xlstm.encoder import XLSTM
from vdcast.params.networks import LSTM
from vdcast.params.sections import Run, Train
from vdcast.prepare.split import prepare
from vdcast.train import copies, loop
from vdcast.train.copies import Copies, stacks_of
from vdcast.train.fitted import Fitted, joined
from vdcast.train.loop import fit_stack, run_epoch, validate
from vdcast.train.loss import clip_gradients, masked_error, pinball, warm_up_then_decay
from vdcast.train.workers import fit

torch.set_num_threads(1)  # tiny matrices: a second thread only waits
MEDIAN = torch.tensor([0.5])


@pytest.fixture(params=["small_lstm", "small_xlstm"])
def network(request):
    return request.getfixturevalue(request.param)


def run_of(network, mode="multi_vd", **train) -> Run:
    budget = (
        dict(
            seeds=[0],
            epochs=3,
            patience=3,
            gradient_clip=1.0,
            quantiles=[],
            device="cpu",
            precision="float32",
        )
        | train
    )
    model = "lstm" if isinstance(network, LSTM) else "xlstm"
    return Run(name=f"{model}-{mode}", model=model, mode=mode, network=network, train=Train(**budget))


def data(detectors, settings, joint: bool, vds=(0, 1, 2)):
    prepared, _ = prepare(detectors, settings)
    v = list(vds)
    names = [detectors.vd_ids[i] for i in v]
    windows = [
        Windows(prepared.parts[part].select(names, detectors.features), prepared.mean[v], prepared.std[v],
                ("volume",), length=6, horizon=3, joint=joint)
        for part in ("train", "validation")
    ]  # fmt: skip
    scale = torch.tensor(prepared.std[v][:, :1], dtype=torch.float32).reshape(windows[0].groups, -1)
    return *windows, scale


def same(a: dict, b: dict, copies=slice(None)) -> bool:
    return all(torch.equal(a[name][copies], b[name]) for name in a)


@pytest.mark.parametrize("joint", [True, False], ids=["one copy", "a stack of three"])
def test_the_same_seed_gives_the_same_weights_bit_for_bit(network, detectors, prepare_settings, joint):
    common = data(detectors, prepare_settings, joint)
    one, two = (fit(run_of(network), *common, "cpu") for _ in range(2))
    assert same(one.weights, two.weights)
    assert torch.equal(one.figures, two.figures)
    other = fit(run_of(network, seeds=[1]), *common, "cpu")
    assert not same(one.weights, other.weights)


class InDouble(Windows):
    """Batches in double precision."""

    def batch(self, group: torch.Tensor, start: torch.Tensor) -> Batch:
        single = vars(super().batch(group, start))
        return Batch(**{n: v if v.dtype == torch.bool else v.double() for n, v in single.items()})


def in_double(windows: Windows) -> Windows:
    windows.__class__ = InDouble
    return windows


@pytest.fixture
def float64():
    """Everything in double precision, where rounding cannot pass for agreement or hide a difference."""
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


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
        train, validation, scale = data(detectors, prepare_settings, False, vds)
        settings = dict(epochs=epochs, patience=patience, seeds=seeds, quantiles=quantiles)
        run = run_of(network, "independent_multi_vd", **settings)
        copies = Copies([s for s in seeds for _ in vds], list(range(len(vds))) * len(seeds))
        return fit_stack(run, in_double(train), in_double(validation), scale.double(), "cpu", copies)

    together = trained([0, 7], [0, 1, 2])
    assert patience == epochs or len(set(together.training)) > 1, "the test needs copies that stop early"
    # an epoch hands its rounding on to the next, and a weight near zero has little else
    tolerance = dict(rtol=1e-7, atol=1e-9) if patience == epochs else dict(rtol=1e-5, atol=1e-7)
    for n, (seed, vd) in enumerate((seed, vd) for seed in (0, 7) for vd in range(3)):
        alone = trained([seed], [vd])
        for name, value in alone.weights.items():
            torch.testing.assert_close(together.weights[name][n], value[0], **tolerance, msg=name)
        assert together.best_loss[n] == pytest.approx(alone.best_loss[0], rel=tolerance["rtol"] / 100)
        assert together.best_epoch[n] == alone.best_epoch[0]


def test_a_stopped_copy_leaves_the_others_as_they_would_be_without_it(network, detectors, prepare_settings):
    train, validation, scale = data(detectors, prepare_settings, False)
    run = run_of(network, "independent_multi_vd", epochs=12, patience=1)
    fitted = fit(run, train, validation, scale, "cpu")
    assert fitted.training == sorted(fitted.training, reverse=True)
    assert fitted.training[-1] < 3, "the test needs a copy that stops early"
    # the weights kept are those of each copy's best epoch: they give the loss that was recorded for it
    from vdcast.models.shared.forecaster import build

    model = build(network, copies=3, channels=train.channels, horizon=3)
    model.load_state_dict(fitted.weights)
    loss, _ = validate(model, validation, torch.arange(3), scale, MEDIAN)
    assert loss.tolist() == pytest.approx(fitted.best_loss, rel=1e-4)


def test_processes_side_by_side_equal_one_after_another(network, detectors, prepare_settings):
    run = run_of(network, "independent_multi_vd", epochs=2, seeds=[0, 1, 2])
    common = data(detectors, prepare_settings, False)
    assert torch.get_num_threads() == 1
    serial = fit(run, *common, "cpu")
    torch.set_num_threads(2)
    try:
        parallel = fit(run, *common, "cpu")
        alone = fit(run_of(network, epochs=2), *data(detectors, prepare_settings, True), "cpu")
    finally:
        torch.set_num_threads(1)
    assert same(serial.weights, parallel.weights)
    assert torch.equal(serial.figures, parallel.figures) and serial.training == parallel.training == [9, 9]
    again = fit(run_of(network, epochs=2), *data(detectors, prepare_settings, True), "cpu")
    assert same(alone.weights, again.weights), "a single stack must not see how many threads there are"


def test_processes_share_a_mapped_table(tmp_path, detectors, prepare_settings, small_lstm, monkeypatch):
    run = run_of(small_lstm, "independent_multi_vd", epochs=1, seeds=[0, 1])
    in_memory = fit(run, *data(detectors, prepare_settings, False), "cpu")
    store.write(tmp_path / "t.h5", detectors)
    monkeypatch.setattr(store, "memory_bytes", lambda: 1000)
    mapped = data(store.read(tmp_path / "t.h5"), prepare_settings, False)
    assert mapped[0].mapped is not None
    torch.set_num_threads(2)
    try:
        assert same(fit(run, *mapped, "cpu").weights, in_memory.weights)
    finally:
        torch.set_num_threads(1)


def test_stacks_of_a_cpu_hold_one_seed_and_those_of_a_gpu_all_that_fit(small_lstm, monkeypatch):
    monkeypatch.setattr(copies, "STACK_ON_CPU", 3)
    monkeypatch.setattr(copies, "STACK_ON_GPU", 8)
    run = run_of(small_lstm, "independent_multi_vd", seeds=[4, 9])
    for device, groups in (
        ("cpu", [[0, 1, 2], [3, 4], [0, 1, 2], [3, 4]]),
        ("cuda", [[0, 1, 2, 3, 4], [0, 1, 2, 3, 4]]),
    ):
        stacks = stacks_of(run, 5, device)
        assert [stack.groups for stack in stacks] == groups
        assert [seed for stack in stacks for seed in stack.seeds] == [4] * 5 + [9] * 5


def test_a_gpu_is_not_asked_for_what_torch_refuses_there():
    """Its cumsum has no deterministic form, so that xLSTM would not train at all."""
    try:
        deterministic("cpu")
        assert torch.are_deterministic_algorithms_enabled()
        deterministic("cuda")
        assert not torch.are_deterministic_algorithms_enabled()
    finally:
        torch.use_deterministic_algorithms(False)


def test_stacks_that_stopped_at_different_epochs_are_joined_by_hand():
    def part(epochs: int, value: float) -> Fitted:
        figures = torch.full((epochs, 1, 4), value) + torch.arange(epochs).view(-1, 1, 1)
        return Fitted({"w": torch.full((1, 2), value)}, figures, [1] * epochs, [0.1] * epochs,
                              [2.0] * epochs, [epochs], [value], [0], 100.0 * value)  # fmt: skip

    whole = joined([part(1, 10.0), part(3, 20.0)])
    assert whole.figures[:, :, 0].tolist() == [[10, 20], [10, 21], [10, 22]]
    assert whole.training == [2, 1, 1] and whole.seconds == [4, 2, 2]
    assert whole.best_epoch == [1, 3] and whole.weights["w"].tolist() == [[10, 10], [20, 20]]
    assert whole.peak_memory_mb == 2000
    assert [row["validation_loss"] for row in whole.history()] == [15, 15.5, 16]


def test_an_epoch_never_waits_for_the_device(network, detectors, prepare_settings):
    """Reading a number of a tensor, or an index that depends on values, would stop a GPU at every step."""

    train, *_ = data(detectors, prepare_settings, False)
    seen = operations(network, train, copies=3)
    assert "_fused_adamw_" in seen
    assert not seen.keys() & {"_local_scalar_dense", "nonzero", "masked_select", "is_nonzero", "equal"}


def test_on_a_gpu_a_hundred_copies_start_hardly_more_kernels_than_ten(
    network, detectors, prepare_settings, monkeypatch
):
    """What a stack is for there, where starting a kernel is what a step of a small network costs.

    A few more, as batches of more copies are assembled in smaller lots.
    """
    train, *_ = data(detectors, prepare_settings, False)
    monkeypatch.setattr(torch.Tensor, "is_cuda", True)
    monkeypatch.setattr(torch.cuda, "make_graphed_callables", lambda function, samples: function)
    ten, hundred = (operations(network, train, copies=copies).total() for copies in (10, 100))
    assert ten <= hundred < 1.05 * ten


def operations(network, train, copies: int) -> Counter:
    """Names of torch's operations in an epoch, and how often each was called; views and new names are among them."""

    class Operations(TorchDispatchMode):
        def __init__(self):
            super().__init__()
            self.seen = Counter()

        def __torch_dispatch__(self, func, types, args=(), kwargs=None):
            self.seen[func.overloadpacket.__name__] += 1
            return func(*args, **(kwargs or {}))

    seeds = [0] * copies
    model = build_seeded(network, seeds=seeds, channels=train.channels, horizon=train.H)
    seed_dropout(model, seeds)
    optimiser = torch.optim.AdamW(model.parameters(), fused=True)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, warm_up_then_decay(3))
    group, starts = torch.arange(copies) % 3, torch.randperm(len(train)).expand(copies, -1)
    with Operations() as counted:
        run_epoch(model, optimiser, schedule, train, group, starts, 32, 1.0, torch.tensor([0.5]))
    return counted.seen


def test_bfloat16_trains_as_well_as_float32(network, detectors, prepare_settings):
    """Its rounding, 2^-8 of a value, shows in the weights and hardly in the loss."""
    common = data(detectors, prepare_settings, True)
    full, half = (
        fit(run_of(network, epochs=8, patience=8, precision=precision), *common, "cpu")
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
    common = data(detectors, prepare_settings, True)
    eager, compiled = (
        fit(run_of(small_xlstm.model_copy(update={"compile": on}), epochs=2), *common, "cpu")
        for on in (False, True)
    )
    torch.compiler.reset()
    graphs = 3  # an mLSTM layer; of an sLSTM block what comes before and after the recurrence
    assert sum(shapes.values()) == graphs, "of a full batch; the last batch of an epoch has another shape"
    for name, value in eager.weights.items():
        torch.testing.assert_close(compiled.weights[name], value, rtol=1e-3, atol=1e-5, msg=name)


def test_training_learns(network, detectors, prepare_settings):
    fitted = fit(run_of(network, epochs=8, patience=8), *data(detectors, prepare_settings, True), "cpu")
    assert fitted.best_loss[0] < 0.5 * fitted.history()[0]["train_loss"]


def test_validation_error_by_hand(network, detectors, prepare_settings):
    _, validation, scale = data(detectors, prepare_settings, True)

    class Zero(torch.nn.Module):
        def forward(self, batch):
            return torch.zeros_like(batch.y)[..., None]

    loss, mae = validate(Zero(), validation, torch.tensor([0]), scale, MEDIAN)
    batch = validation.batch(torch.tensor([0]), torch.arange(len(validation))[None])
    y = batch.y[batch.valid]
    assert loss.item() == pytest.approx(y.abs().mean().item(), rel=1e-5)
    in_units = (batch.y.abs() * scale[0])[batch.valid].mean()
    assert mae.item() == pytest.approx(in_units.item(), rel=1e-5)


def test_missing_targets_have_no_say_in_the_loss():
    y = torch.tensor([1.0, 2.0, 0.0]).view(1, 3, 1, 1)
    valid = torch.tensor([True, True, False]).view(1, 3, 1, 1)
    batch = Batch(x=None, calendar=None, last=None, y=y, valid=valid)
    forecast = torch.tensor([2.0, 2.0, 99.0], requires_grad=True)
    error, count = masked_error(forecast.view(1, 3, 1, 1, 1), batch, MEDIAN)
    assert (error.tolist(), count.tolist()) == ([1.0], [2])
    error.sum().backward()
    assert forecast.grad[2] == 0


def test_pinball_by_hand():
    """Doubled: an observation 1 above costs 2p, 1 below costs 2 (1 - p), on average over the levels."""
    levels = torch.tensor([0.1, 0.5, 0.9])
    y = torch.tensor([[3.0], [1.0], [2.0]])
    forecast = torch.tensor([2.0, 2.0, 2.0]).expand(3, 1, 3)
    found = pinball(forecast, y, levels)
    assert found.flatten().tolist() == pytest.approx([2 * 1.5 / 3, 2 * 1.5 / 3, 0])
    shifted = pinball(torch.tensor([[[1.0, 2.0, 4.0]]]), torch.tensor([[3.0]]), levels)
    # 2 below at p = 0.1; 1 below at 0.5; 1 above at 0.9: 2 (0.1 * 2 + 0.5 * 1 + 0.1 * 1) / 3
    assert shifted.item() == pytest.approx(2 * 0.8 / 3)


def test_without_quantiles_the_loss_is_the_absolute_error_bit_for_bit():
    forecast, y = torch.randn(1000, requires_grad=True), torch.randn(1000)
    y[:10] = forecast[:10].detach()  # ties too
    mine = pinball(forecast[:, None], y, MEDIAN)
    absolute = (forecast - y).abs()
    assert torch.equal(mine, absolute)
    gradients = [torch.autograd.grad(loss.sum(), forecast)[0] for loss in (mine, absolute)]
    assert torch.equal(*gradients)


def test_pinball_is_least_at_the_quantile():
    y, levels = torch.arange(1.0, 101.0), torch.tensor([0.1, 0.5, 0.9])
    candidates = torch.arange(0.0, 101.0) + 0.5
    for p, level in enumerate(levels):
        loss = torch.stack([pinball(c.expand(100, 1), y, level[None]).sum() for c in candidates])
        assert candidates[loss.argmin()].item() == [10.5, 50.5, 90.5][p]


def test_quantiles_leave_the_rest_of_the_network_as_it_starts(network):
    from vdcast.models.shared.forecaster import build_seeded

    shape = dict(seeds=[3], channels=(4, 13, 1), horizon=3)
    plain, fan = build_seeded(network, **shape), build_seeded(network, **shape, levels=3)
    assert set(fan.state_dict()) - set(plain.state_dict()) == {"spread.weight", "spread.bias"}
    assert same({name: fan.state_dict()[name] for name in plain.state_dict()}, plain.state_dict())


def test_gradients_are_clipped_copy_by_copy():
    p = torch.nn.Parameter(torch.zeros(2, 2))
    q = torch.nn.Parameter(torch.zeros(2, 1))
    p.grad, q.grad = torch.tensor([[3.0, 0.0], [0.1, 0.0]]), torch.tensor([[4.0], [0.0]])
    norms = clip_gradients([p, q], 1.0)
    torch.testing.assert_close(norms, torch.tensor([5.0, 0.1]))
    torch.testing.assert_close(p.grad, torch.tensor([[0.6, 0.0], [0.1, 0.0]]))
    torch.testing.assert_close(q.grad, torch.tensor([[0.8], [0.0]]))


def test_the_learning_rate_warms_up_and_halves():
    factor = warm_up_then_decay(10, warm_up=1.0, halve_every=8.0)
    assert [factor(step) for step in (0, 4, 9)] == pytest.approx([0.1, 0.5, 1.0])
    assert factor(89) == pytest.approx(0.5)


def test_a_loss_that_is_never_finite_leaves_no_weights(network, detectors, prepare_settings):
    train, validation, scale = data(detectors, prepare_settings, True)
    train.mean[:] = -torch.inf
    fitted = fit(run_of(network), train, validation, scale, "cpu")
    assert (fitted.diverged, fitted.best_epoch, fitted.training) == ([1], [0], [1])
    assert all(value.isnan().all() for value in fitted.weights.values())


def test_a_copy_that_diverges_leaves_the_others_as_they_would_be_without_it(
    network, detectors, prepare_settings, float64
):
    def trained(vds, spoil=False):
        train, validation, scale = data(detectors, prepare_settings, False, vds)
        if spoil:
            train.mean[1] = -torch.inf
        run = run_of(network, "independent_multi_vd", epochs=2)
        return fit(run, in_double(train), in_double(validation), scale.double(), "cpu")

    together = trained([0, 1, 2], spoil=True)
    assert (together.diverged, together.training) == ([0, 1, 0], [3, 2])
    for n in (0, 2):
        alone = trained([n])
        for name, value in alone.weights.items():
            torch.testing.assert_close(together.weights[name][n], value[0], rtol=1e-7, atol=1e-9, msg=name)


def test_a_copy_that_diverges_later_keeps_its_best_finite_weights(
    network, detectors, prepare_settings, monkeypatch
):
    common = data(detectors, prepare_settings, True)
    steps = -(-len(common[0]) // network.batch_size)
    monkeypatch.setattr(loop, "warm_up_then_decay", lambda _: lambda step: 1.0 if step < 2 * steps else 1e38)
    two, many = (fit(run_of(network, epochs=epochs), *common, "cpu") for epochs in (2, 5))
    assert (two.diverged, many.diverged, many.training) == ([0], [3], [1, 1, 1])
    assert same(two.weights, many.weights) and two.best_loss == many.best_loss
    assert torch.equal(many.figures[2], many.figures[1]), "the figures that are kept are the last finite ones"
