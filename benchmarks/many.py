"""N independent models: ``fit`` against a plain loop that trains one after the other."""

import time

import torch

from measure import table
from sample import budget, data_of, prepared, task_of
from vdcast.data.detectors import Detectors
from vdcast.params.modes import Sharing
from vdcast.params.sections import Run
from vdcast.train.copies import Copies
from vdcast.train.data import TrainingData
from vdcast.train.loop import fit_stack
from vdcast.train.workers import fit

STEPS = {"train": 663, "validation": 151}  # 20 batches of 32, and 4: minutes rather than hours at N = 100


def many_table(counts: dict[str, dict[int, int]]) -> list[str]:
    """``counts``: epochs by model and N. The loop with one thread or all, whichever is faster; ``fit`` by processes of stacks.

    What starting the processes costs is in the time of ``fit``.
    """
    rows = []
    for model, epochs_of in counts.items():
        for N, epochs in epochs_of.items():
            run = budget(f"{model}-independent_multi_vd", seeds=[0], epochs=epochs, patience=epochs)
            train, validation = (copied(part, N) for part in ("train", "validation"))
            data = data_of(task_of(train, Sharing.APART), train, validation)
            sample = min(N, 5)  # the loop takes the same time for every model
            fit_stack(budget(run.name, seeds=[0], epochs=1), data, Copies(seeds=[0], groups=[[0]]))  # warm-up
            loop = min(loop_seconds(run, data, sample, threads) for threads in {1, torch.get_num_threads()})
            loop *= N / sample
            began = time.perf_counter()
            fit(run, [data])
            ours = time.perf_counter() - began
            rows.append(
                {
                    "model": model,
                    "N": str(N),
                    "epochs": str(epochs),
                    "plain loop, s": f"{loop:.1f}",
                    "fit, s": f"{ours:.1f}",
                    "ratio": f"{loop / ours:.2f}",
                }
            )
    threads = torch.get_num_threads()
    title = f"### N models, an epoch of 640 windows and 128 of validation, {threads} threads or processes"
    return [title, "", *table(rows), ""]


def loop_seconds(run: Run, data: TrainingData, models: int, threads: int) -> float:
    whole = torch.get_num_threads()
    torch.set_num_threads(threads)
    began = time.perf_counter()
    for n in range(models):
        fit_stack(run, data, Copies(seeds=[0], groups=[[n]]))
    torch.set_num_threads(whole)
    return time.perf_counter() - began


def copied(part: str, N: int) -> Detectors:
    """N detectors: the first of the sample, N times."""
    one: Detectors = prepared().parts[part]
    one = one.select(one.vd_ids[:1], one.features).rows(0, STEPS[part])
    values = one.values.repeat(N, axis=1)
    return Detectors(**{**vars(one), "values": values, "vd_ids": tuple(map(str, range(N))), "info": {}})
