"""What a run costs beside training time: parameters, memory, floating-point operations, latency."""

import resource
import statistics
import sys
import time
from math import prod
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from vdcast.models.stacked import ONEDNN
from vdcast.windows import Batch

WARM_UP, REPEATS = 3, 20


def parameters_per_copy(weights: dict[str, Tensor]) -> int:
    """Trainable numbers in one copy of a stacked state_dict (N, ...)."""
    return sum(value[0].numel() for value in weights.values())


def peak_memory_mb(device: str) -> float:
    """The most memory so far, in MB: on the GPU if it computes there, else in RAM by the largest process."""
    if device == "cuda":
        return torch.cuda.max_memory_allocated() / 1e6
    own, children = (
        resource.getrusage(who).ru_maxrss / (1e6 if sys.platform == "darwin" else 1e3)
        for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    )
    status = Path("/proc/self/status")  # Linux counts into the former what started this process held then
    if status.exists():
        own = (
            next(int(line.split()[1]) for line in status.read_text().splitlines() if line.startswith("VmHWM"))
            / 1e3
        )
    return max(own, children)


def clock(device: str) -> float:
    """Seconds of computing since some start: of a GPU by the wall, and of a CPU those that this process and what it
    started (a compiler) had of it, so that what else the machine does shows as little as it can."""
    if device == "cuda":
        return time.perf_counter()
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime


@torch.no_grad()
def flops(model: nn.Module, batch: Batch) -> int:
    """Floating-point operations of one forecast of ``batch`` on a CPU: two per multiplication and addition of
    the matrix products, which is what torch counts; element-wise work is left out for every model alike."""
    with FlopCounterMode(display=False, custom_mapping=UNCOUNTED) as counter:
        model(batch)
    return counter.get_total_flops()


@torch.no_grad()
def latency_ms(model: nn.Module, batch: Batch) -> float:
    """Milliseconds of one forecast of ``batch``: the median of ``REPEATS``, after a warm-up."""
    wait = torch.cuda.synchronize if batch.x.is_cuda else lambda: None
    taken = []
    for _ in range(WARM_UP + REPEATS):
        wait()
        began = time.perf_counter()
        model(batch)
        wait()
        taken.append(1e3 * (time.perf_counter() - began))
    return statistics.median(taken[WARM_UP:])


def _lstm_flops(x: tuple, w_ih: tuple, w_hh: tuple, *_args, **_kwargs) -> int:
    """Of one layer over x (L, B, I) or (B, L, I), with weights (4D, I) and (4D, D)."""
    return 2 * x[0] * x[1] * (prod(w_ih) + prod(w_hh))


def _baddbmm_flops(_bias: tuple, a: tuple, b: tuple, **_kwargs) -> int:
    return 2 * prod(a) * b[-1]


def _linear_flops(x: tuple, weight: tuple, *_args, **_kwargs) -> int:
    return 2 * prod(x) * weight[0]


# products that torch's own table leaves out: the fused LSTM layer of CPUs, an in-place form, and those by oneDNN
UNCOUNTED = {
    torch.ops.aten.mkldnn_rnn_layer: _lstm_flops,
    torch.ops.aten.baddbmm_: _baddbmm_flops,
} | ({ONEDNN: _linear_flops} if ONEDNN else {})
