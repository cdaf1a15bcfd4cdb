"""What both kinds of xLSTM block are made of: weights under the package's names, the convolution, initial values."""

from math import ceil, sqrt
from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vdcast.models.shared.stacked import layer_norm

CONV = 4  # taps of the causal convolution


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

    def __init__(self, copies: int, features: int):
        super().__init__(weight=(copies, features))

    def forward(self, x: Tensor) -> Tensor:
        return layer_norm(x, 1 + self.weight)


def _taps(weight: Tensor) -> list[Tensor]:
    """(N, F, 1, CONV) -> CONV times (N, 1, 1, F), each in one piece of memory."""
    return [row(tap) for tap in weight.squeeze(2).permute(2, 0, 1).contiguous()]


def causal_conv(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """Channel by channel, of a step and those before it: x (N, L, B, F), weight (N, F, 1, CONV)."""
    *earlier, last = _taps(weight)
    y = torch.addcmul(row(bias), x, last)
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
        return F.silu(y)

    @staticmethod
    def backward(ctx, grad: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        x, weight, y = ctx.saved_tensors
        # the gates' gradient arrives transposed; as it is, the pointwise kernels would crawl
        return causal_conv_backward(torch.ops.aten.silu_backward(grad.contiguous(), y), x, weight)


def last_steps(x: Tensor, steps: int | None) -> Tensor:
    """The last ``steps`` of (N, L, ...), or all: a slice that takes all still costs a copy backward."""
    return x if steps is None else x[:, -steps:]


def row(per_channel: Tensor) -> Tensor:
    """(N, F) -> (N, 1, 1, F), to meet (N, L, B, F)."""
    return per_channel[:, None, None, :]


def multiple_of_64(width: float) -> int:
    return ceil(width / 64) * 64


def conv_weights(copies: int, features: int) -> Weights:
    weights = Weights()
    weights.conv = Weights(weight=(copies, features, 1, CONV), bias=(copies, features))
    return weights


def small_std(width: int) -> float:
    """Standard deviation after Nguyen & Salazar 2019, "Transformers without Tears"."""
    return sqrt(2 / (5 * width))


def wang_std(width: int, num_blocks: int) -> float:
    """Standard deviation for projections back into the residual stream, as in GPT-NeoX."""
    return 2 / num_blocks / sqrt(width)


def as_linear(weights: Weights, n: int) -> None:
    bound = 1 / sqrt(weights.weight.shape[-1])
    nn.init.kaiming_uniform_(weights.weight[n], a=sqrt(5))
    if hasattr(weights, "bias"):
        nn.init.uniform_(weights.bias[n], -bound, bound)


def as_conv(weights: Weights, n: int) -> None:
    for _ in range(2):
        nn.init.kaiming_uniform_(weights.weight[n], a=sqrt(5))
        nn.init.uniform_(weights.bias[n], -1 / sqrt(CONV), 1 / sqrt(CONV))
