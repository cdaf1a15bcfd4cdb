"""What a run costs beside time: parameters and memory."""

import resource
import sys

import torch
from torch import Tensor


def parameters_per_copy(weights: dict[str, Tensor]) -> int:
    """Trainable numbers in one copy of a stacked state_dict (N, ...)."""
    return sum(value[0].numel() for value in weights.values())


def peak_memory_mb(device: str) -> float:
    """The most memory so far, in MB: on the GPU if it computes there, else in RAM by the largest process."""
    if device == "cuda":
        return torch.cuda.max_memory_allocated() / 1e6
    peak = max(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return peak / 1e6 if sys.platform == "darwin" else peak / 1e3
