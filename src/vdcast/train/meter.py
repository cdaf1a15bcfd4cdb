"""What a training takes: parameters, memory, seconds of computing."""

import resource
import sys
import time
from pathlib import Path

import torch
from torch import Tensor


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
