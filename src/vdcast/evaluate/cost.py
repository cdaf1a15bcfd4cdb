"""What one forecast takes: floating-point operations, and milliseconds."""

import statistics
import time
from math import prod

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from vdcast.data.detectors import Detectors
from vdcast.models.shared.onednn import ONEDNN
from vdcast.models.shared.trained import Trained
from vdcast.models.shared.windows import Batch
from vdcast.records.cost import Cost
from vdcast.scores.words import LATENCY_BATCH

WARM_UP, REPEATS = 3, 20


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
