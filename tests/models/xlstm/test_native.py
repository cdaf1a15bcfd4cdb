"""The blocks in C++ against the vanilla ones and the package; what compiles it is slow, and skips without a compiler."""

import pytest
import torch

from tests.models.xlstm.test_encoder import (
    SIZES,
    assert_close,
    build_package,
    first_copy,
    inputs,
    perturbed,
    train,
    value_and_gradients,
)
from vdcast.models.shared.stacked import stack, take
from vdcast.models.xlstm.encoder import XLSTM, NativeXLSTM
from vdcast.models.xlstm.native import SOURCE
from vdcast.models.xlstm.parts import Sizes


def build(kind, embedding_dim, num_blocks, slstm_at, num_heads, copies=1, dropout=0.0, seed=0):
    torch.manual_seed(seed)
    sizes = Sizes(embedding_dim, num_heads, num_blocks)
    return kind(copies, sizes, slstm_at=slstm_at, context_length=32, dropout=dropout)


def twins(*size, **others):
    """One with vanilla blocks and one with those of C++, with the same weights."""
    vanilla = perturbed(build(XLSTM, *size, **others))
    native = build(NativeXLSTM, *size, **others, seed=1)
    native.load_state_dict(vanilla.state_dict())
    return vanilla, native


# copies, steps, windows, width, heads, the last step alone
SHAPES = {
    "a step": (1, 1, 33, 32, 4, False),
    "a window": (5, 7, 1, 64, 2, False),
    "a batch": (1, 24, 33, 64, 4, False),
    "last step": (5, 24, 33, 32, 4, True),
    "last of one": (1, 1, 1, 128, 2, True),
    "odd heads": (2, 9, 5, 40, 2, True),
    "narrow heads": (1, 20, 3, 32, 8, False),
}


@pytest.mark.slow
@pytest.mark.parametrize("slstm_at", [[0], []], ids=["sLSTM", "mLSTM"])
@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_a_block_gives_what_the_vanilla_one_gives(native, shape, slstm_at):
    """In float64 to its rounding; in float32 within 2e-6 of that, or, as with sums that cancel, twice as far as vanilla is."""
    copies, steps, windows, width, heads, last = shape
    vanilla, native = twins(width, 1, slstm_at, heads, copies=copies)
    x = inputs(copies, windows, steps, width)

    def found(model, x):
        values = value_and_gradients(model, x, run=lambda x: model(x, last_only=last))
        if steps == 1:  # one step has no past
            return {name: v for name, v in values.items() if "recurrent" not in name and "fgate" not in name}
        return values

    single, same = found(native, x.float()), found(vanilla, x.float())
    exact = found(vanilla.double(), x)
    assert_close(found(native.double(), x), exact, 1e-12)
    for name, value in exact.items():
        tolerance = max(2e-6 * value.norm(), 2 * (same[name] - value).norm())
        assert (single[name] - value).norm() <= tolerance, name


@pytest.mark.slow
@pytest.mark.parametrize("size", SIZES.values(), ids=SIZES)
def test_outputs_and_gradients_are_the_packages(native, size):
    theirs = perturbed(build_package(*size))
    mine = build(NativeXLSTM, *size, seed=1)
    mine.load_state_dict({name: tensor[None] for name, tensor in theirs.state_dict().items()})
    x = inputs(8, 20, size[0])
    single, same = value_and_gradients(mine, x[None].float()), value_and_gradients(theirs, x.float())
    exact = value_and_gradients(theirs.double(), x)
    assert_close(first_copy(value_and_gradients(mine.double(), x[None])), exact, 1e-10)
    for name, value in first_copy(single).items():
        tolerance = 1e-5 * exact[name].norm()
        if name.endswith("gate.bias"):  # as in test_encoder
            tolerance = max(tolerance, 3 * (same[name] - exact[name]).norm())
        assert (value - exact[name]).norm() <= tolerance, name


@pytest.mark.slow
@pytest.mark.parametrize("slstm_at", [[0], []], ids=["sLSTM", "mLSTM"])
def test_extreme_inputs_stay_finite(native, slstm_at):
    _, model = twins(32, 1, slstm_at, 4)
    for parameter in model.parameters():
        parameter.data *= 100
    assert all(
        part.isfinite().all() for part in value_and_gradients(model, inputs(1, 3, 9, 32).float()).values()
    )


@pytest.mark.slow
def test_training_repeats_bit_for_bit_with_any_number_of_threads(native):
    size, threads = SIZES["small"], torch.get_num_threads()
    x = inputs(2, 32, 20, 32, dtype=torch.float32)
    trained = []
    try:
        for number in (1, 1, 2):
            torch.set_num_threads(number)
            trained.append(train(build(NativeXLSTM, *size, copies=2, dropout=0.3), x, [1, 2]))
    finally:
        torch.set_num_threads(threads)
    for name, tensor in trained[0].items():
        assert all(torch.equal(tensor, other[name]) for other in trained[1:]), name


@pytest.mark.slow
def test_stacked_training_is_training_one_by_one(native):
    size, seeds = SIZES["small"], [1, 2, 1]
    x = inputs(3, 4, 10, 32)
    many = build(NativeXLSTM, *size, copies=3, dropout=0.3).double()
    many.load_state_dict(stack([build(NativeXLSTM, *size, seed=seed) for seed in seeds]))
    together = train(many, x, seeds, drop_at=1, keep=[0, 2])
    for row, n in enumerate([0, 2]):
        alone = train(
            build(NativeXLSTM, *size, dropout=0.3, seed=seeds[n]).double(), x[n : n + 1], seeds[n : n + 1]
        )
        assert_close(take(together, [row]), alone, 1e-12)


@pytest.mark.slow
def test_what_is_trained_forecasts_by_the_vanilla_code(native):
    """Within 1e-6 of what training computed, for the network of params.yaml."""
    model = build(NativeXLSTM, 64, 2, [1], 4)
    x = inputs(1, 32, 20, 64, dtype=torch.float32)
    train(model, x, [0])
    computed = model(x, last_only=True).detach()
    with torch.no_grad():
        assert (model(x, last_only=True) - computed).norm() <= 1e-6 * computed.norm()


def test_without_a_gradient_nothing_is_compiled(tmp_path, monkeypatch):
    """Even where nothing could be: bit for bit the vanilla forecast."""
    monkeypatch.setenv("PATH", "")
    monkeypatch.setenv("TORCH_EXTENSIONS_DIR", str(tmp_path))
    vanilla, native = twins(*SIZES["small"])
    x = inputs(1, 3, 10, 32, dtype=torch.float32)
    with torch.no_grad():
        assert torch.equal(native(x, last_only=True), vanilla(x, last_only=True))
    assert not any(tmp_path.iterdir())


def test_the_source_is_short():
    lines = SOURCE.read_text("utf-8").splitlines()
    assert len(lines) <= 500 and max(map(len, lines)) <= 120
