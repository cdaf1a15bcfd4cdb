"""Copies with rates of their own against torch's AdamW, a copy at a time."""

import torch
from torch import nn

from vdcast.train.copies import Rates
from vdcast.train.loss import warm_up_then_cosine
from vdcast.train.optimiser import AdamWOfEach


def test_each_copy_takes_the_steps_of_torchs_adamw_with_its_rates(float64):
    torch.manual_seed(0)
    rates = [Rates(0.0, 0.01, 0.3), Rates(0.0, 0.2, 0.0), Rates(0.0, 0.001, 1.0)]
    together = nn.Parameter(torch.randn(3, 4, 5))
    alone = [nn.Parameter(each.detach().clone()) for each in together]
    optimisers = [
        AdamWOfEach([together], rates),
        *(
            torch.optim.AdamW([p], lr=each.learning_rate, weight_decay=each.weight_decay)
            for p, each in zip(alone, rates, strict=True)
        ),
    ]
    factor = warm_up_then_cosine(3, epochs=3)
    schedules = [torch.optim.lr_scheduler.LambdaLR(each, factor) for each in optimisers]
    for _ in range(9):
        together.grad = torch.randn(3, 4, 5)
        for n, p in enumerate(alone):
            p.grad = together.grad[n].clone()
        for each in (*optimisers, *schedules):
            each.step()
        for n, p in enumerate(alone):
            assert torch.allclose(together[n], p, rtol=1e-12, atol=1e-14)
