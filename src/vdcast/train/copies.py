"""Copies of a network by seed and by what they see, and the stacks that they are trained in."""

import math
from dataclasses import dataclass, replace
from typing import NamedTuple

from vdcast.params.sections import Run

# On a CPU a stack wins while its weights and activations stay in the cache: of 30 copies of the default
# xLSTM, stacks of 10 took 15 s an epoch each and one stack of 30 took 66 s. Stacks of 5 cost as much a copy
# as stacks of 10 (of 2: a fifth more, of 1: 1.6 times), and there are twice as many to keep cores busy with.
STACK_ON_CPU = 5
STACK_ON_GPU = 1024  # bounds its memory, and lets thousands of detectors be shared out; not measured


class Rates(NamedTuple):
    """Settings of a network that copies of one stack may differ in."""

    dropout: float
    learning_rate: float
    weight_decay: float


@dataclass(frozen=True, kw_only=True)
class Copies:
    """N copies by their seeds, and by the groups that each sees, of which all have as many; all of one fold, by number."""

    seeds: list[int]
    groups: list[list[int]]
    fold: int = 0
    rates: list[Rates] | None = None  # where they differ in them; None: all have those of the run

    def cut(self, largest: int) -> list["Copies"]:
        """Pieces of at most ``largest`` copies, in order and as even as can be, so that no core waits for the longest."""
        N = len(self.seeds)
        size = math.ceil(N / math.ceil(N / largest))
        cuts = [slice(i, i + size) for i in range(0, N, size)]
        own = [self.rates and self.rates[cut] for cut in cuts]
        return [
            replace(self, seeds=self.seeds[cut], groups=self.groups[cut], rates=rates)
            for cut, rates in zip(cuts, own, strict=True)
        ]


def stacks_of(run: Run, of_a_seed: list[list[int]], device: str, folds: int = 1) -> list[Copies]:
    """The copies of ``run``, fold by fold and there seed-major, cut into the stacks that are trained apart.

    A seed's are by their groups. A stack is of one fold, as every fold has windows of its own.

    They do not depend on how many cores there are, as a stack's size shows in how its sums round. A GPU takes
    copies of all seeds in one stack. A CPU takes them in stacks of one seed: small matrices keep one core busy
    and let a second one wait.
    """
    seeds = run.train.seeds
    if device == "cuda":
        together, largest = [seeds], STACK_ON_GPU
    else:
        together, largest = [[seed] for seed in seeds], STACK_ON_CPU
    return [
        stack
        for fold in range(folds)
        for some in together
        for stack in Copies(
            seeds=[seed for seed in some for _ in of_a_seed], groups=of_a_seed * len(some), fold=fold
        ).cut(largest)
    ]
