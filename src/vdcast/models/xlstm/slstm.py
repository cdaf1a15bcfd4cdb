"""The sLSTM block (Beck et al. 2024, figure 10), stacked."""

from math import sqrt

import torch
from torch import Tensor, nn
from torch.nn import functional

from vdcast.models.shared.dropout import Dropout
from vdcast.models.shared.stacked import in_full_precision, linear
from vdcast.models.xlstm.backends import SCANS
from vdcast.models.xlstm.parts import (
    ConvSiLU,
    Norm,
    Sizes,
    Weights,
    across_steps,
    conv_weights,
    draw_as_conv,
    draw_as_linear,
    last_steps,
    multiple_of_64,
    small_init_std,
    wang_init_std,
)


class SLSTMBlock(nn.Module):
    """x + sLSTM layer(norm(x)), then a gated feed-forward: (N, L, B, D) -> the same shape (figure 10)."""

    COMPILES = ("gates", "feed_forward")

    def __init__(
        self,
        copies: int,
        sizes: Sizes,
        *,
        dropout: float,
        index: int,
        backend: str,
    ):
        super().__init__()
        width, heads = sizes.width, sizes.heads
        self.heads, self.num_blocks, self.index = heads, sizes.blocks, index
        self.scan = SCANS[backend]()
        head = width // heads
        hidden = multiple_of_64(1.3 * width)
        gate = (copies, heads, head, head)
        self.xlstm_norm = Norm(copies, width)
        self.xlstm = Weights()
        self.xlstm.conv1d = conv_weights(copies, width)
        self.xlstm.fgate = Weights(weight=gate)
        self.xlstm.igate = Weights(weight=gate)
        self.xlstm.zgate = Weights(weight=gate)
        self.xlstm.ogate = Weights(weight=gate)
        self.xlstm.slstm_cell = Weights(
            _recurrent_kernel_=(copies, heads, 4 * head, head), _bias_=(copies, 4 * width)
        )
        self.xlstm.group_norm = Norm(copies, width)
        self.ffn_norm = Norm(copies, width)
        self.ffn = Weights()
        self.ffn.proj_up = Weights(weight=(copies, 2 * hidden, width))
        self.ffn.proj_down = Weights(weight=(copies, width, hidden))
        self.dropout = Dropout(dropout, axis=2)  # (N, L, B, ...)

    @torch.no_grad()
    def reset_copy(self, n: int) -> None:
        """Draw the weights of copy ``n`` anew."""
        layer, ffn, width = self.xlstm, self.ffn, self.xlstm_norm.weight.shape[1]
        head = width // self.heads
        draw_as_conv(layer.conv1d.conv, n)
        for gate in (layer.fgate, layer.igate, layer.zgate, layer.ogate):
            gate.weight[n].normal_(std=sqrt(2 / 5 / head))
        draw_as_linear(ffn.proj_up, n)
        draw_as_linear(ffn.proj_down, n)
        for draw in range(2):
            if draw:
                for gate in (layer.igate, layer.fgate, layer.zgate, layer.ogate):
                    gate.weight[n].normal_(std=small_init_std(width))
            ffn.proj_up.weight[n].normal_(std=small_init_std(width))
            ffn.proj_down.weight[n].normal_(std=wang_init_std(width, self.num_blocks))
        depth = self.index / (self.num_blocks - 1) if self.num_blocks > 1 else 0.0
        forget = 5 - 12 * (torch.arange(head) / (head - 1)) ** (0.3 + 1.3 * depth)  # a power law over a head
        bias = torch.zeros(4, self.heads, head)
        bias[1] = forget
        layer.slstm_cell._bias_[n] = bias.flatten()
        layer.slstm_cell._recurrent_kernel_[n] = 0

    def forward(self, x: Tensor, steps: int | None = None) -> Tensor:
        """All steps, or the last ``steps`` (A) of them."""
        h = last_steps(self.hidden(x), steps)  # (N, A, B, heads, d)
        h = functional.layer_norm(self.dropout(h), h.shape[-1:]).flatten(3)
        return self.feed_forward(last_steps(x, steps) + h * across_steps(1 + self.xlstm.group_norm.weight))

    def hidden(self, x: Tensor) -> Tensor:
        """What the recurrence leaves at each step: (N, L, B, D) -> (N, L, B, heads, d)."""
        recurrent = self.xlstm.slstm_cell._recurrent_kernel_.flatten(0, 1)
        h = in_full_precision(self.scan, self.gates(x), recurrent)  # (L, M, d, B), M = N * heads
        return h.unflatten(1, (-1, self.heads)).permute(1, 0, 4, 2, 3)

    def feed_forward(self, x: Tensor) -> Tensor:
        normed = self.ffn_norm(x)
        gate, up = (linear(normed, weight) for weight in self.ffn.proj_up.weight.chunk(2, dim=1))
        return x + linear(functional.gelu(gate) * up, self.ffn.proj_down.weight)

    def gates(self, x: Tensor) -> Tensor:
        """What the input gives to the gates i, f, z, o of all steps: (N, L, B, D) -> (M, 4d, L, B), M = N * heads."""
        layer = self.xlstm
        N, L, B, _ = x.shape
        u = self.xlstm_norm(x)
        a = in_full_precision(ConvSiLU.apply, u, layer.conv1d.conv.weight, layer.conv1d.conv.bias)

        def project(x: Tensor, *weights: Tensor) -> Tensor:
            columns = x.reshape(N, L * B, self.heads, -1).permute(0, 2, 3, 1)  # (N, heads, d, L*B)
            return torch.matmul(torch.cat(weights, dim=2), columns).flatten(0, 1)

        both = [
            project(a, layer.fgate.weight, layer.igate.weight),
            project(u, layer.zgate.weight, layer.ogate.weight),
        ]
        bias = layer.slstm_cell._bias_.view(N, 4, self.heads, -1).transpose(1, 2)  # (N, heads, 4, d)
        return (torch.cat(both, dim=1) + bias.reshape(N * self.heads, -1, 1)).unflatten(2, (L, B))
