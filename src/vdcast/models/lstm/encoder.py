"""N copies of a multi-layer LSTM: ``nn.LSTM`` with a leading axis of copies."""

from math import sqrt

import torch
from torch import Tensor, nn

from vdcast.models.shared.dropout import Dropout
from vdcast.models.shared.stacked import in_full_precision, linear
from vdcast.params import networks


def encoder(network: networks.LSTM, copies: int) -> "LSTM":
    """The encoder that ``network`` describes; what comes in is as wide as what goes out."""
    return LSTM(
        copies,
        input_size=network.hidden_size,
        hidden_size=network.hidden_size,
        num_layers=network.num_layers,
        dropout=network.dropout,
    )


class LSTM(nn.Module):
    """N times ``nn.LSTM(..., batch_first=True)``: (N, B, L, I) -> (N, B, L, D), the top layer's outputs.

    Parameters are named as in ``nn.LSTM`` and ordered i, f, g, o; slice n of each is the state_dict of
    copy n, and the initial weights after ``torch.manual_seed`` are ``nn.LSTM``'s. Dropout stands
    between the layers (``shared.dropout``).

    Recurrence (Hochreiter & Schmidhuber 1997, with Gers et al. 2000's forget gate), zero initial state:
    c = sigma(f) c + sigma(i) tanh(g), h = sigma(o) tanh(c).
    """

    def __init__(
        self, copies: int, *, input_size: int, hidden_size: int, num_layers: int, dropout: float = 0.0
    ):
        super().__init__()
        self.hidden_size = hidden_size
        self.num_layers = num_layers
        self.dropout = Dropout(dropout)
        for layer in range(num_layers):
            inputs = input_size if layer == 0 else hidden_size
            self.register_parameter(f"weight_ih_l{layer}", _empty(copies, 4 * hidden_size, inputs))
            self.register_parameter(f"weight_hh_l{layer}", _empty(copies, 4 * hidden_size, hidden_size))
            self.register_parameter(f"bias_ih_l{layer}", _empty(copies, 4 * hidden_size))
            self.register_parameter(f"bias_hh_l{layer}", _empty(copies, 4 * hidden_size))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        bound = 1 / sqrt(self.hidden_size)
        for copy in zip(*self.parameters(), strict=True):
            for parameter in copy:
                nn.init.uniform_(parameter, -bound, bound)

    def forward(self, x: Tensor, last_only: bool = False) -> Tensor:
        """With ``last_only``, (N, B, 1, D): the last step alone."""
        copies = x.shape[0]
        at_once = (x.is_cuda and copies >= SCAN_FROM) or torch.compiler.is_exporting()
        run = scan if at_once else loop
        for layer in range(self.num_layers):
            if layer:
                x = self.dropout(x)
            names = (f"weight_ih_l{layer}", f"weight_hh_l{layer}", f"bias_ih_l{layer}", f"bias_hh_l{layer}")
            x = in_full_precision(run, x, *(getattr(self, name) for name in names))
        return x[:, :, -1:] if last_only else x


# On a GPU the scan starts about six times as many kernels as one copy's cuDNN layer, whatever N is; an
# estimate from counting them. On CPU the loop won at every size measured (N 1 to 100, D 32 to 256).
SCAN_FROM = 8


def _empty(*shape: int) -> nn.Parameter:
    return nn.Parameter(torch.empty(*shape))


def loop(x: Tensor, w_ih: Tensor, w_hh: Tensor, b_ih: Tensor, b_hh: Tensor) -> Tensor:
    """One layer, copy after copy, by torch's LSTM kernel: (N, B, L, I) -> (N, B, L, D)."""
    state = x.new_zeros(1, x.shape[1], w_hh.shape[2])
    copies = zip(*(_split(tensor) for tensor in (x, w_ih, w_hh, b_ih, b_hh)), strict=True)
    outputs = [
        torch.lstm(
            x_n,
            (state, state),
            weights,
            has_biases=True,
            num_layers=1,
            dropout=0.0,
            train=torch.is_grad_enabled(),
            bidirectional=False,
            batch_first=True,
        )[0]
        for x_n, *weights in copies
    ]
    return torch.stack(outputs) if len(outputs) > 1 else outputs[0].unsqueeze(0)


def _split(x: Tensor) -> tuple[Tensor, ...]:
    """The N parts of (N, ...), by the cheapest backward: a view for one, one stack for more.

    (N indexings would write N zero-padded gradients.)
    """
    return (x.squeeze(0),) if len(x) == 1 else x.unbind()


def scan(x: Tensor, w_ih: Tensor, w_hh: Tensor, b_ih: Tensor, b_hh: Tensor) -> Tensor:
    """One layer, all copies at once, step after step: (N, B, L, I) -> (N, B, L, D).

    What does not recur is one matmul over all steps; the launches of the recurrence are shared by the
    copies, which is what counts on a GPU.
    """
    gates_x = linear(x, w_ih, b_ih + b_hh).transpose(1, 2)  # (N, L, B, 4D)
    h = c = x.new_zeros(x.shape[0], x.shape[1], w_hh.shape[2])
    recurrent = w_hh.mT
    outputs = []
    for gates_t in gates_x.unbind(1):
        i, f, g, o = torch.baddbmm(gates_t, h, recurrent).chunk(4, dim=-1)
        c = f.sigmoid() * c + i.sigmoid() * g.tanh()
        h = o.sigmoid() * c.tanh()
        outputs.append(h)
    return torch.stack(outputs, dim=2)
