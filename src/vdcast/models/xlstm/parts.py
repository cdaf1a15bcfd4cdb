"""What both kinds of xLSTM block are made of: weights under the package's names, the convolution, initial values."""

from dataclasses import dataclass
from math import ceil, sqrt
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from vdcast.models.shared.stacked import layer_norm

CONV = 4  # taps of the causal convolution


@dataclass(frozen=True)
class Sizes:
    """What all blocks of a stack share, and their initial weights depend on."""

    width: int  # D
    heads: int
    blocks: int  # how many there are


class Weights(nn.Module):
    """Parameters under the package's name for them: ``Weights(weight=shape, bias=shape)``."""

    def __init__(self, **shapes: tuple[int, ...]):
        super().__init__()
        for name, shape in shapes.items():
            setattr(self, name, nn.Parameter(torch.zeros(shape)))

    if TYPE_CHECKING:  # the names are known as the module is made

        def __getattr__(self, name: str) -> Any: ...


class Norm(Weights):
    """Layer norm that learns its scale as a difference from 1."""

    def __init__(self, copies: int, width: int):
        super().__init__(weight=(copies, width))

    def forward(self, x: Tensor) -> Tensor:
        return layer_norm(x, 1 + self.weight)


def _taps(weight: Tensor) -> list[Tensor]:
    """(N, width, 1, CONV) -> CONV times (N, 1, 1, width), each in one piece of memory."""
    return [across_steps(tap) for tap in weight.squeeze(2).permute(2, 0, 1).contiguous()]


def causal_conv(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """Channel by channel, of a step and those before it: x (N, L, B, width), weight (N, width, 1, CONV)."""
    *earlier, last = _taps(weight)
    y = torch.addcmul(across_steps(bias), x, last)
    for lag, tap in enumerate(reversed(earlier), start=1):
        y[:, lag:].addcmul_(x[:, :-lag], tap)
    return y


def causal_conv_backward(grad: Tensor, x: Tensor, weight: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Gradients of ``causal_conv`` by x, weight and bias."""
    *earlier, last = _taps(weight)
    grad_x = grad * last
    taps = [(grad * x).sum((1, 2))]
    for lag, tap in enumerate(reversed(earlier), start=1):
        grad_x[:, :-lag].addcmul_(grad[:, lag:], tap)
        taps.append((grad[:, lag:] * x[:, :-lag]).sum((1, 2)))
    return grad_x, torch.stack(taps[::-1], dim=-1).unsqueeze(2), grad.sum((1, 2))


class ConvSiLU(torch.autograd.Function):
    """silu(causal_conv(x, weight, bias))."""

    @staticmethod
    def forward(ctx, x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        y = causal_conv(x, weight, bias)
        ctx.save_for_backward(x, weight, y)
        return functional.silu(y)

    @staticmethod
    def backward(ctx, grad: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        x, weight, y = ctx.saved_tensors
        # the gates' gradient arrives transposed; as it is, the pointwise kernels would crawl
        return causal_conv_backward(torch.ops.aten.silu_backward(grad.contiguous(), y), x, weight)


def last_steps(x: Tensor, steps: int | None) -> Tensor:
    """The last ``steps`` of (N, L, ...), or all: a slice that takes all still costs a copy backward."""
    return x if steps is None else x[:, -steps:]


def across_steps(per_channel: Tensor) -> Tensor:
    """(N, width) -> (N, 1, 1, width), to meet (N, L, B, width)."""
    return per_channel[:, None, None, :]


def multiple_of_64(width: float) -> int:
    return ceil(width / 64) * 64


def conv_weights(copies: int, width: int) -> Weights:
    """Of ``causal_conv``, where the package has them."""
    weights = Weights()
    weights.conv = Weights(weight=(copies, width, 1, CONV), bias=(copies, width))
    return weights


def small_init_std(width: int) -> float:
    """Standard deviation after Nguyen & Salazar 2019, "Transformers without Tears"."""
    return sqrt(2 / (5 * width))


def wang_init_std(width: int, num_blocks: int) -> float:
    """Standard deviation for projections back into the residual stream, as in GPT-NeoX."""
    return 2 / num_blocks / sqrt(width)


def draw_as_linear(weights: Weights, n: int) -> None:
    """Draw copy ``n`` as ``nn.Linear`` draws its weights."""
    bound = 1 / sqrt(weights.weight.shape[-1])
    nn.init.kaiming_uniform_(weights.weight[n], a=sqrt(5))
    if hasattr(weights, "bias"):
        nn.init.uniform_(weights.bias[n], -bound, bound)


def draw_as_conv(weights: Weights, n: int) -> None:
    """Draw copy ``n`` as ``nn.Conv1d`` draws its weights, twice, as the package does."""
    for _ in range(2):
        nn.init.kaiming_uniform_(weights.weight[n], a=sqrt(5))
        nn.init.uniform_(weights.bias[n], -1 / sqrt(CONV), 1 / sqrt(CONV))
