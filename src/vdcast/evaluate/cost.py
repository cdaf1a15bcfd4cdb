"""What one forecast takes: floating-point operations, and milliseconds."""

import time
from math import prod

import numpy as np
import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry, shape_wrapper

from vdcast.data.detectors import Detectors
from vdcast.models.shared.onednn import ONEDNN
from vdcast.models.shared.trained import Trained
from vdcast.models.shared.windows import Batch
from vdcast.records.cost import Cost, Latency
from vdcast.scores.words import LATENCY_BATCH

WARM_UP, FEWEST, MOST = 1, 5, 20
ENOUGH = 0.5  # seconds: none is repeated for longer, once there are FEWEST


@torch.no_grad()
def flops(model: nn.Module, batch: Batch) -> int:
    """Floating-point operations of one forecast of ``batch`` on a CPU: two per multiplication and addition of
    the matrix products, which is what torch counts; element-wise work is left out for every model alike."""
    with _Counting() as counting:
        model(batch)
    return counting.total


class _Counting(TorchDispatchMode):
    """Adds up by torch's own table of operations; its FlopCounterMode takes a second to import the compiler."""

    def __init__(self) -> None:
        super().__init__()
        self.total = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        made = func(*args, **(kwargs or {}))
        if count := COUNTS.get(func._overloadpacket):
            self.total += count(*args, **(kwargs or {}), out_val=made)
        return made


@torch.no_grad()
def latency_ms(model: nn.Module, batch: Batch) -> Latency:
    """Of one forecast of ``batch``, after a warm-up: from ``FEWEST`` to ``MOST`` times, until ``ENOUGH`` seconds are spent."""
    wait = torch.cuda.synchronize if batch.x.is_cuda else lambda: None
    taken: list[float] = []
    for _ in range(WARM_UP):
        model(batch)
    while len(taken) < FEWEST or (len(taken) < MOST and sum(taken) < 1e3 * ENOUGH):
        wait()
        began = time.perf_counter()
        model(batch)
        wait()
        taken.append(1e3 * (time.perf_counter() - began))
    low, median, high = np.quantile(taken, (0.25, 0.5, 0.75)).tolist()
    return Latency(median=median, low=low, high=high)


def _lstm_flops(x: tuple, w_ih: tuple, w_hh: tuple, *_args, **_kwargs) -> int:
    """Of one layer over x (L, B, I) or (B, L, I), with weights (4D, I) and (4D, D)."""
    return 2 * x[0] * x[1] * (prod(w_ih) + prod(w_hh))


def _baddbmm_flops(_bias: tuple, a: tuple, b: tuple, **_kwargs) -> int:
    return 2 * prod(a) * b[-1]


def _linear_flops(x: tuple, weight: tuple, *_args, **_kwargs) -> int:
    return 2 * prod(x) * weight[0]


# torch's own table, and products that it leaves out: the fused LSTM layer of CPUs, an in-place form, and those by oneDNN
COUNTS = flop_registry | {
    torch.ops.aten.mkldnn_rnn_layer: shape_wrapper(_lstm_flops),
    torch.ops.aten.baddbmm_: shape_wrapper(_baddbmm_flops),
}
if ONEDNN:
    COUNTS[ONEDNN] = shape_wrapper(_linear_flops)


def measure(trained: Trained, test: Detectors, device: str) -> Cost:
    """What one seed's forecast takes on ``device``, of windows of ``test``."""
    one = trained.one_seed

    def at(where: str, windows: int) -> tuple[nn.Module, Batch]:
        """The network there, and a batch of so many windows (of fewer, again and again)."""
        all_windows = one.windows(test, where)
        groups = torch.tensor(one.task.copies, device=where)
        start = torch.arange(windows, device=where) % len(all_windows)
        return one.model(all_windows).to(where), all_windows.batch(all_windows.samples(groups, start))

    return Cost(
        flops_per_window=flops(*at("cpu", 1)),
        latency_ms=latency_ms(*at(device, 1)),
        latency_batch_ms=latency_ms(*at(device, LATENCY_BATCH)),
        device=device,
        threads=torch.get_num_threads(),
    )
