"""Building blocks for N copies of a network, each with weights of its own, as one module.

Every parameter has a leading axis N, the copies; every input is (N, B, ..., D). Copy n sees only
``x[n]`` and ``weight[n]``, so the copies are N independent models that share their kernels: V
detectors times S seeds train in one graph. N = 1 takes the same kernels as the plain torch module.
"""

from collections.abc import Callable, Mapping, Sequence
from math import sqrt

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def linear(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """``x[n] @ weight[n].T + bias[n]``: x (N, ..., I), weight (N, O, I), bias (N, O) -> (N, ..., O)."""
    copies, *middle, features = x.shape
    rows = x.reshape(copies, -1, features)
    if _suits_onednn(rows, weight):
        y = OneDNNLinear.apply(rows, weight, bias)
    elif copies == 1:
        return F.linear(x, weight.squeeze(0), None if bias is None else bias.squeeze(0))
    elif bias is None:
        y = torch.bmm(rows, weight.mT)
    else:
        y = torch.baddbmm(bias.unsqueeze(1), rows, weight.mT)
    return y.view(copies, *middle, -1)


# torch multiplies float32 by MKL, which on AMD's processors takes twice as long as oneDNN, by which torch.lstm and
# compiled code multiply: through the operator that the latter call. (640 x 64 by 64 x 128 on one thread, with both
# gradients: 0.33 and 0.22 ms; at 640 x 32 by 32 x 64 its start costs more than it saves.)
ONEDNN = (
    getattr(torch.ops.mkldnn, "_linear_pointwise", None) if torch.backends.mkldnn.is_available() else None
)
ONEDNN_FROM = 2**22  # multiplications of one copy


def _suits_onednn(rows: Tensor, weight: Tensor) -> bool:
    if ONEDNN is None or not rows.dtype == weight.dtype == torch.float32 or rows.device.type != "cpu":
        return False
    return rows.shape[1] * weight[0].numel() >= ONEDNN_FROM and not torch.is_autocast_enabled("cpu")


class OneDNNLinear(torch.autograd.Function):
    """``linear`` of rows (N, M, I) by oneDNN, copy after copy."""

    @staticmethod
    def forward(ctx, rows: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        ctx.save_for_backward(rows, weight)
        ctx.has_bias = bias is not None
        return _product(rows, weight, bias)

    @staticmethod
    def backward(ctx, grad: Tensor) -> tuple[Tensor | None, Tensor, Tensor | None]:
        rows, weight = ctx.saved_tensors
        return (
            _product(grad, weight.mT) if ctx.needs_input_grad[0] else None,
            _product(grad.mT, rows.mT),
            grad.sum(1) if ctx.has_bias else None,
        )


def _product(a: Tensor, b: Tensor, bias: Tensor | None = None) -> Tensor:
    """a (N, M, I), b (N, O, I), bias (N, O) -> a b' + bias, (N, M, O)."""
    return (_opaque if torch.compiler.is_compiling() else _by_onednn)(a, b, bias)


def _by_onednn(a: Tensor, b: Tensor, bias: Tensor | None) -> Tensor:
    biases = [None] * len(a) if bias is None else bias.unbind()
    parts = zip(a.unbind(), b.unbind(), biases, strict=True)
    products = [ONEDNN(*part, "none", [], "") for part in parts]
    return torch.stack(products) if len(products) > 1 else products[0].unsqueeze(0)


# torch.compile takes oneDNN's operator for weights that never change alone, so it is not to look into this one
_opaque = torch.library.custom_op("vdcast::by_onednn", _by_onednn, mutates_args=())


@_opaque.register_fake
def _(a: Tensor, b: Tensor, bias: Tensor | None) -> Tensor:
    return a.new_empty(a.shape[0], a.shape[1], b.shape[1])


def layer_norm(x: Tensor, weight: Tensor) -> Tensor:
    """Normalise the last axis, then scale per copy: x (N, ..., D), weight (N, D) -> (N, ..., D)."""
    if x.shape[0] == 1:
        return F.layer_norm(x, x.shape[-1:], weight.squeeze(0))
    return F.layer_norm(x, x.shape[-1:]) * weight.view(weight.shape[0], *[1] * (x.dim() - 2), -1)


class Linear(nn.Module):
    """N times ``nn.Linear``: (N, ..., in_features) -> (N, ..., out_features), initialised as it is."""

    def __init__(self, copies: int, in_features: int, out_features: int, bias: bool = True):
        super().__init__()
        self.weight = nn.Parameter(torch.empty(copies, out_features, in_features))
        self.bias = nn.Parameter(torch.empty(copies, out_features)) if bias else None
        self.reset_parameters()

    def reset_parameters(self) -> None:
        bound = 1 / sqrt(self.weight.shape[-1])
        for n, weight in enumerate(self.weight):
            nn.init.kaiming_uniform_(weight, a=sqrt(5))
            if self.bias is not None:
                nn.init.uniform_(self.bias[n], -bound, bound)

    def forward(self, x: Tensor) -> Tensor:
        return linear(x, self.weight, self.bias)


def in_full_precision(function: Callable[..., Tensor], *tensors: Tensor) -> Tensor:
    """``function(*tensors)``; where autocast is on, it is off for this, and what it made is float32 again.

    For recurrences, whose rounding adds up over the steps.
    """
    device = tensors[0].device.type
    if not torch.is_autocast_enabled(device):
        return function(*tensors)
    with torch.autocast(device, enabled=False):
        return function(*(tensor.float() for tensor in tensors))


class MaskStreams:
    """One random stream of dropout masks per distinct seed; ``seeds[n]`` is the seed of copy n."""

    def __init__(self, seeds: Sequence[int], device: torch.device | str):
        self.device = torch.device(device)
        self.whole: tuple[int, slice] | None = None  # a batch's size, and the part of it that inputs hold
        self.generators = {
            seed: torch.Generator(self.device).manual_seed(seed) for seed in dict.fromkeys(seeds)
        }
        self.assign(seeds)

    def assign(self, seeds: Sequence[int]) -> None:
        """The copies are now these; a stream goes on where it was as long as one copy has its seed."""
        self.seeds = list(seeds)
        self.generators = {seed: self.generators[seed] for seed in dict.fromkeys(seeds)}
        row = {seed: row for row, seed in enumerate(self.generators)}
        self.rows = torch.tensor([row[seed] for seed in seeds], device=self.device)

    def draw(self, like: Tensor, keep: float, axis: int = 1) -> Tensor:
        """0 or 1/keep: (N, ...) like ``like``, or (1, ...) if all copies share a seed; ``axis`` counts windows."""
        if like.shape[0] != len(self.seeds):
            raise ValueError(f"input has {like.shape[0]} copies, dropout was seeded for {len(self.seeds)}")
        # 16 random bits an element decide, which on CPU costs a quarter of bernoulli_
        dropped = round((1 - keep) * 2**16)
        shape = list(like.shape[1:])
        if self.whole is not None:
            shape[axis - 1], part = self.whole
        masks = like.new_empty(len(self.generators), *shape)
        for mask, generator in zip(masks, self.generators.values(), strict=True):
            words = torch.empty(-(-mask.numel() // 4), dtype=torch.int64, device=self.device)
            bits = (
                words.random_(-(2**63), None, generator=generator)
                .view(torch.int16)[: mask.numel()]
                .view(shape)
            )
            torch.ge(bits, dropped - 2**15, out=mask)
        masks.mul_(2**16 / (2**16 - dropped))
        if self.whole is not None:
            masks = masks[(slice(None),) * axis + (part,)]
        return masks if len(masks) in (1, len(self.seeds)) else masks[self.rows]


class Dropout(nn.Module):
    """Dropout whose masks depend on a copy's seed alone, not on the copies beside it.

    ``seed_dropout`` must be called before the first training step. Copies of one seed share their
    masks, as do models trained one by one after the same seed. In ``eval`` nothing is drawn. ``axis``
    of the input counts windows.
    """

    def __init__(self, p: float, axis: int = 1):
        super().__init__()
        self.p, self.axis = p, axis
        self.streams: MaskStreams | None = None

    def forward(self, x: Tensor) -> Tensor:
        """(N, ..., B, ...) -> the same shape. Raises RuntimeError where no seeds were given."""
        if not self.training or self.p == 0:
            return x
        if self.streams is None:
            raise RuntimeError("Dropout has no seeds: call seed_dropout(module, seeds) before training")
        return x * self.streams.draw(x, 1 - self.p, self.axis)


def _dropouts(module: nn.Module) -> list[Dropout]:
    return [part for part in module.modules() if isinstance(part, Dropout)]


def seed_dropout(module: nn.Module, seeds: Sequence[int], device: torch.device | str = "cpu") -> None:
    """Let every Dropout in ``module`` draw from one stream per seed; ``seeds[n]`` belongs to copy n.

    ``device`` is where the module computes.
    """
    streams = MaskStreams(seeds, device)
    for dropout in _dropouts(module):
        dropout.streams = streams


def drop_as_in(module: nn.Module, size: int, part: slice) -> None:
    """Inputs hold only ``part`` of a batch of ``size`` windows: drop what would be dropped of it in the whole."""
    for dropout in _dropouts(module):
        dropout.streams.whole = (size, part)


def dropout_state(module: nn.Module) -> dict[int, Tensor]:
    """State of each seed's stream, for a checkpoint; empty without seeded dropout."""
    dropouts = _dropouts(module)
    if not dropouts or dropouts[0].streams is None:
        return {}
    return {seed: generator.get_state() for seed, generator in dropouts[0].streams.generators.items()}


def set_dropout_state(module: nn.Module, state: Mapping[int, Tensor]) -> None:
    """Go on from ``dropout_state``, after ``seed_dropout`` with the same seeds."""
    dropouts = _dropouts(module)
    if dropouts:
        for seed, generator in dropouts[0].streams.generators.items():
            generator.set_state(state[seed])


def stack(modules: Sequence[nn.Module]) -> dict[str, Tensor]:
    """The state_dict of one module that holds the copies of all ``modules``, in their order."""
    states = [module.state_dict() for module in modules]
    return {name: torch.cat([state[name] for state in states]) for name in states[0]}


def take(tensors: Mapping[str, Tensor], copies: Sequence[int]) -> dict[str, Tensor]:
    """Only these copies of every tensor (N, ...): of a state_dict, of gradients, of optimiser state."""
    return {name: tensor[list(copies)] for name, tensor in tensors.items()}


def keep_copies(module: nn.Module, copies: Sequence[int]) -> None:
    """Drop all other copies of ``module``: its parameters are new objects, which an optimiser must be given.

    The dropout streams of the copies that stay go on where they were.
    """
    for part in module.modules():
        for name, parameter in list(part.named_parameters(recurse=False)):
            # autograd may hold on to the old shape of a parameter that is resized in place
            setattr(part, name, nn.Parameter(parameter.detach()[list(copies)]))
    streams = {id(dropout.streams): dropout.streams for dropout in _dropouts(module) if dropout.streams}
    for stream in streams.values():
        stream.assign([stream.seeds[n] for n in copies])
