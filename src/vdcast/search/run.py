"""A search from its settings to its reports: processes that take part, and what they found."""

from __future__ import annotations

import multiprocessing
import signal
import sys
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import partial
from multiprocessing.process import BaseProcess

from vdcast import params
from vdcast.cluster import connected
from vdcast.errors import InputError, one_sentence
from vdcast.language import speaking
from vdcast.models.shared.device import choose_device
from vdcast.params.sections import Params
from vdcast.processes import POLL, cpus, end_with_parent, visible_gpus
from vdcast.records.search import Searched
from vdcast.search import report
from vdcast.search.found import found
from vdcast.search.part import Part, folder_of
from vdcast.search.trainer import Trains, here, on_node
from vdcast.train.data import TrainingData

RESTARTS = 10  # of processes that were killed, until the search is given up


def search(settings: Params, mode: str, jobs: int | None) -> Searched:
    """Search until both budgets are spent, with so many processes at once, and write ``reports/search/<mode>/``."""
    part = Part.of(settings, mode)  # what is wrong stops here, in one sentence
    on_gpu = choose_device(settings.train.device) == "cuda"
    train(partial(_take, mode, here), jobs or (len(visible_gpus()) if on_gpu else cpus()) or 1)
    return _told(part, settings, mode)


def search_on_ray(settings: Params, mode: str, jobs: int | None, address: str) -> Searched:
    """The same on the cluster at ``address``: each process here asks for trials, and has them trained on a node.

    Raises InputError as ``connected`` does, and for settings that ask for a GPU.
    """
    if choose_device(settings.train.device) == "cuda":
        raise InputError(
            "a search on Ray trains on CPUs, and params.yaml would train on a GPU here: set train.device to cpu"
        )
    part = Part.of(settings, mode)
    with connected(address, 1, 0) as held:  # each process connects for itself
        jobs = jobs or held
    train(partial(_take, mode, partial(on_node, address)), jobs)
    return _told(part, settings, mode)


def _told(part: Part, settings: Params, mode: str) -> Searched:
    searched = found(part, mode)
    with speaking(settings.report.language):
        report.write(folder_of(mode), searched)
    return searched


def train(take: Callable[[], None], jobs: int) -> None:
    """``jobs`` processes that ``take`` part; one that is killed is replaced. Raises InputError where too many were."""
    spawn = multiprocessing.get_context("spawn")  # a forked torch may deadlock
    start = lambda: spawn.Process(target=take)  # noqa: E731
    processes: list[BaseProcess] = [start() for _ in range(jobs)]
    killed = 0
    try:
        for each in processes:
            each.start()
        while processes:
            time.sleep(POLL)
            for ended in [each for each in processes if each.exitcode is not None]:
                processes.remove(ended)
                if ended.exitcode and ended.exitcode > 0:
                    raise SystemExit(ended.exitcode)  # it has said why
                if ended.exitcode:
                    killed += 1
                    processes.append(_again(start, killed, jobs))
    finally:
        for each in processes:
            if each.pid:  # it was started
                each.kill()
                each.join()


def _again(start, killed: int, jobs: int) -> BaseProcess:
    """Another process in place of one that was killed."""
    advice = f"with a smaller -j (now {jobs}) fewer train at once"
    if killed > RESTARTS:
        raise InputError(
            f"{killed} processes of the search were killed, as happens when memory runs out; {advice}; what is finished "
            "is kept"
        )
    print(f"vdcast: a process of the search was killed; another takes its place ({advice})", file=sys.stderr)
    process = start()
    process.start()
    return process


def _take(mode: str, where: Callable[[TrainingData], AbstractContextManager[Trains]]) -> None:
    """As a process of its own: leave interrupts to the parent, and end with it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    end_with_parent()
    with one_sentence():
        part = Part.of(params.load(), mode)
        with where(part.data) as trainer:
            part.take(trainer)
