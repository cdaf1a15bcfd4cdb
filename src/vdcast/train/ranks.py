"""One run trained by several processes, each on its part of every batch, as torchrun starts them.

    torchrun --standalone --nproc-per-node 2 -m vdcast.train xlstm-multi_vd

The processes, the *ranks*, draw the same order of windows and the same dropout masks, and sum their gradients before
these are clipped. So they hold the same weights after every step: those that one process would have, but for the
order in which sums round. The first rank alone reads and writes files of the training. In a process that torchrun
did not start there is one rank, and every function here gives back what it was given.
"""

import contextlib
import os
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import torch
from torch import Tensor, distributed

Read = TypeVar("Read")


@contextlib.contextmanager
def together(device: str) -> Iterator[None]:
    """Meet the other ranks, each with a GPU of its own where ``device`` is cuda."""
    if not distributed.is_torchelastic_launched():
        yield
        return
    if device == "cuda":
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    distributed.init_process_group("nccl" if device == "cuda" else "gloo")
    yield
    distributed.destroy_process_group()  # not after an error: the others may wait for this rank in vain


def rank() -> int:
    return distributed.get_rank() if distributed.is_initialized() else 0


def world() -> int:
    """The number of ranks."""
    return distributed.get_world_size() if distributed.is_initialized() else 1


def part(size: int) -> slice:
    """This rank's part of ``size`` windows; the first of them, to compute with, where none is left for it."""
    return slice(rank(), size, world()) if rank() < size else slice(1)


def summed(*tensors: Tensor) -> None:
    """Each tensor becomes, in place, its sum over ranks; one message for all of them, which share a dtype."""
    if world() > 1:
        message = torch.cat([tensor.flatten() for tensor in tensors])
        distributed.all_reduce(message)
        for tensor, whole in zip(tensors, message.split([each.numel() for each in tensors]), strict=True):
            tensor.copy_(whole.view_as(tensor))


def from_first(read: Callable[[], Read]) -> Read:
    """What ``read`` gives the first rank, for all of them."""
    if world() == 1:
        return read()
    box: list[Any] = [read() if rank() == 0 else None]  # the others' None is overwritten
    distributed.broadcast_object_list(box)
    return box[0]
