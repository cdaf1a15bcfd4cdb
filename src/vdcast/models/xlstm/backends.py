"""What runs the sLSTM recurrence: the scan, the package's CUDA kernel, or a CUDA graph of the scan."""

import sys
from collections.abc import Callable
from functools import cache
from math import ceil, log2

import torch
from torch import Tensor
from torch.nn import functional

from vdcast.errors import InputError
from vdcast.models.xlstm.scan import slstm


def slstm_by_kernel(gates: Tensor, recurrent: Tensor) -> Tensor:
    """``slstm`` by the package's CUDA kernel, in float32; copies are more heads to it.

    The kernel is compiled for a number of heads, here for the next power of two: a stack whose copies stop one
    by one has few compilations to wait for. What was trained with it forecasts on a CPU too, step by step. Raises
    InputError where training has no GPU, and where the kernel does not compile.
    """
    if not gates.is_cuda and not torch.is_grad_enabled():
        return slstm(gates, recurrent)
    if not gates.is_cuda:
        raise InputError(
            f"xlstm.slstm_backend 'cuda' needs an NVIDIA GPU, and the network is on {gates.device.type}; "
            "set slstm_backend to vanilla, or device to cuda"
        )
    M, four_d, L, B = gates.shape
    d, heads = four_d // 4, 2 ** ceil(log2(M))
    x = functional.pad(gates.permute(2, 3, 0, 1), (0, 0, 0, heads - M)).reshape(L, B, heads * four_d).float()
    weights = functional.pad(recurrent.mT, (0, 0, 0, 0, 0, heads - M)).contiguous().float()
    states = kernel(heads, d).apply(
        True, x, x.new_zeros(4, B, heads * d), weights, x.new_zeros(heads * four_d)
    )
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


Scan = Callable[[Tensor, Tensor], Tensor]  # what ``slstm`` is


def graphed(scan: Scan, samples: tuple[Tensor, ...]) -> Scan:
    """``scan`` with a CUDA graph in its place."""
    return torch.cuda.make_graphed_callables(scan, samples)  # type: ignore[return-value]  # a function for a function


class GraphedScan:
    """``slstm`` as a CUDA graph, which starts the kernels of all its steps, forward or backward, at once.

    A graph is captured for each shape that training meets; where no gradient is wanted, the scan runs step by
    step. Each block needs one of its own: what a graph has computed lies where its next run will write.
    ``capture`` is for tests, where there is no GPU.
    """

    def __init__(self, capture: Callable[..., Scan] | None = None):
        self.capture: Callable[..., Scan] = capture or graphed
        self.graphs: dict[torch.Size, Scan] = {}

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
        self.on_gpu: Scan | None = None

    def __call__(self, gates: Tensor, recurrent: Tensor) -> Tensor:
        if not gates.is_cuda:
            return slstm(gates, recurrent)
        if self.on_gpu is None:
            try:
                h = slstm_by_kernel(gates, recurrent)
            except InputError as error:
                say_once(f"a CUDA graph of the sLSTM scan stands in for the package's kernel: {error}")
                self.on_gpu = GraphedScan()
            else:
                self.on_gpu = slstm_by_kernel
                return h
        return self.on_gpu(gates, recurrent)


@cache
def say_once(what: str) -> None:
    """On stderr, as every block of every stack meets the same failure."""
    print(f"vdcast: {what}", file=sys.stderr, flush=True)


# what makes the scan of one block
SCANS: dict[str, Callable[[], Scan]] = {
    "auto": FastestScan,
    "vanilla": lambda: slstm,
    "cuda": lambda: slstm_by_kernel,
}
