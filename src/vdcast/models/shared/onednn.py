"""Large float32 products by oneDNN, where MKL would take twice as long."""

import torch
from torch import Tensor

# torch multiplies float32 by MKL, which on AMD's processors takes twice as long as oneDNN, by which torch.lstm and
# compiled code multiply: through the operator that the latter call. (640 x 64 by 64 x 128 on one thread, with both
# gradients: 0.33 and 0.22 ms; at 640 x 32 by 32 x 64 its start costs more than it saves.)
ONEDNN = (
    getattr(torch.ops.mkldnn, "_linear_pointwise", None) if torch.backends.mkldnn.is_available() else None
)
ONEDNN_FROM = 2**22  # multiplications of one copy


def suits_onednn(rows: Tensor, weight: Tensor) -> bool:
    if torch.compiler.is_exporting():  # the graph is of any batch, and for another machine
        return False
    if ONEDNN is None or not rows.dtype == weight.dtype == torch.float32 or rows.device.type != "cpu":
        return False
    return rows.shape[1] * weight[0].numel() >= ONEDNN_FROM and not torch.is_autocast_enabled("cpu")


class OneDNNLinear(torch.autograd.Function):
    """``linear`` of rows (N, rows, I) by oneDNN, copy after copy."""

    @staticmethod
    def forward(ctx, rows: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        ctx.save_for_backward(rows, weight)
        ctx.has_bias = bias is not None
        return _product(rows, weight, bias)

    @staticmethod
    def backward(ctx, grad: Tensor) -> tuple[Tensor | None, Tensor, Tensor | None]:
        rows, weight = ctx.saved_tensors
        return (
            _product(grad, weight.mT) if ctx.needs_input_grad[0] else None,
            _product(grad.mT, rows.mT),
            grad.sum(1) if ctx.has_bias else None,
        )


def _product(a: Tensor, b: Tensor, bias: Tensor | None = None) -> Tensor:
    """a (N, rows, I), b (N, O, I), bias (N, O) -> a b' + bias, (N, rows, O)."""
    return (_opaque if torch.compiler.is_compiling() else _by_onednn)(a, b, bias)


def _by_onednn(a: Tensor, b: Tensor, bias: Tensor | None) -> Tensor:
    assert ONEDNN is not None  # ``suits_onednn``
    biases = [None] * len(a) if bias is None else bias.unbind()
    parts = zip(a.unbind(), b.unbind(), biases, strict=True)
    products = [ONEDNN(*part, "none", [], "") for part in parts]
    return torch.stack(products) if len(products) > 1 else products[0].unsqueeze(0)


# torch.compile takes oneDNN's operator for weights that never change alone, so it is not to look into this one
_opaque = torch.library.custom_op("vdcast::by_onednn", _by_onednn, mutates_args=())


@_opaque.register_fake
def _(a: Tensor, b: Tensor, bias: Tensor | None) -> Tensor:
    return a.new_empty(a.shape[0], a.shape[1], b.shape[1])
