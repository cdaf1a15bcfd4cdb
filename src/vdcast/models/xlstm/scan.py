"""The sLSTM recurrence step by step, with its gradient by hand."""

import torch
from torch import Tensor
from torch.nn import functional


def slstm(gates: Tensor, recurrent: Tensor) -> Tensor:
    """sLSTM recurrence (paper, equations 8 to 17) from a zero state.

    gates (M, 4d, L, B): the input's share of the pre-activations i, f, z, o; recurrent (M, 4d, d);
    M = N * heads. Returns h (L, M, d, B).

    The paper's c_t and n_t only meet in r_t = c_t / n_t. With l_t = log n_t, which needs no other stabiliser,
    l_t = log(exp(i_t) + sigma(f_t) exp(l_{t-1})),
    alpha_t = exp(i_t - l_t) = sigma(i_t - log sigma(f_t) - l_{t-1}),
    r_t = r_{t-1} + alpha_t (tanh(z_t) - r_{t-1}), h_t = sigma(o_t) r_t.
    """
    return plain(gates, recurrent) if torch.compiler.is_exporting() else SLSTMScan.apply(gates, recurrent)


def plain(gates: Tensor, recurrent: Tensor) -> Tensor:
    """``slstm`` without what its gradient needs, and nothing written in place: what can be exported."""
    M, four_d, _, B = gates.shape
    h = r = gates.new_zeros(M, four_d // 4, B)
    log_n = torch.full_like(h, -torch.inf)
    outputs = []
    for gates_t in gates.unbind(2):
        i, f, z, o = torch.baddbmm(gates_t, recurrent, h).chunk(4, dim=1)
        kept = functional.logsigmoid(f) + log_n
        log_n = torch.logaddexp(i, kept)
        r = torch.lerp(r, z.tanh(), torch.sigmoid(i - kept))
        h = o.sigmoid() * r
        outputs.append(h)
    return torch.stack(outputs)


class SLSTMScan(torch.autograd.Function):
    """``slstm`` with its gradient by hand: only what recurs stands in the loops."""

    @staticmethod
    def forward(ctx, gates: Tensor, recurrent: Tensor) -> Tensor:
        M, four_d, L, B = gates.shape
        d = four_d // 4
        pre = gates.new_empty(L, M, 4 * d, B)
        alpha, r = gates.new_empty(2, L, M, d, B)
        h = gates.new_zeros(L + 1, M, d, B)
        h_t, r_t, log_n = h[0], h[0], torch.full_like(h[0], -torch.inf)
        steps = zip(gates.unbind(2), pre, *pre.chunk(4, dim=2), alpha, r, h[1:], strict=True)
        for gates_t, pre_t, i, f, z, o, alpha_t, r_out, h_out in steps:
            torch.baddbmm(gates_t, recurrent, h_t, out=pre_t)
            kept = functional.logsigmoid(f).add_(log_n)
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
