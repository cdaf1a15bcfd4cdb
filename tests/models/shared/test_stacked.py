from copy import deepcopy

import pytest
import torch
from torch import nn

from vdcast.models.shared import onednn
from vdcast.models.shared.dropout import Dropout, dropout_state, seed_dropout, set_dropout_state
from vdcast.models.shared.onednn import ONEDNN
from vdcast.models.shared.stacked import Linear, keep_copies, stack, take


def randomised(module: nn.Module) -> nn.Module:
    for parameter in module.parameters():
        nn.init.normal_(parameter)
    return module


def value_and_gradients(module, x):
    x = x.clone().requires_grad_()
    y = module(x)
    (y * torch.linspace(-1, 1, y.shape[-1])).sum().backward()
    return [y, x.grad, *(parameter.grad for parameter in module.parameters())]


@pytest.mark.parametrize("copies", [1, 3])
@pytest.mark.parametrize(
    "stacked, plain",
    [
        (lambda n: Linear(n, 4, 6), lambda: nn.Linear(4, 6)),
        (lambda n: Linear(n, 4, 6, bias=False), lambda: nn.Linear(4, 6, bias=False)),
    ],
)
def test_a_copy_computes_what_the_plain_module_does(copies, stacked, plain):
    torch.manual_seed(0)
    many = randomised(stacked(copies))
    x = torch.randn(copies, 2, 5, 4)
    found = value_and_gradients(many, x)
    for n in range(copies):
        one = plain()
        one.load_state_dict({name: tensor[n] for name, tensor in many.state_dict().items()})
        for ours, theirs in zip(found, value_and_gradients(one, x[n]), strict=True):
            torch.testing.assert_close(ours[n], theirs)


@pytest.mark.skipif(ONEDNN is None, reason="this torch is built without oneDNN")
@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("copies", [1, 3])
def test_a_large_product_is_oneDNNs_and_the_same_as_in_float64(copies, bias, compiled, monkeypatch):
    """Also of what does not lie in one piece of memory: a slice of the steps, and the gradient of a transpose."""
    calls = []
    original = ONEDNN
    monkeypatch.setattr(onednn, "ONEDNN", lambda *args: calls.append(1) or original(*args))
    torch.manual_seed(0)
    many = randomised(Linear(copies, 64, 128, bias=bias))
    whole = torch.randn(copies, 22, 32, 64)

    def figures(module, x):
        module.zero_grad()
        x = x.clone().requires_grad_()
        y = module(x[:, 2:]).transpose(1, 2)
        (y * torch.linspace(-1, 2, 20)[:, None].to(x)).sum().backward()
        return [y, x.grad, *(parameter.grad for parameter in module.parameters())]

    found = figures(torch.compile(many, backend="aot_eager") if compiled else many, whole)
    assert len(calls) == 3 * copies, "forward, and the gradients of x and of the weight"
    exact = figures(deepcopy(many).double(), whole.double())
    assert len(calls) == 3 * copies, "float64 is not oneDNN's"
    for ours, theirs in zip(found, exact, strict=True):
        torch.testing.assert_close(ours, theirs.float(), rtol=1e-5, atol=1e-5 * theirs.abs().max().item())


def test_initial_weights_are_those_of_the_plain_module():
    torch.manual_seed(3)
    ours = Linear(1, 7, 5)
    torch.manual_seed(3)
    theirs = nn.Linear(7, 5)
    assert torch.equal(ours.weight[0], theirs.weight)
    assert torch.equal(ours.bias[0], theirs.bias)


def test_stack_and_take_are_inverse():
    singles = [randomised(Linear(1, 3, 2)) for _ in range(4)]
    many = Linear(4, 3, 2)
    many.load_state_dict(stack(singles))
    for n, single in enumerate(singles):
        for name, tensor in take(many.state_dict(), [n]).items():
            assert torch.equal(tensor, single.state_dict()[name])
    assert torch.equal(take(many.state_dict(), [3, 1])["bias"], torch.cat([singles[3].bias, singles[1].bias]))


def seeded(p: float, seeds: list[int]) -> Dropout:
    dropout = Dropout(p)
    seed_dropout(dropout, seeds)
    return dropout


def test_masks_depend_on_the_seed_alone():
    ones = torch.ones(3, 2, 5, 4)
    together, alone, other = seeded(0.5, [7, 8, 7]), seeded(0.5, [7]), seeded(0.5, [9, 8])
    for _ in range(3):
        masks = together(ones)
        assert torch.equal(masks[0], masks[2])
        assert torch.equal(masks[:1], alone(ones[:1]))
        assert torch.equal(masks[1], other(ones[:2])[1])
        assert not torch.equal(masks[0], masks[1])


def test_copies_of_one_seed_share_masks():
    masks = seeded(0.5, [4, 4])(torch.ones(2, 30))
    assert torch.equal(masks[0], masks[1])


def test_masks_do_not_depend_on_threads():
    threads = torch.get_num_threads()
    ones = torch.ones(1, 64, 40, 64)
    try:
        torch.set_num_threads(1)
        one = seeded(0.3, [5])(ones)
        torch.set_num_threads(2)
        two = seeded(0.3, [5])(ones)
    finally:
        torch.set_num_threads(threads)
    assert torch.equal(one, two)


@pytest.mark.parametrize("p", [0.1, 0.3, 0.75])
def test_dropped_share_and_mean(p):
    mask = seeded(p, [0])(torch.ones(1, 400_001))
    # five standard deviations of a Bernoulli mean over that many draws
    tolerance = 5 * (p * (1 - p) / mask.numel()) ** 0.5
    assert (mask == 0).double().mean().item() == pytest.approx(p, abs=tolerance)
    assert mask.double().mean().item() == pytest.approx(1, abs=tolerance / (1 - p))
    assert len(mask.unique()) == 2


def test_a_copy_drops_its_own_share_by_the_numbers_that_it_would_draw_alone():
    shares, x = [0.0, 0.25, 0.6], torch.ones(3, 5, 7)
    together = Dropout(0.9)  # of none of them
    seed_dropout(together, [4, 4, 9], rates=shares)
    first, second = together(x), together(x)
    together.streams.keep([0, 2])
    third = together(x[:2])
    for n, (seed, share) in enumerate(zip([4, 4, 9], shares, strict=True)):
        alone = Dropout(share)
        seed_dropout(alone, [seed])
        for drawn in (first, second):
            assert torch.equal(drawn[n], alone(x[:1])[0])
        if n != 1:
            assert torch.equal(third[n // 2], alone(x[:1])[0])


def test_gradient_flows_through_what_was_kept():
    x = torch.randn(2, 50, requires_grad=True)
    y = seeded(0.5, [0, 1])(x)
    y.sum().backward()
    assert torch.equal(x.grad, torch.where(y == 0, 0.0, 2.0))


def test_evaluation_draws_nothing():
    dropout = seeded(0.5, [1]).eval()
    before = dropout_state(dropout)
    x = torch.randn(1, 10)
    assert dropout(x) is x
    assert torch.equal(dropout_state(dropout)[1], before[1])


def test_layers_of_a_module_share_streams_and_resume():
    module = nn.Sequential(Dropout(0.5), Dropout(0.2))
    seed_dropout(module, [1, 2])
    ones = torch.ones(2, 40)
    module(ones)
    state = dropout_state(module)
    expected = module(ones)
    resumed = nn.Sequential(Dropout(0.5), Dropout(0.2))
    seed_dropout(resumed, [1, 2])
    set_dropout_state(resumed, state)
    assert torch.equal(resumed(ones), expected)


def test_a_copy_that_stays_goes_on_as_before():
    ones = torch.ones(3, 40)
    module = nn.Sequential(Linear(3, 40, 40), Dropout(0.5))
    seed_dropout(module, [1, 2, 3])
    twin = nn.Sequential(Linear(3, 40, 40), Dropout(0.5))
    twin.load_state_dict(module.state_dict())
    seed_dropout(twin, [1, 2, 3])
    module(ones), twin(ones)
    keep_copies(module, [0, 2])
    torch.testing.assert_close(module(ones[:2]), twin(ones)[[0, 2]])


def test_dropout_without_seeds_is_refused():
    with pytest.raises(RuntimeError, match="seed_dropout"):
        Dropout(0.5)(torch.ones(1, 2))


def test_dropout_seeded_for_other_copies_is_refused():
    with pytest.raises(ValueError, match="3 copies, dropout was seeded for 2"):
        seeded(0.5, [1, 2])(torch.ones(3, 2))
