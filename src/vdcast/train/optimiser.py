"""What takes the steps of a stack: AdamW, whose copies may have rates of their own."""

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor, nn

from vdcast.params.networks import Network
from vdcast.train.copies import Rates

OF_EACH = ("learning_rates", "weight_decays")  # (N,), by copy


def optimiser_of(model: nn.Module, network: Network, rates: Sequence[Rates] | None) -> torch.optim.Optimizer:
    """For all copies of ``model`` alike, or with the ``rates`` of each."""
    if rates:
        return AdamWOfEach(model.parameters(), rates)
    return torch.optim.AdamW(
        model.parameters(), lr=network.learning_rate, weight_decay=network.weight_decay, fused=True
    )


class AdamWOfEach(torch.optim.AdamW):
    """AdamW (Loshchilov & Hutter 2019) of parameters (N, ...), each copy with its own learning rate and weight decay.

    ``lr`` is what a schedule makes of 1: the factor of all learning rates.
    """

    def __init__(self, parameters: Iterable[nn.Parameter], rates: Sequence[Rates]):
        super().__init__(parameters, lr=1.0, weight_decay=0.0, fused=True)
        group = self.param_groups[0]
        device = group["params"][0].device
        group["learning_rates"] = torch.tensor([each.learning_rate for each in rates], device=device)
        group["weight_decays"] = torch.tensor([each.weight_decay for each in rates], device=device)

    @torch.no_grad()
    def step(self, closure=None):
        """AdamW's own step at the rate ``lr``, of which each copy takes its share: w (1 - lr * rate * decay) + rate * step."""
        group = self.param_groups[0]
        parameters: list[Tensor] = group["params"]
        rate = group["learning_rates"]
        kept = 1 - group["lr"] * rate * group["weight_decays"]
        before = [p.clone() for p in parameters]
        super().step()
        for p, old in zip(parameters, before, strict=True):
            of_each = (-1, *[1] * (p.dim() - 1))
            p.sub_(old).mul_(rate.view(of_each)).add_(old * kept.view(of_each))
