"""The mLSTM block (Beck et al. 2024, figure 11), stacked, with its gradient by hand."""

from math import log, sqrt

import torch
from torch import Tensor, nn
from torch.nn import functional

from vdcast.models.shared.dropout import Dropout
from vdcast.models.shared.stacked import in_full_precision, linear
from vdcast.models.xlstm.parts import (
    Norm,
    Sizes,
    Weights,
    across_steps,
    causal_conv,
    causal_conv_backward,
    conv_weights,
    draw_as_conv,
    draw_as_linear,
    last_steps,
    multiple_of_64,
    small_init_std,
    wang_init_std,
)

QKV_BLOCK = 4  # q, k, v are block-diagonal projections of this block size
WIDEN = 4  # so many of those blocks go into one matmul (measured: 4 of 1, 2, 4, 8, 16)
EPS = 1e-6  # keeps the mLSTM normaliser off zero


class MLSTMBlock(nn.Module):
    """x + mLSTM layer(norm(x)): (N, L, B, D) -> the same shape (paper, figure 11)."""

    COMPILES = ("layer",)

    def __init__(self, copies: int, sizes: Sizes, *, dropout: float):
        super().__init__()
        width, heads = sizes.width, sizes.heads
        self.heads, self.num_blocks = heads, sizes.blocks
        inner = multiple_of_64(2 * width)
        blocks = (copies, inner // QKV_BLOCK, QKV_BLOCK, QKV_BLOCK)
        gate = {"weight": (copies, heads, 3 * inner), "bias": (copies, heads)}
        self.xlstm_norm = Norm(copies, width)
        self.xlstm = Weights(learnable_skip=(copies, inner))
        self.xlstm.proj_up = Weights(weight=(copies, 2 * inner, width))
        self.xlstm.q_proj = Weights(weight=blocks)
        self.xlstm.k_proj = Weights(weight=blocks)
        self.xlstm.v_proj = Weights(weight=blocks)
        self.xlstm.conv1d = conv_weights(copies, inner)
        self.xlstm.mlstm_cell = Weights()
        self.xlstm.mlstm_cell.igate = Weights(**gate)
        self.xlstm.mlstm_cell.fgate = Weights(**gate)
        self.xlstm.mlstm_cell.outnorm = Norm(copies, inner)
        self.xlstm.proj_down = Weights(weight=(copies, width, inner))
        self.dropout = Dropout(dropout, axis=2)  # (N, L, B, ...)

    @torch.no_grad()
    def reset_copy(self, n: int) -> None:
        """Draw the weights of copy ``n`` anew."""
        layer, cell, width = self.xlstm, self.xlstm.mlstm_cell, self.xlstm_norm.weight.shape[1]
        qkv = (layer.q_proj, layer.k_proj, layer.v_proj)
        draw_as_linear(layer.proj_up, n)
        for proj in qkv:
            proj.weight[n].normal_(std=sqrt(2 / 5 / QKV_BLOCK))
        draw_as_conv(layer.conv1d.conv, n)
        draw_as_linear(cell.igate, n)
        draw_as_linear(cell.fgate, n)
        cell.igate.bias[n].normal_(std=0.1)
        draw_as_linear(layer.proj_down, n)
        for _ in range(2):
            layer.proj_up.weight[n].normal_(std=small_init_std(width))
            layer.proj_down.weight[n].normal_(std=wang_init_std(width, self.num_blocks))
            for proj in qkv:
                proj.weight[n].normal_(std=small_init_std(width))
            cell.igate.bias[n].normal_(std=0.1)
        cell.igate.weight[n] = 0
        cell.fgate.weight[n] = 0
        cell.fgate.bias[n] = torch.linspace(3.0, 6.0, self.heads)
        layer.learnable_skip[n] = 1

    def forward(self, x: Tensor, steps: int | None = None) -> Tensor:
        """All steps, or the last ``steps`` of them."""
        return last_steps(x, steps) + self.dropout(self.layer(x, steps))

    def layer(self, x: Tensor, steps: int | None) -> Tensor:
        """What is added to x: nothing in it is random, so that it compiles to one graph."""
        layer, cell = self.xlstm, self.xlstm.mlstm_cell
        normed = self.xlstm_norm(x)
        # two products rather than one and a split: both halves lie in memory of their own
        up_u, up_z = layer.proj_up.weight.chunk(2, dim=1)
        y = in_full_precision(
            self.cell,
            linear(normed, up_u),
            linear(last_steps(normed, steps), up_z),
            layer.conv1d.conv.weight,
            layer.conv1d.conv.bias,
            *self._attention(),
            *self._gates(),
            1 + cell.outnorm.weight,
            layer.learnable_skip,
        )
        return linear(y, layer.proj_down.weight)

    def cell(self, *given: Tensor) -> Tensor:
        """What lies between the projections up and down; ``given`` is what ``MLSTMLayer`` takes."""
        return MLSTMLayer.apply(*given)

    def _attention(self) -> tuple[Tensor, Tensor]:
        """Block-diagonal weights that make queries and values, in wide blocks.

        q and k only meet in products q . k = (W_k a)' (W_q a): one projection of a, by W_k' W_q, does for both.
        """
        layer = self.xlstm
        head = layer.learnable_skip.shape[1] // self.heads
        return widen(layer.k_proj.weight.mT @ layer.q_proj.weight / sqrt(head)), widen(layer.v_proj.weight)

    def _gates(self) -> tuple[Tensor, Tensor, Tensor]:
        """Weights (N, 2 heads, U) of a and of u, and bias (N, 2 heads, 1), of the input and forget gates.

        The gates read q, k and v, which are linear in a and u: so are the gates.
        """
        layer, cell = self.xlstm, self.xlstm.mlstm_cell
        gate = torch.cat([cell.igate.weight, cell.fgate.weight], dim=1)  # (N, 2 heads, 3U)
        N, twice_heads, _ = gate.shape
        q, k, v = gate.view(N, twice_heads, 3, -1, QKV_BLOCK).permute(
            2, 0, 3, 1, 4
        )  # each (N, J, 2 heads, j)
        from_a = q @ layer.q_proj.weight + k @ layer.k_proj.weight
        from_u = v @ layer.v_proj.weight
        bias = torch.cat([cell.igate.bias, cell.fgate.bias], dim=1).unsqueeze(-1)
        return from_a.transpose(1, 2).flatten(2), from_u.transpose(1, 2).flatten(2), bias


class MLSTMLayer(torch.autograd.Function):
    """What an mLSTM layer does between its projections up and down (paper, figure 11).

    u (N, L, B, U), z (N, A, B, U) -> y (N, A, B, U), for the last A of the L steps: a = silu(conv(u));
    queries and keys from a, values from u, gates from both; y = (scale * normalised(h) + skip * a) * silu(z).

    One function with its gradient by hand: autograd would pass over these arrays twice as often.
    """

    @staticmethod  # torch takes gradients of arguments alone: each tensor has to be one of its own
    def forward(ctx, u, z, conv, conv_bias, query, value, gate_a, gate_u, gate_bias, scale, skip) -> Tensor:
        N, L, B, _ = u.shape
        heads = gate_a.shape[1] // 2
        c = causal_conv(u, conv, conv_bias)
        a = functional.silu(c)
        asked = a[:, L - z.shape[1] :]
        q, v = headwise(asked, query), headwise(u, value)
        gates = torch.baddbmm(gate_bias, gate_a, tokens(a).mT).baddbmm_(
            gate_u, tokens(u).mT
        )  # (N, 2 heads, L*B)
        i, f = gates.view(N, 2, heads, L, B).permute(1, 0, 4, 2, 3).reshape(2, N * B * heads, L)
        h, *cell = mlstm_cell(by_head(q, heads), by_head(a, heads), by_head(v, heads), i, f)
        normed, mean, rstd = torch.native_layer_norm(h, h.shape[-1:], None, None, 1e-5)
        mixed = (across_steps(skip) * asked).addcmul_(heads_joined(normed, N, B), across_steps(scale))
        opened = functional.silu(z)
        ctx.save_for_backward(
            *(u, z, conv, query, value, gate_a, gate_u, scale, skip),
            *(c, a, q, v, h, normed, mean, rstd, mixed, opened),
            *cell,
        )
        return mixed * opened

    @staticmethod
    def backward(ctx, grad):
        u, z, conv, query, value, gate_a, gate_u, scale, skip, *inner = ctx.saved_tensors
        c, a, q, v, h, normed, mean, rstd, mixed, opened, *cell = inner
        N, L, B, _ = u.shape
        heads = gate_a.shape[1] // 2
        asked = slice(L - z.shape[1], L)
        grad_z = torch.ops.aten.silu_backward(grad * mixed, z)
        grad_mixed = grad * opened
        grad_h = torch.ops.aten.native_layer_norm_backward(
            by_head(grad_mixed * across_steps(scale), heads),
            h,
            h.shape[-1:],
            mean,
            rstd,
            None,
            None,
            [True, False, False],
        )[0]
        grad_q, grad_k, grad_v, *grad_if = mlstm_cell_backward(
            grad_h, by_head(q, heads), by_head(a, heads), by_head(v, heads), *cell
        )
        grad_q, grad_a, grad_v = (heads_joined(part, N, B) for part in (grad_q, grad_k, grad_v))
        grad_gates = (
            torch.stack(grad_if).view(2, N, B, heads, L).permute(1, 0, 3, 4, 2).reshape(N, 2 * heads, L * B)
        )
        grad_a[:, asked].addcmul_(grad_mixed, across_steps(skip)).add_(headwise(grad_q, query.mT))
        tokens(grad_a).baddbmm_(grad_gates.mT, gate_a)
        grad_c = torch.ops.aten.silu_backward(grad_a, c)
        grad_u, grad_conv, grad_conv_bias = causal_conv_backward(grad_c, u, conv)
        grad_u += headwise(grad_v, value.mT)
        tokens(grad_u).baddbmm_(grad_gates.mT, gate_u)
        return (
            grad_u,
            grad_z,
            grad_conv,
            grad_conv_bias,
            headwise_grad(a[:, asked], grad_q, query),
            headwise_grad(u, grad_v, value),
            torch.bmm(grad_gates, tokens(a)),
            torch.bmm(grad_gates, tokens(u)),
            grad_gates.sum(-1, keepdim=True),
            (grad_mixed * heads_joined(normed, N, B)).sum((1, 2)),
            (grad_mixed * a[:, asked]).sum((1, 2)),
        )


def mlstm_cell(q: Tensor, k: Tensor, v: Tensor, i: Tensor, f: Tensor) -> tuple[Tensor, ...]:
    """mLSTM in parallel form (paper, appendix A.3): h, and what ``mlstm_cell_backward`` needs.

    q (M, A, d) of the last A steps, k and v (M, L, d), gate pre-activations i and f (M, L) -> h (M, A, d).
    h_t = sum over s <= t of p_ts v_s, p_ts = (q_t . k_s) w_ts / norm_t, and w_ts =
    exp(i_s + log sigma(f_{s+1}) + ... + log sigma(f_t)), scaled such that the largest of a row is 1.
    """
    A, L = q.shape[1], k.shape[1]
    decay = functional.logsigmoid(f).cumsum(-1)
    start = i - decay
    largest, at = (x[:, L - A :] for x in start.cummax(-1))
    future = torch.full((A, L), -torch.inf, dtype=q.dtype, device=q.device).triu_(L - A + 1)
    # in powers of two: on CPU exp2 takes a third of exp's time
    bits, most = start / log(2), largest / log(2)
    weights = (bits.unsqueeze(1) - most.unsqueeze(2)).add_(future).exp2_()
    scores = torch.bmm(q, k.mT).mul_(weights)
    total = scores.sum(-1)
    floor = torch.exp(-(decay[:, L - A :] + largest).clamp_(min=-80))  # float32 ends at exp(88)
    norm = torch.maximum(total.abs(), floor).add_(EPS)
    probs = scores / norm.unsqueeze(-1)
    return torch.bmm(probs, v), f, at, weights, scores, total, floor, norm, probs


def mlstm_cell_backward(
    grad_h: Tensor, q: Tensor, k: Tensor, v: Tensor, *cell: Tensor
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Gradients of h by q, k, v, i, f; ``cell`` is what ``mlstm_cell`` gave beside h."""
    f, at, weights, scores, total, floor, norm, probs = cell
    A, L = q.shape[1], k.shape[1]
    grad_probs = torch.bmm(grad_h, v.mT)
    grad_norm = (grad_probs * probs).sum(-1).div_(norm).neg_()
    floored = total.abs() < floor
    grad_floor = torch.where(floored, -grad_norm * floor, 0)  # by the exponent
    grad_total = torch.where(floored, 0, grad_norm * total.sign())
    grad_scores = grad_probs.div_(norm.unsqueeze(-1)).add_(grad_total.unsqueeze(-1))
    grad_log = grad_scores * scores  # by the logarithm of the weights
    grad_i = grad_log.sum(1).scatter_add_(1, at, grad_floor - grad_log.sum(2))
    grad_decay = -grad_i
    grad_decay[:, L - A :] += grad_floor
    grad_f = grad_decay.flip(-1).cumsum(-1).flip(-1).mul_(torch.sigmoid(-f))
    grad_qk = grad_scores.mul_(weights)
    return torch.bmm(grad_qk, k), torch.bmm(grad_qk.mT, q), torch.bmm(probs.mT, grad_h), grad_i, grad_f


def tokens(x: Tensor) -> Tensor:
    """(N, L, B, U) -> (N, L*B, U), never a copy: results are added in place."""
    return x.view(x.shape[0], -1, x.shape[-1])


def by_head(x: Tensor, heads: int) -> Tensor:
    """(N, L, B, U) -> (N * B * heads, L, d)."""
    N, L, B, U = x.shape
    return x.reshape(N, L, B * heads, U // heads).transpose(1, 2).flatten(0, 1)


def heads_joined(x: Tensor, N: int, B: int) -> Tensor:
    """(N * B * heads, L, d) -> (N, L, B, U)."""
    _, L, d = x.shape
    return x.view(N, -1, L, d).transpose(1, 2).contiguous().view(N, L, B, -1)


def widen(weight: Tensor) -> Tensor:
    """J blocks (N, J, j, j) on the diagonal of fewer, wider ones (N, J / WIDEN, WIDEN * j, WIDEN * j).

    Blocks of four are too small for a matmul kernel.
    """
    N, J, j, _ = weight.shape
    along = weight.view(N, -1, WIDEN, j, j).permute(0, 1, 3, 4, 2)
    return torch.diag_embed(along, dim1=2, dim2=4).reshape(N, J // WIDEN, WIDEN * j, WIDEN * j)


def in_blocks(x: Tensor, weight: Tensor) -> Tensor:
    """(N, L, B, J * j) -> (N * J, L * B, j), for the blocks of ``weight`` (N, J, j, j)."""
    N, J, j, _ = weight.shape
    return x.reshape(N, -1, J, j).transpose(1, 2).flatten(0, 1)


def headwise(x: Tensor, weight: Tensor) -> Tensor:
    """Block-diagonal projection: x (N, L, B, J * j), weight (N, J, j, j) -> (N, L, B, J * j)."""
    N, J, j, _ = weight.shape
    y = torch.bmm(in_blocks(x, weight), weight.flatten(0, 1).mT)
    return y.view(N, J, -1, j).transpose(1, 2).reshape(x.shape)


def headwise_grad(x: Tensor, grad: Tensor, weight: Tensor) -> Tensor:
    """Gradient of ``headwise`` by its weight."""
    return torch.bmm(in_blocks(grad, weight).mT, in_blocks(x, weight)).view(weight.shape)
