"""Building blocks for N copies of a network, each with weights of its own, as one module.

Every parameter has a leading axis N, the copies; every input is (N, B, ..., D). Copy n sees only
``x[n]`` and ``weight[n]``, so the copies are N independent models that share their kernels: V
detectors times S seeds train in one graph. N = 1 takes the same kernels as the plain torch module.
A product has I inputs and O outputs.
"""

from collections.abc import Callable, Mapping, Sequence
from math import sqrt

import torch
from torch import Tensor, nn
from torch.nn import functional

from vdcast.models.shared.dropout import dropouts_in
from vdcast.models.shared.onednn import OneDNNLinear, suits_onednn


def linear(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """``x[n] @ weight[n].T + bias[n]``: x (N, ..., I), weight (N, O, I), bias (N, O) -> (N, ..., O)."""
    copies, *middle, features = x.shape
    rows = x.reshape(copies, -1, features)
    if suits_onednn(rows, weight):
        y = OneDNNLinear.apply(rows, weight, bias)
    elif copies == 1:
        return functional.linear(x, weight.squeeze(0), None if bias is None else bias.squeeze(0))
    elif bias is None:
        y = torch.bmm(rows, weight.mT)
    else:
        y = torch.baddbmm(bias.unsqueeze(1), rows, weight.mT)
    return y.view(copies, *middle, -1)


def layer_norm(x: Tensor, weight: Tensor) -> Tensor:
    """Normalise the last axis, then scale per copy: x (N, ..., D), weight (N, D) -> (N, ..., D)."""
    if x.shape[0] == 1:
        return functional.layer_norm(x, x.shape[-1:], weight.squeeze(0))
    return functional.layer_norm(x, x.shape[-1:]) * weight.view(weight.shape[0], *[1] * (x.dim() - 2), -1)


class Linear(nn.Module):
    """N times ``nn.Linear``: (N, ..., I) -> (N, ..., O), initialised as it is."""

    def __init__(self, copies: int, in_features: int, out_features: int, *, bias: bool = True):
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


class Embedding(nn.Module):
    """N tables of a vector each for so many things: their numbers (N, B) -> (N, B, D). All start from zero."""

    def __init__(self, copies: int, things: int, width: int):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(copies, things, width))

    def forward(self, number: Tensor) -> Tensor:
        return self.weight.gather(1, number[..., None].expand(-1, -1, self.weight.shape[-1]))


def in_full_precision(function: Callable[..., Tensor], *tensors: Tensor) -> Tensor:
    """``function(*tensors)``; where autocast is on, it is off for this, and what it made is float32 again.

    For recurrences, whose rounding adds up over the steps.
    """
    device = tensors[0].device.type
    if not torch.is_autocast_enabled(device):
        return function(*tensors)
    with torch.autocast(device, enabled=False):
        return function(*(tensor.float() for tensor in tensors))


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
    streams = {id(dropout.streams): dropout.streams for dropout in dropouts_in(module) if dropout.streams}
    for stream in streams.values():
        stream.keep(copies)
