"""Where a network computes, and that it computes the same every time."""

import contextlib
from collections.abc import Iterator

import torch

from vdcast.errors import InputError


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """Another number of threads would round otherwise."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def deterministic(device: str) -> None:
    """On a CPU, same input, same bits; on a GPU torch has no such cumsum, and refuses to compute.

    The fill of new memory guards against reads that we do not make, and costs time. What is asked for is what
    ``torch.use_deterministic_algorithms`` asks for, without its import of the compiler, which takes two seconds.
    """
    torch.set_deterministic_debug_mode("error" if device == "cpu" else "default")
    torch.backends.cudnn.allow_tf32 = False  # it would round in the LSTM alone: matrix products are float32
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]  # torch makes it as it runs


def choose_device(wanted: str) -> str:
    """``auto`` takes a GPU where there is one. Raises InputError for a GPU that is not there."""
    if wanted == "cuda" and not torch.cuda.is_available():
        raise InputError(
            "params.yaml: train.device = 'cuda', but torch finds no CUDA device here; use auto or cpu"
        )
    return "cuda" if wanted != "cpu" and torch.cuda.is_available() else "cpu"
