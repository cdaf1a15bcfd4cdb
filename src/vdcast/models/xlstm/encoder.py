"""N copies of the xLSTM block stack (Beck et al. 2024, arXiv:2405.04517), written for short sequences.

The same network as ``xlstm.xLSTMBlockStack`` of the package ``xlstm``: the same parameters under the
same names, each with a leading axis of copies, the same initial weights after the same
``torch.manual_seed``, and the same outputs and gradients to rounding. Like the package, it keeps a
swap of names: the weights called ``fgate`` feed the input gate, those called ``igate`` the forget gate.

Shapes: N copies, B windows, L lookback, D width of the encoder, U inner width of an mLSTM block, d width of a head,
M cells side by side (a head of a copy, in the mLSTM of a window), A steps whose outputs are asked for, J blocks of j
on a diagonal. Inside, time comes before the batch, (N, L, B, D): a step is one block of memory.
"""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from vdcast.errors import InputError
from vdcast.models.xlstm.mlstm import MLSTMBlock
from vdcast.models.xlstm.native import NativeMLSTMBlock, NativeSLSTMBlock
from vdcast.models.xlstm.parts import Norm, Sizes, multiple_of_64
from vdcast.models.xlstm.slstm import SLSTMBlock
from vdcast.params import networks


def encoder(network: networks.XLSTM, copies: int) -> "XLSTM":
    """The encoder that ``network`` describes."""
    return KERNELS[network.kernel](
        copies,
        Sizes(network.embedding_dim, network.num_heads, network.num_blocks),
        slstm_at=network.slstm_at,
        context_length=network.context_length,
        slstm_backend=network.slstm_backend,
        dropout=network.dropout,
    )


class XLSTM(nn.Module):
    """N xLSTM stacks: (N, B, L, D) -> the same shape.

    Blocks at ``slstm_at`` are sLSTM, the others mLSTM. ``slstm_backend`` "vanilla" runs the sLSTM
    recurrence step by step, on any device; "cuda" by the package's kernel, which needs a GPU to train;
    "auto", on a GPU, by that kernel where it compiles and as a CUDA graph elsewhere. The mLSTM has one form, the
    parallel one.
    Raises InputError for widths that the heads do not divide.
    """

    SLSTM, MLSTM = SLSTMBlock, MLSTMBlock

    def __init__(
        self,
        copies: int,
        sizes: Sizes,
        *,
        slstm_at: Sequence[int],
        context_length: int,
        slstm_backend: str = "auto",
        dropout: float = 0.0,
    ):
        super().__init__()
        width, heads, inner = sizes.width, sizes.heads, multiple_of_64(2 * sizes.width)
        if width % heads or inner % heads or width == heads:
            raise InputError(
                f"xlstm.num_heads {heads} must divide embedding_dim {width} and the inner width "
                f"{inner} that follows from it, and be less than embedding_dim"
            )
        self.context_length = context_length

        def block(index: int) -> SLSTMBlock | MLSTMBlock:
            if index in slstm_at:
                return self.SLSTM(copies, sizes, dropout=dropout, index=index, backend=slstm_backend)
            return self.MLSTM(copies, sizes, dropout=dropout)

        self.blocks = nn.ModuleList(map(block, range(sizes.blocks)))
        self.post_blocks_norm = Norm(copies, width)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """The package's initial weights: it draws most of them more than once, and so do we."""
        for n in range(self.post_blocks_norm.weight.shape[0]):
            for block in self.blocks:
                assert isinstance(block, SLSTMBlock | MLSTMBlock)
                block.reset_copy(n)

    def compile_for(self, copies: int, windows: int, **options) -> None:
        """Let torch.compile fuse all but the sLSTM recurrence in training steps of so many copies and windows.

        A graph is of one shape, and takes long to make. Most steps have that of a full batch; an epoch's last
        batch, validation, and what is left of a stack once a copy has stopped run as they would without.
        ``options`` are those of torch.compile. The recurrence stays eager: compiled by torch 2.13, the gradient
        of its weights is wrong.
        """
        torch.use_deterministic_algorithms(torch.are_deterministic_algorithms_enabled())  # tells the compiler
        for block in self.blocks:
            assert isinstance(block, SLSTMBlock | MLSTMBlock)
            for name in block.COMPILES:
                function = getattr(block, name)
                setattr(block, name, compiled_for(block, function, copies, windows, **options))

    def forward(self, x: Tensor, last_only: bool = False) -> Tensor:
        """With ``last_only``, (N, B, 1, D): the last step alone, and the last block's work for it alone.

        Raises ValueError for a lookback beyond ``context_length``.
        """
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


class NativeXLSTM(XLSTM):
    """The same, trained by C++ (``native``)."""

    SLSTM, MLSTM = NativeSLSTMBlock, NativeMLSTMBlock


KERNELS = {"vanilla": XLSTM, "native": NativeXLSTM}


def compiled_for(module: nn.Module, function: Callable, copies: int, windows: int, **options) -> Callable:
    """``function`` of x (N, L, B, ...), compiled for N = copies and B = windows while ``module`` trains."""
    fused = torch.compile(function, dynamic=False, **options)

    def either(x: Tensor, *rest) -> Tensor:
        fits = module.training and (x.shape[0], x.shape[2]) == (copies, windows)
        return (fused if fits else function)(x, *rest)

    return either
