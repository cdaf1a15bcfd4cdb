"""What an encoder has read at the detectors nearby, pooled: the context that joins a detector's own state.

After the encoder, so that its work is that of a network without neighbours; sparse, a few neighbours to a detector.

Shapes: N copies, B samples (whole windows: V detectors of the first, V of the next, ...), D width of the encoder,
relations, near: neighbours in each.
"""

from math import sqrt

import torch
from torch import Tensor, nn
from torch.nn import functional

from vdcast.models.shared import stacked
from vdcast.models.shared.neighbours import Neighbours

UNSEEN = -1e9  # as a logit: no share


class Context(nn.Module):
    """States (N, B, D), and which samples were observed at all (N, B) -> (N, B, D), zero where no neighbour was.

    A relation's context is the mean of its neighbours' states, weighed by softmax of -(d / sigma)^2, which is the
    Gaussian kernel, normalised over those that were observed. With attention the logits are
    slope * -(d / sigma)^2 + temperature * q k' / sqrt(D), with queries of the detector's own state, and slope (at
    first 1) and temperature (at first 0) learned. Each relation has a projection of its own, which starts from zero.
    """

    index: Tensor  # (V, relations, near)
    kernel: Tensor  # (V, relations, near)
    there: Tensor  # (V, relations, near) bool

    def __init__(self, neighbours: Neighbours, width: int, *, copies: int):
        super().__init__()
        index, kernel = (torch.from_numpy(each) for each in (neighbours.index, neighbours.kernel))
        self.register_buffer("index", index, persistent=False)
        self.register_buffer("kernel", kernel.clamp(min=UNSEEN), persistent=False)
        self.register_buffer("there", kernel.isfinite(), persistent=False)
        self.project = nn.Parameter(torch.zeros(copies, width, index.shape[1] * width))
        self.attention = Attention(width, copies=copies) if neighbours.learned else None

    def forward(self, state: Tensor, observed: Tensor) -> Tensor:
        N, B, D = state.shape
        V, _, near = self.index.shape
        by_window = state.view(N, -1, V, D)
        seen = observed.view(N, -1, V)[:, :, self.index] & self.there  # (N, B / V, V, relations, near)
        logits = self.kernel if self.attention is None else self.attention(by_window, self.index, self.kernel)
        share = torch.where(seen, logits, UNSEEN).softmax(dim=-1) * seen
        first = V * torch.arange(N * B // V, device=state.device)  # row of each window's first detector
        rows = first[:, None, None, None] + self.index
        # a sum by rows: gathering the states first takes four times as long, backward above all
        pooled = functional.embedding_bag(
            rows.view(-1, near),
            state.flatten(0, 1).to(share.dtype),
            per_sample_weights=share.view(-1, near),
            mode="sum",
        )
        return stacked.linear(pooled.view(N, B, -1), self.project)


class Attention(nn.Module):
    """Logits (N, B / V, V, relations, near) of the neighbours ``index`` (V, relations, near) of each state (N, B / V, V, D)."""

    def __init__(self, width: int, *, copies: int):
        super().__init__()
        self.query = stacked.Linear(copies, width, width, bias=False)
        self.key = stacked.Linear(copies, width, width, bias=False)
        self.slope = nn.Parameter(torch.ones(copies, 1))
        self.temperature = nn.Parameter(torch.zeros(copies, 1))

    def forward(self, state: Tensor, index: Tensor, kernel: Tensor) -> Tensor:
        asked, found = self.query(state)[:, :, :, None, :, None], self.key(state)[:, :, index]
        alike = torch.matmul(found, asked)[..., 0] / sqrt(state.shape[-1])
        slope, temperature = (each.view(-1, 1, 1, 1, 1) for each in (self.slope, self.temperature))
        return slope * kernel + temperature * alike
