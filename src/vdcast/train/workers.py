"""Stacks of copies trained side by side, each in a process of one thread."""

import multiprocessing
import signal
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass

import torch
from tqdm import tqdm

from vdcast.errors import InputError
from vdcast.models.shared.device import deterministic, one_thread
from vdcast.params.sections import Run
from vdcast.processes import end_with_parent
from vdcast.train import ranks
from vdcast.train.copies import Copies, stacks_of
from vdcast.train.data import TrainingData
from vdcast.train.fitted import Fitted, joined
from vdcast.train.loop import fit_stack
from vdcast.train.scratch import Scratch


def fit(run: Run, data: Sequence[TrainingData], scratch: Scratch | None = None) -> Fitted:
    """Train the copies of every seed of ``run`` on the ``data`` of every fold, as ``stacks_of`` has them.

    Each is trained until its validation stops improving. With ``scratch``, goes on from what a training of the same key has left there.
    """
    stacks = stacks_of(run, data[0].copies, data[0].device, len(data))
    return joined(fit_stacks(run, data, dict(enumerate(stacks)), scratch))


def fit_stacks(
    run: Run, data: Sequence[TrainingData], stacks: dict[int, Copies], scratch: Scratch | None = None
) -> list[Fitted]:
    """Train ``stacks``, by their number in ``stacks_of``; on a CPU several at once, in processes of one thread."""
    workers = min(torch.get_num_threads(), len(stacks))  # threads: honours OMP_NUM_THREADS and affinity
    if workers == 1 or data[0].device == "cuda" or ranks.world() > 1:  # ranks train each stack together
        with one_thread():
            return [
                fit_stack(run, data[copies.fold], copies, number, scratch, line=ranks.rank())
                for number, copies in stacks.items()
            ]
    spawn = multiprocessing.get_context("spawn")  # a forked torch may deadlock
    lines = spawn.SimpleQueue()
    for line in range(workers):
        lines.put(line)
    start = (Shared(run, data, scratch), spawn.RLock(), lines)
    with ProcessPoolExecutor(workers, mp_context=spawn, initializer=_start, initargs=start) as pool:
        running = [pool.submit(_fit_in_worker, copies, number) for number, copies in stacks.items()]
        try:
            return [each.result() for each in running]
        except BrokenProcessPool:
            raise InputError(
                f"run {run.name}: a training process was killed, as happens when memory runs out; with a "
                f"smaller OMP_NUM_THREADS (now {workers}) fewer of them run at once; every stack goes on "
                "at its last epoch"
            ) from None
        except BaseException:
            for worker in multiprocessing.active_children():
                worker.kill()  # the pool would wait until they are through; their last epoch is kept
            raise


@dataclass(frozen=True)
class Shared:
    """What all stacks of a run share; a worker process takes it once."""

    run: Run
    data: Sequence[TrainingData]  # by fold
    scratch: Scratch | None


@dataclass(frozen=True)
class Worker:
    """This process, where it is a worker."""

    shared: Shared
    line: int  # of its progress bar


_here: Worker


def _start(shared: Shared, lock, lines) -> None:
    """Begin as a worker: leave interrupts to the parent, and end with it."""
    global _here
    _here = Worker(shared, lines.get())
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    end_with_parent()
    torch.set_num_threads(1)
    deterministic(shared.data[0].device)
    tqdm.set_lock(lock)


def _fit_in_worker(copies: Copies, number: int) -> Fitted:
    shared = _here.shared
    return fit_stack(shared.run, shared.data[copies.fold], copies, number, shared.scratch, _here.line)
