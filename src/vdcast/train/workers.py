"""Stacks of copies trained side by side, each in a process of one thread."""

import multiprocessing
import os
import signal
import threading
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool

import torch
from torch import Tensor
from tqdm import tqdm

from vdcast.errors import InputError
from vdcast.models.shared.device import deterministic, one_thread
from vdcast.models.shared.windows import Windows
from vdcast.params.sections import Run
from vdcast.train import ranks
from vdcast.train.copies import Copies, stacks_of
from vdcast.train.fitted import Fitted, joined
from vdcast.train.loop import fit_stack
from vdcast.train.scratch import Scratch


def fit(
    run: Run,
    train: Windows,
    validation: Windows,
    scale: Tensor,
    device: str,
    scratch: Scratch | None = None,
) -> Fitted:
    """Train one copy of ``run`` per seed and group, seed-major, until ``validation`` stops improving.

    ``scale`` (G, Q) turns scaled absolute errors of the headline target into its unit and is 0 for the
    other targets. With ``scratch``, goes on from what a training of the same key has left there.
    """
    parts = stacks_of(run, train.groups, device)
    return joined(fit_stacks(run, train, validation, scale, device, dict(enumerate(parts)), scratch))


def fit_stacks(
    run: Run,
    train: Windows,
    validation: Windows,
    scale: Tensor,
    device: str,
    stacks: dict[int, Copies],
    scratch: Scratch | None = None,
) -> list[Fitted]:
    """Train ``stacks``, by their number in ``stacks_of``; on a CPU several at once, in processes of one thread."""
    common = (run, train, validation, scale, device)
    workers = min(torch.get_num_threads(), len(stacks))  # threads: honours OMP_NUM_THREADS and affinity
    if workers == 1 or device == "cuda" or ranks.world() > 1:  # ranks train each stack together
        with one_thread():
            return [fit_stack(*common, copies, i, scratch, ranks.rank()) for i, copies in stacks.items()]
    spawn = multiprocessing.get_context("spawn")  # a forked torch may deadlock
    lines = spawn.SimpleQueue()
    for line in range(workers):
        lines.put(line)
    start = (spawn.RLock(), lines, common, scratch)
    with ProcessPoolExecutor(workers, mp_context=spawn, initializer=_worker, initargs=start) as pool:
        running = [pool.submit(_fit_in_worker, copies, i) for i, copies in stacks.items()]
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


def _worker(lock, lines, common: tuple, scratch: Scratch | None) -> None:
    """Take what all stacks share, once; leave interrupts to the parent, and die with it."""
    _worker.common, _worker.scratch, _worker.line = common, scratch, lines.get()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_die_with_parent, daemon=True).start()
    torch.set_num_threads(1)
    deterministic(common[-1])
    tqdm.set_lock(lock)


def _die_with_parent() -> None:
    multiprocessing.parent_process().join()
    os._exit(1)


def _fit_in_worker(copies: Copies, stack: int) -> Fitted:
    return fit_stack(*_worker.common, copies, stack, _worker.scratch, _worker.line)
