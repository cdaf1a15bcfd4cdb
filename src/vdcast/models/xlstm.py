"""N copies of the xLSTM block stack (Beck et al. 2024, arXiv:2405.04517), written for short sequences.

The same network as ``xlstm.xLSTMBlockStack`` of the package ``xlstm``: the same parameters under the
same names, each with a leading axis of copies, the same initial weights after the same
``torch.manual_seed``, and the same outputs and gradients to rounding. Like the package, it keeps a
swap of names: the weights called ``fgate`` feed the input gate, those called ``igate`` the forget gate.

Letters: N copies, B windows, L steps, D embedding, E inner width of an mLSTM block, H heads, d = D/H or
E/H. Inside, time comes before the batch, (N, L, B, D): a step is one block of memory.
"""

from collections.abc import Callable
from functools import cache
from math import ceil, log, log2, sqrt

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vdcast.errors import InputError
from vdcast.models.stacked import Dropout, in_full_precision, layer_norm, linear

CONV = 4  # taps of the causal convolution
QKV_BLOCK = 4  # q, k, v are block-diagonal projections of this block size
WIDEN = 4  # so many of those blocks go into one matmul (measured: 4 of 1, 2, 4, 8, 16)
EPS = 1e-6  # keeps the mLSTM normaliser off zero


class XLSTM(nn.Module):
    """N xLSTM stacks: (N, B, L, embedding_dim) -> the same shape.

    Blocks at ``slstm_at`` are sLSTM, the others mLSTM. ``slstm_backend`` "vanilla" runs the sLSTM
    recurrence step by step, on any device; "cuda" by the package's kernel, which needs a GPU; "auto", on a
    GPU, by that kernel where it compiles and as a CUDA graph elsewhere. For mLSTM "vanilla", the parallel
    form, is the only backend.
    Raises InputError for widths that the heads do not divide.
    """

    def __init__(
        self,
        copies: int,
        embedding_dim: int,
        num_blocks: int,
        slstm_at: list[int],
        num_heads: int,
        context_length: int,
        slstm_backend: str = "auto",
        mlstm_backend: str = "vanilla",
        dropout: float = 0.0,
    ):
        super().__init__()
        inner = _multiple_of_64(2 * embedding_dim)
        if embedding_dim % num_heads or inner % num_heads or embedding_dim == num_heads:
            raise InputError(
                f"xlstm.num_heads {num_heads} must divide embedding_dim {embedding_dim} and the inner width "
                f"{inner} that follows from it, and be less than embedding_dim"
            )
        self.context_length = context_length
        shape = (copies, embedding_dim, num_heads, num_blocks)
        self.blocks = nn.ModuleList(
            SLSTMBlock(*shape, index, dropout, slstm_backend)
            if index in slstm_at
            else MLSTMBlock(*shape, dropout)
            for index in range(num_blocks)
        )
        self.post_blocks_norm = Norm(copies, embedding_dim)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """The package's initial weights: it draws most of them more than once, and so do we."""
        for n in range(self.post_blocks_norm.weight.shape[0]):
            for block in self.blocks:
                block.init(n)

    def compile_for(self, copies: int, windows: int, **options) -> None:
        """Let torch.compile fuse all but the sLSTM recurrence in training steps of so many copies and windows.

        A graph is of one shape, and takes long to make. Most steps have that of a full batch; an epoch's last
        batch, validation, and what is left of a stack once a copy has stopped run as they would without.
        ``options`` are those of torch.compile. The recurrence stays eager: compiled by torch 2.13, the gradient
        of its weights is wrong.
        """
        for block in self.blocks:
            for name in block.COMPILES:
                function = getattr(block, name)
                setattr(block, name, compiled_for(block, function, copies, windows, **options))

    def forward(self, x: Tensor, last_only: bool = False) -> Tensor:
        """With ``last_only``, (N, B, 1, D): the last step alone, and the last block's work for it alone."""
        if x.shape[2] > self.context_length:
            raise ValueError(
                f"sequence of {x.shape[2]} steps is longer than context_length {self.context_length}"
            )
        x = x.transpose(1, 2).contiguous()
        *earlier, last = self.blocks
        for block in earlier:
            x = block(x)
        x = last(x, 1) if last_only else last(x)
        return self.post_blocks_norm(x).transpose(1, 2)


def compiled_for(module: nn.Module, function: Callable, copies: int, windows: int, **options) -> Callable:
    """``function`` of x (N, L, B, ...), compiled for N = copies and B = windows while ``module`` trains."""
    fused = torch.compile(function, dynamic=False, **options)

    def either(x: Tensor, *rest) -> Tensor:
        fits = module.training and (x.shape[0], x.shape[2]) == (copies, windows)
        return (fused if fits else function)(x, *rest)

    return either


class Weights(nn.Module):
    """Parameters under the package's name for them: ``Weights(weight=shape, bias=shape)``."""

    def __init__(self, **shapes: tuple[int, ...]):
        super().__init__()
        for name, shape in shapes.items():
            setattr(self, name, nn.Parameter(torch.zeros(shape)))


class Norm(Weights):
    """Layer norm that learns its scale as a difference from 1."""

    def __init__(self, copies: int, features: int):
        super().__init__(weight=(copies, features))

    def forward(self, x: Tensor) -> Tensor:
        return layer_norm(x, 1 + self.weight)


class MLSTMBlock(nn.Module):
    """x + mLSTM layer(norm(x)): (N, L, B, D) -> the same shape (paper, figure 11)."""

    COMPILES = ("layer",)

    def __init__(self, copies: int, width: int, heads: int, num_blocks: int, dropout: float):
        super().__init__()
        self.heads, self.num_blocks = heads, num_blocks
        inner = _multiple_of_64(2 * width)
        blocks = (copies, inner // QKV_BLOCK, QKV_BLOCK, QKV_BLOCK)
        gate = {"weight": (copies, heads, 3 * inner), "bias": (copies, heads)}
        self.xlstm_norm = Norm(copies, width)
        self.xlstm = Weights(learnable_skip=(copies, inner))
        self.xlstm.proj_up = Weights(weight=(copies, 2 * inner, width))
        self.xlstm.q_proj = Weights(weight=blocks)
        self.xlstm.k_proj = Weights(weight=blocks)
        self.xlstm.v_proj = Weights(weight=blocks)
        self.xlstm.conv1d = _conv_weights(copies, inner)
        self.xlstm.mlstm_cell = Weights()
        self.xlstm.mlstm_cell.igate = Weights(**gate)
        self.xlstm.mlstm_cell.fgate = Weights(**gate)
        self.xlstm.mlstm_cell.outnorm = Norm(copies, inner)
        self.xlstm.proj_down = Weights(weight=(copies, width, inner))
        self.dropout = Dropout(dropout, axis=2)  # (N, L, B, ...)

    @torch.no_grad()
    def init(self, n: int) -> None:
        layer, cell, width = self.xlstm, self.xlstm.mlstm_cell, self.xlstm_norm.weight.shape[1]
        qkv = (layer.q_proj, layer.k_proj, layer.v_proj)
        _as_linear(layer.proj_up, n)
        for proj in qkv:
            proj.weight[n].normal_(std=sqrt(2 / 5 / QKV_BLOCK))
        _as_conv(layer.conv1d.conv, n)
        _as_linear(cell.igate, n)
        _as_linear(cell.fgate, n)
        cell.igate.bias[n].normal_(std=0.1)
        _as_linear(layer.proj_down, n)
        for _ in range(2):
            layer.proj_up.weight[n].normal_(std=_small(width))
            layer.proj_down.weight[n].normal_(std=_wang(width, self.num_blocks))
            for proj in qkv:
                proj.weight[n].normal_(std=_small(width))
            cell.igate.bias[n].normal_(std=0.1)
        cell.igate.weight[n] = 0
        cell.fgate.weight[n] = 0
        cell.fgate.bias[n] = torch.linspace(3.0, 6.0, self.heads)
        layer.learnable_skip[n] = 1

    def forward(self, x: Tensor, steps: int | None = None) -> Tensor:
        """All steps, or the last ``steps`` of them."""
        return _last(x, steps) + self.dropout(self.layer(x, steps))

    def layer(self, x: Tensor, steps: int | None) -> Tensor:
        """What is added to x: nothing in it is random, so that it compiles to one graph."""
        layer, cell = self.xlstm, self.xlstm.mlstm_cell
        normed = self.xlstm_norm(x)
        # two products rather than one and a split: both halves lie in memory of their own
        up_u, up_z = layer.proj_up.weight.chunk(2, dim=1)
        y = in_full_precision(
            MLSTMLayer.apply,
            linear(normed, up_u),
            linear(_last(normed, steps), up_z),
            layer.conv1d.conv.weight,
            layer.conv1d.conv.bias,
            *self._attention(),
            *self._gates(),
            1 + cell.outnorm.weight,
            layer.learnable_skip,
        )
        return linear(y, layer.proj_down.weight)

    def _attention(self) -> tuple[Tensor, Tensor]:
        """Block-diagonal weights that make queries and values, in wide blocks.

        q and k only meet in products q . k = (K a)' (Q a): one projection of a, by K'Q, does for both.
        """
        layer = self.xlstm
        head = layer.learnable_skip.shape[1] // self.heads
        return widen(layer.k_proj.weight.mT @ layer.q_proj.weight / sqrt(head)), widen(layer.v_proj.weight)

    def _gates(self) -> tuple[Tensor, Tensor, Tensor]:
        """Weights (N, 2H, E) of a and of u, and bias (N, 2H, 1), of the input and forget gates.

        The gates read q, k and v, which are linear in a and u: so are the gates.
        """
        layer, cell = self.xlstm, self.xlstm.mlstm_cell
        gate = torch.cat([cell.igate.weight, cell.fgate.weight], dim=1)  # (N, 2H, 3E)
        N, rows, _ = gate.shape
        q, k, v = gate.view(N, rows, 3, -1, QKV_BLOCK).permute(2, 0, 3, 1, 4)  # each (N, P, 2H, p)
        from_a = q @ layer.q_proj.weight + k @ layer.k_proj.weight
        from_u = v @ layer.v_proj.weight
        bias = torch.cat([cell.igate.bias, cell.fgate.bias], dim=1).unsqueeze(-1)
        return from_a.transpose(1, 2).flatten(2), from_u.transpose(1, 2).flatten(2), bias


class SLSTMBlock(nn.Module):
    """x + sLSTM layer(norm(x)), then a gated feed-forward: (N, L, B, D) -> the same shape (figure 10)."""

    COMPILES = ("gates", "feed_forward")

    def __init__(
        self, copies: int, width: int, heads: int, num_blocks: int, index: int, dropout: float, backend: str
    ):
        super().__init__()
        self.heads, self.num_blocks, self.index = heads, num_blocks, index
        self.scan = SCANS[backend]()
        head = width // heads
        hidden = _multiple_of_64(1.3 * width)
        gate = (copies, heads, head, head)
        self.xlstm_norm = Norm(copies, width)
        self.xlstm = Weights()
        self.xlstm.conv1d = _conv_weights(copies, width)
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
    def init(self, n: int) -> None:
        layer, ffn, width = self.xlstm, self.ffn, self.xlstm_norm.weight.shape[1]
        head = width // self.heads
        _as_conv(layer.conv1d.conv, n)
        for gate in (layer.fgate, layer.igate, layer.zgate, layer.ogate):
            gate.weight[n].normal_(std=sqrt(2 / 5 / head))
        _as_linear(ffn.proj_up, n)
        _as_linear(ffn.proj_down, n)
        for draw in range(2):
            if draw:
                for gate in (layer.igate, layer.fgate, layer.zgate, layer.ogate):
                    gate.weight[n].normal_(std=_small(width))
            ffn.proj_up.weight[n].normal_(std=_small(width))
            ffn.proj_down.weight[n].normal_(std=_wang(width, self.num_blocks))
        depth = self.index / (self.num_blocks - 1) if self.num_blocks > 1 else 0.0
        forget = 5 - 12 * (torch.arange(head) / (head - 1)) ** (0.3 + 1.3 * depth)  # a power law over a head
        bias = torch.zeros(4, self.heads, head)
        bias[1] = forget
        layer.slstm_cell._bias_[n] = bias.flatten()
        layer.slstm_cell._recurrent_kernel_[n] = 0

    def forward(self, x: Tensor, steps: int | None = None) -> Tensor:
        """All steps, or the last ``steps`` of them."""
        layer = self.xlstm
        recurrent = layer.slstm_cell._recurrent_kernel_.flatten(0, 1)
        h = in_full_precision(self.scan, self.gates(x), recurrent)  # (L, N*H, d, B)
        h = _last(h.unflatten(1, (-1, self.heads)).permute(1, 0, 4, 2, 3), steps)  # (N, steps, B, H, d)
        h = F.layer_norm(self.dropout(h), h.shape[-1:]).flatten(3)
        return self.feed_forward(_last(x, steps) + h * _row(1 + layer.group_norm.weight))

    def feed_forward(self, x: Tensor) -> Tensor:
        normed = self.ffn_norm(x)
        gate, up = (linear(normed, weight) for weight in self.ffn.proj_up.weight.chunk(2, dim=1))
        return x + linear(F.gelu(gate) * up, self.ffn.proj_down.weight)

    def gates(self, x: Tensor) -> Tensor:
        """What the input gives to the gates i, f, z, o of all steps: (N, L, B, D) -> (N*H, 4d, L, B)."""
        layer = self.xlstm
        N, L, B, _ = x.shape
        u = self.xlstm_norm(x)
        a = in_full_precision(ConvSiLU.apply, u, layer.conv1d.conv.weight, layer.conv1d.conv.bias)

        def project(x: Tensor, *weights: Tensor) -> Tensor:
            columns = x.reshape(N, L * B, self.heads, -1).permute(0, 2, 3, 1)  # (N, H, d, L*B)
            return torch.matmul(torch.cat(weights, dim=2), columns).flatten(0, 1)

        both = [
            project(a, layer.fgate.weight, layer.igate.weight),
            project(u, layer.zgate.weight, layer.ogate.weight),
        ]
        bias = layer.slstm_cell._bias_.view(N, 4, self.heads, -1).transpose(1, 2)  # (N, H, 4, d)
        return (torch.cat(both, dim=1) + bias.reshape(N * self.heads, -1, 1)).unflatten(2, (L, B))


class MLSTMLayer(torch.autograd.Function):
    """What an mLSTM layer does between its projections up and down (paper, figure 11).

    u (N, L, B, E), z (N, T, B, E) -> y (N, T, B, E), for the last T of the L steps: a = silu(conv(u));
    queries and keys from a, values from u, gates from both; y = (scale * normalised(h) + skip * a) * silu(z).

    One function with its gradient by hand: autograd would pass over these arrays twice as often.
    """

    @staticmethod
    def forward(ctx, u, z, conv, conv_bias, query, value, gate_a, gate_u, gate_bias, scale, skip) -> Tensor:
        N, L, B, _ = u.shape
        H = gate_a.shape[1] // 2
        c = causal_conv(u, conv, conv_bias)
        a = F.silu(c)
        asked = a[:, L - z.shape[1] :]
        q, v = headwise(asked, query), headwise(u, value)
        gates = torch.baddbmm(gate_bias, gate_a, _tokens(a).mT).baddbmm_(
            gate_u, _tokens(u).mT
        )  # (N, 2H, L*B)
        i, f = gates.view(N, 2, H, L, B).permute(1, 0, 4, 2, 3).reshape(2, N * B * H, L)
        h, *cell = mlstm_cell(_heads(q, H), _heads(a, H), _heads(v, H), i, f)
        normed, mean, rstd = torch.native_layer_norm(h, h.shape[-1:], None, None, 1e-5)
        mixed = (_row(skip) * asked).addcmul_(_unheads(normed, N, B), _row(scale))
        opened = F.silu(z)
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
        H = gate_a.shape[1] // 2
        asked = slice(L - z.shape[1], L)
        grad_z = torch.ops.aten.silu_backward(grad * mixed, z)
        grad_mixed = grad * opened
        grad_h = torch.ops.aten.native_layer_norm_backward(
            _heads(grad_mixed * _row(scale), H), h, h.shape[-1:], mean, rstd, None, None, [True, False, False]
        )[0]
        grad_q, grad_k, grad_v, *grad_if = mlstm_cell_backward(
            grad_h, _heads(q, H), _heads(a, H), _heads(v, H), *cell
        )
        grad_q, grad_a, grad_v = (_unheads(part, N, B) for part in (grad_q, grad_k, grad_v))
        grad_gates = torch.stack(grad_if).view(2, N, B, H, L).permute(1, 0, 3, 4, 2).reshape(N, 2 * H, L * B)
        grad_a[:, asked].addcmul_(grad_mixed, _row(skip)).add_(headwise(grad_q, query.mT))
        _tokens(grad_a).baddbmm_(grad_gates.mT, gate_a)
        grad_c = torch.ops.aten.silu_backward(grad_a, c)
        grad_u, grad_conv, grad_conv_bias = causal_conv_backward(grad_c, u, conv)
        grad_u += headwise(grad_v, value.mT)
        _tokens(grad_u).baddbmm_(grad_gates.mT, gate_u)
        return (
            grad_u,
            grad_z,
            grad_conv,
            grad_conv_bias,
            headwise_grad(a[:, asked], grad_q, query),
            headwise_grad(u, grad_v, value),
            torch.bmm(grad_gates, _tokens(a)),
            torch.bmm(grad_gates, _tokens(u)),
            grad_gates.sum(-1, keepdim=True),
            (grad_mixed * _unheads(normed, N, B)).sum((1, 2)),
            (grad_mixed * a[:, asked]).sum((1, 2)),
        )


def mlstm_cell(q: Tensor, k: Tensor, v: Tensor, i: Tensor, f: Tensor) -> tuple[Tensor, ...]:
    """mLSTM in parallel form (paper, appendix A.3): h, and what ``mlstm_cell_backward`` needs.

    q (M, T, d) of the last T steps, k and v (M, L, d), gate pre-activations i and f (M, L) -> h (M, T, d).
    h_t = sum over s <= t of P_ts v_s, P_ts = (q_t . k_s) W_ts / norm_t, and W_ts =
    exp(i_s + log sigma(f_{s+1}) + ... + log sigma(f_t)), scaled such that the largest of a row is 1.
    """
    T, L = q.shape[1], k.shape[1]
    decay = F.logsigmoid(f).cumsum(-1)
    start = i - decay
    largest, at = (x[:, L - T :] for x in start.cummax(-1))
    future = torch.full((T, L), -torch.inf, dtype=q.dtype, device=q.device).triu_(L - T + 1)
    # in powers of two: on CPU exp2 takes a third of exp's time
    bits, most = start / log(2), largest / log(2)
    weights = (bits.unsqueeze(1) - most.unsqueeze(2)).add_(future).exp2_()
    scores = torch.bmm(q, k.mT).mul_(weights)
    total = scores.sum(-1)
    floor = torch.exp(-(decay[:, L - T :] + largest).clamp_(min=-80))  # float32 ends at exp(88)
    norm = torch.maximum(total.abs(), floor).add_(EPS)
    probs = scores / norm.unsqueeze(-1)
    return torch.bmm(probs, v), f, at, weights, scores, total, floor, norm, probs


def mlstm_cell_backward(
    grad_h, q, k, v, f, at, weights, scores, total, floor, norm, probs
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Gradients of h by q, k, v, i, f."""
    T, L = q.shape[1], k.shape[1]
    grad_probs = torch.bmm(grad_h, v.mT)
    grad_norm = (grad_probs * probs).sum(-1).div_(norm).neg_()
    floored = total.abs() < floor
    grad_floor = torch.where(floored, -grad_norm * floor, 0)  # by the exponent
    grad_total = torch.where(floored, 0, grad_norm * total.sign())
    grad_scores = grad_probs.div_(norm.unsqueeze(-1)).add_(grad_total.unsqueeze(-1))
    grad_log = grad_scores * scores  # by the logarithm of the weights
    grad_i = grad_log.sum(1).scatter_add_(1, at, grad_floor - grad_log.sum(2))
    grad_decay = -grad_i
    grad_decay[:, L - T :] += grad_floor
    grad_f = grad_decay.flip(-1).cumsum(-1).flip(-1).mul_(torch.sigmoid(-f))
    grad_qk = grad_scores.mul_(weights)
    return torch.bmm(grad_qk, k), torch.bmm(grad_qk.mT, q), torch.bmm(probs.mT, grad_h), grad_i, grad_f


def _tokens(x: Tensor) -> Tensor:
    """(N, L, B, E) -> (N, L*B, E), never a copy: results are added in place."""
    return x.view(x.shape[0], -1, x.shape[-1])


def _heads(x: Tensor, heads: int) -> Tensor:
    """(N, L, B, H*d) -> (N*B*H, L, d)."""
    N, L, B, E = x.shape
    return x.reshape(N, L, B * heads, E // heads).transpose(1, 2).flatten(0, 1)


def _unheads(x: Tensor, N: int, B: int) -> Tensor:
    """(N*B*H, L, d) -> (N, L, B, H*d)."""
    _, L, d = x.shape
    return x.view(N, -1, L, d).transpose(1, 2).contiguous().view(N, L, B, -1)


def widen(weight: Tensor) -> Tensor:
    """Blocks (N, P, p, p) on the diagonal of fewer, wider ones (N, P/WIDEN, WIDEN*p, WIDEN*p).

    Blocks of four are too small for a matmul kernel.
    """
    N, P, p, _ = weight.shape
    along = weight.view(N, -1, WIDEN, p, p).permute(0, 1, 3, 4, 2)
    return torch.diag_embed(along, dim1=2, dim2=4).reshape(N, P // WIDEN, WIDEN * p, WIDEN * p)


def _blocks(x: Tensor, weight: Tensor) -> Tensor:
    """(N, L, B, P*p) -> (N*P, L*B, p), for the blocks of ``weight`` (N, P, p, p)."""
    N, P, p, _ = weight.shape
    return x.reshape(N, -1, P, p).transpose(1, 2).flatten(0, 1)


def headwise(x: Tensor, weight: Tensor) -> Tensor:
    """Block-diagonal projection: x (N, L, B, P*p), weight (N, P, p, p) -> (N, L, B, P*p)."""
    N, P, p, _ = weight.shape
    y = torch.bmm(_blocks(x, weight), weight.flatten(0, 1).mT)
    return y.view(N, P, -1, p).transpose(1, 2).reshape(x.shape)


def headwise_grad(x: Tensor, grad: Tensor, weight: Tensor) -> Tensor:
    """Gradient of ``headwise`` by its weight."""
    return torch.bmm(_blocks(grad, weight).mT, _blocks(x, weight)).view(weight.shape)


def _taps(weight: Tensor) -> list[Tensor]:
    """(N, F, 1, CONV) -> CONV times (N, 1, 1, F), each in one piece of memory."""
    return [_row(tap) for tap in weight.squeeze(2).permute(2, 0, 1).contiguous()]


def causal_conv(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """Channel by channel, of a step and those before it: x (N, L, B, F), weight (N, F, 1, CONV)."""
    *earlier, last = _taps(weight)
    y = torch.addcmul(_row(bias), x, last)
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


def slstm(gates: Tensor, recurrent: Tensor) -> Tensor:
    """sLSTM recurrence (paper, equations 8 to 17) from a zero state.

    gates (M, 4d, L, B): the input's share of the pre-activations i, f, z, o; recurrent (M, 4d, d);
    M = N*H. Returns h (L, M, d, B).

    The paper's c_t and n_t only meet in r_t = c_t / n_t. With l_t = log n_t, which needs no other stabiliser,
    l_t = log(exp(i_t) + sigma(f_t) exp(l_{t-1})),
    alpha_t = exp(i_t - l_t) = sigma(i_t - log sigma(f_t) - l_{t-1}),
    r_t = r_{t-1} + alpha_t (tanh(z_t) - r_{t-1}), h_t = sigma(o_t) r_t.
    """
    return SLSTMScan.apply(gates, recurrent)


def slstm_by_kernel(gates: Tensor, recurrent: Tensor) -> Tensor:
    """``slstm`` by the package's CUDA kernel, in float32; copies are more heads to it.

    The kernel is compiled for a number of heads, here for the next power of two: a stack whose copies stop one
    by one has few compilations to wait for. Raises InputError where there is no GPU or the kernel does not compile.
    """
    if not gates.is_cuda:
        raise InputError(
            f"xlstm.slstm_backend 'cuda' needs an NVIDIA GPU, and the network is on {gates.device.type}; "
            "set slstm_backend to vanilla, or device to cuda"
        )
    M, G, L, B = gates.shape
    d, heads = G // 4, 2 ** ceil(log2(M))
    x = F.pad(gates.permute(2, 3, 0, 1), (0, 0, 0, heads - M)).reshape(L, B, heads * G).float()
    weights = F.pad(recurrent.mT, (0, 0, 0, 0, 0, heads - M)).contiguous().float()
    states = kernel(heads, d).apply(True, x, x.new_zeros(4, B, heads * d), weights, x.new_zeros(heads * G))
    return states[0, 1:].view(L, B, heads, d)[:, :, :M].permute(0, 2, 3, 1).to(gates.dtype)


@cache
def kernel(heads: int, head_dim: int) -> type[torch.autograd.Function]:
    """The package's CUDA cell, compiled by nvcc on first use; raises InputError if that fails."""
    from xlstm.blocks.slstm.cell import sLSTMCellConfig, sLSTMCellFuncGenerator  # takes seconds to import

    config = sLSTMCellConfig(
        hidden_size=heads * head_dim, num_heads=heads, dtype="float32", enable_automatic_mixed_precision=False
    )
    try:
        return sLSTMCellFuncGenerator(True, config)
    except (ImportError, KeyError, OSError, RuntimeError) as error:
        reason = " ".join(str(error).split())[:200]
        raise InputError(
            f"xlstm.slstm_backend 'cuda' did not compile ({reason}); set it to vanilla"
        ) from error


class GraphedScan:
    """``slstm`` as a CUDA graph, which starts the kernels of all its steps, forward or backward, at once.

    A graph is captured for each shape that training meets; where no gradient is wanted, the scan runs step by
    step. Each block needs one of its own: what a graph has computed lies where its next run will write.
    ``capture`` is for tests, where there is no GPU.
    """

    def __init__(self, capture: Callable | None = None):
        self.capture = capture or torch.cuda.make_graphed_callables
        self.graphs: dict[torch.Size, Callable[[Tensor, Tensor], Tensor]] = {}

    def __call__(self, gates: Tensor, recurrent: Tensor) -> Tensor:
        if not torch.is_grad_enabled():
            return slstm(gates, recurrent)
        shape = gates.shape
        if shape not in self.graphs:
            # copies that have stopped do not come back: their graphs' memory is free again
            self.graphs = {other: graph for other, graph in self.graphs.items() if other[0] == shape[0]}
            samples = tuple(torch.zeros_like(part).requires_grad_() for part in (gates, recurrent))
            self.graphs[shape] = self.capture(slstm, samples)
        return self.graphs[shape](gates, recurrent)


class FastestScan:
    """``slstm`` by what is fastest on the device: the package's kernel if it compiles, else a CUDA graph; on CPU as it is."""

    def __init__(self):
        self.on_gpu: Callable[[Tensor, Tensor], Tensor] | None = None

    def __call__(self, gates: Tensor, recurrent: Tensor) -> Tensor:
        if not gates.is_cuda:
            return slstm(gates, recurrent)
        if self.on_gpu is None:
            try:
                h = slstm_by_kernel(gates, recurrent)
            except InputError:
                self.on_gpu = GraphedScan()
            else:
                self.on_gpu = slstm_by_kernel
                return h
        return self.on_gpu(gates, recurrent)


# what makes the scan of one block
SCANS = {"auto": FastestScan, "vanilla": lambda: slstm, "cuda": lambda: slstm_by_kernel}


class SLSTMScan(torch.autograd.Function):
    """``slstm`` with its gradient by hand: only what recurs stands in the loops."""

    @staticmethod
    def forward(ctx, gates: Tensor, recurrent: Tensor) -> Tensor:
        M, G, L, B = gates.shape
        pre = gates.new_empty(L, M, G, B)
        alpha, r = gates.new_empty(2, L, M, G // 4, B)
        h = gates.new_zeros(L + 1, M, G // 4, B)
        h_t, r_t, log_n = h[0], h[0], torch.full_like(h[0], -torch.inf)
        steps = zip(gates.unbind(2), pre, *pre.chunk(4, dim=2), alpha, r, h[1:], strict=True)
        for gates_t, pre_t, i, f, z, o, alpha_t, r_out, h_out in steps:
            torch.baddbmm(gates_t, recurrent, h_t, out=pre_t)
            kept = F.logsigmoid(f).add_(log_n)
            log_n = torch.logaddexp(i, kept)
            torch.sigmoid(torch.sub(i, kept, out=kept), out=alpha_t)
            r_t = torch.lerp(r_t, z.tanh_(), alpha_t, out=r_out)
            h_t = torch.mul(o.sigmoid_(), r_t, out=h_out)
        ctx.save_for_backward(pre, alpha, r, h, recurrent)
        return h[1:]

    @staticmethod
    def backward(ctx, grad_h: Tensor) -> tuple[Tensor, Tensor]:
        pre, alpha, r, h, recurrent = ctx.saved_tensors
        _, f, z, o = pre.chunk(4, dim=2)  # z and o as activated
        forget = torch.sigmoid(-f)
        rest = 1 - alpha
        by_alpha = alpha * rest
        by_alpha[0].mul_(z[0])
        by_alpha[1:].mul_(z[1:] - r[:-1])
        by_o = (1 - o).mul_(h[1:])
        by_z = (1 - z * z).mul_(alpha)
        grad_pre = torch.empty_like(pre)
        grad_r = torch.zeros_like(r[0])
        grad_log_n = torch.zeros_like(r[0])
        back = recurrent.mT
        after = None
        grad_h = grad_h.contiguous()
        parts = (grad_h, grad_pre, *grad_pre.chunk(4, dim=2), o, alpha, rest, forget, by_alpha, by_z, by_o)
        for g, grad_t, grad_i, grad_f, grad_z, grad_o, o_t, alpha_t, rest_t, forget_t, *by in zip(
            *(part.unbind()[::-1] for part in parts), strict=True
        ):
            by_alpha_t, by_z_t, by_o_t = by
            if after is not None:
                g = torch.baddbmm(g, back, after)
            torch.mul(g, by_o_t, out=grad_o)
            grad_r.addcmul_(g, o_t)
            torch.mul(grad_r, by_z_t, out=grad_z)
            torch.mul(grad_r, by_alpha_t, out=grad_i).addcmul_(grad_log_n, alpha_t)
            grad_log_n.sub_(grad_i)
            torch.mul(grad_log_n, forget_t, out=grad_f)
            grad_r.mul_(rest_t)
            after = grad_t
        grad_gates = grad_pre.permute(1, 2, 0, 3).contiguous()
        before = h[:-1].permute(1, 2, 0, 3).flatten(2)
        return grad_gates, torch.bmm(grad_gates.flatten(2), before.mT)


def _last(x: Tensor, steps: int | None) -> Tensor:
    """The last ``steps`` of (N, L, ...), or all: a slice that takes all still costs a copy backward."""
    return x if steps is None else x[:, -steps:]


def _row(per_channel: Tensor) -> Tensor:
    """(N, F) -> (N, 1, 1, F), to meet (N, L, B, F)."""
    return per_channel[:, None, None, :]


def _multiple_of_64(width: float) -> int:
    return ceil(width / 64) * 64


def _conv_weights(copies: int, features: int) -> Weights:
    weights = Weights()
    weights.conv = Weights(weight=(copies, features, 1, CONV), bias=(copies, features))
    return weights


def _small(width: int) -> float:
    """Standard deviation after Nguyen & Salazar 2019, "Transformers without Tears"."""
    return sqrt(2 / (5 * width))


def _wang(width: int, num_blocks: int) -> float:
    """Standard deviation for projections back into the residual stream, as in GPT-NeoX."""
    return 2 / num_blocks / sqrt(width)


def _as_linear(weights: Weights, n: int) -> None:
    bound = 1 / sqrt(weights.weight.shape[-1])
    nn.init.kaiming_uniform_(weights.weight[n], a=sqrt(5))
    if hasattr(weights, "bias"):
        nn.init.uniform_(weights.bias[n], -bound, bound)


def _as_conv(weights: Weights, n: int) -> None:
    for _ in range(2):
        nn.init.kaiming_uniform_(weights.weight[n], a=sqrt(5))
        nn.init.uniform_(weights.bias[n], -1 / sqrt(CONV), 1 / sqrt(CONV))
