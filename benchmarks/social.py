"""What hearing of neighbours costs: a training step of whole windows of V detectors, with and without."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from loop import synthetic
from measure import medians, table
from sample import budget, data_of, task_of
from vdcast.data.detectors import Detectors
from vdcast.models.shared.neighbours import EARTH, neighbours_of
from vdcast.params.modes import Sharing, Social
from vdcast.train.copies import Copies
from vdcast.train.loop import run_epoch
from vdcast.train.stack import Stack

SPACE = 700.0  # metres of a square's side for each detector: some 25 within 2 km, of which the nearest eight are taken
BATCH = 256  # samples, or one window of V detectors where these are more


def social_table(counts: tuple[int, ...], seconds: float) -> list[str]:
    rows = []
    for model in ("lstm", "xlstm"):
        for V in counts:
            part = placed(60, V)
            alone = task_of(part, Sharing.SHARED)
            tasks = {"alone": alone}
            for weights in ("gaussian", "attention"):
                settings = Social(num_vds=V, neighbours=8, radius=2000, weights=weights, direction="any")
                tasks[weights] = replace(alone, neighbours=neighbours_of(part, settings))
            steps = {name: step_of(f"{model}-global_multi_vd", task, part) for name, task in tasks.items()}
            ms = medians(seconds, **steps)
            samples = max(1, BATCH // V) * V
            near = np.isfinite(tasks["gaussian"].neighbours.kernel).sum() / V
            rows.append(
                {
                    "model": model,
                    "detectors": f"{V:,}",
                    "neighbours, on average": f"{near:.1f}",
                    "without, ms": f"{ms['alone']:.0f}",
                    "gaussian": f"{ms['gaussian'] / ms['alone']:.2f} times",
                    "attention": f"{ms['attention'] / ms['alone']:.2f} times",
                    "largest tensor, numbers a sample": ", ".join(
                        f"{largest(step) / samples:,.0f}" for step in steps.values()
                    ),
                }
            )
    return [
        f"### A training step of {BATCH} samples, or of one window of more detectors",
        "",
        *table(rows),
        "",
    ]


class Largest(TorchDispatchMode):
    """The most numbers in any one tensor that is made."""

    numbers = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        made = function(*args, **(kwargs or {}))
        for each in made if isinstance(made, (tuple, list)) else (made,):
            if isinstance(each, torch.Tensor):
                self.numbers = max(self.numbers, each.numel())
        return made


def largest(step: Callable[[], object]) -> int:
    """Of all tensors of a step; where none grows with V x V, its share of a sample is the same for any V."""
    with Largest() as seen:
        step()
    return seen.numbers


def step_of(name: str, task, part: Detectors):
    """One step of a copy on the first windows, all detectors of each."""
    data = data_of(task, part, part)
    stack = Stack.build(
        budget(name, seeds=[0], network={"batch_size": BATCH}), data, Copies(seeds=[0], groups=data.copies)
    )
    V = len(part.vd_ids)
    samples = torch.arange(max(1, BATCH // V) * V).view(1, -1, data.train.sizes.together)
    return lambda: run_epoch(stack, samples)


def placed(T: int, V: int) -> Detectors:
    """Somewhere on a square that grows with their number."""
    rng = np.random.default_rng(0)
    lon, lat = rng.uniform(0, SPACE * np.sqrt(V), (2, V)) / EARTH * 180 / np.pi
    return replace(synthetic(T, V, interval=900), info={"lon": lon, "lat": lat})
