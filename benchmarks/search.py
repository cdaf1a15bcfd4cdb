"""What trials of `vdcast search` gain as copies of one stack: CPU seconds a trial and epoch, against one by one.

    dvc repro prepare && python benchmarks/search.py

Of the runs that `multi_vd` compares, as params.yaml has them, with learning rates that differ; its table is in
docs/search.md.
"""

import torch

from vdcast import params
from vdcast.search.part import runs_of
from vdcast.search.space import rates_of
from vdcast.train.copies import Copies
from vdcast.train.loop import train_epoch
from vdcast.train.run import load
from vdcast.train.stack import Stack

TOGETHER = (1, 2, 4, 8)


def main() -> None:
    torch.set_num_threads(1)
    settings = params.load()
    print("| model | trials together | CPU s a trial and epoch | one by one / together |\n|---|---|---|---|")
    for model, run in runs_of(settings, "multi_vd").items():
        inputs = load(run, settings)
        alone = None
        for together in TOGETHER:
            own = rates_of(run.network)
            rates = [own._replace(learning_rate=own.learning_rate * (1 + n / 10)) for n in range(together)]
            copies = Copies(seeds=[0] * together, groups=[[0]] * together, rates=rates)
            stack = Stack.build(run, inputs.data, copies)
            train_epoch(stack)  # warms up
            train_epoch(stack)
            seconds = stack.reached.seconds[-1] / together
            alone = alone or seconds
            print(f"| {model} | {together} | {seconds:.2f} | {alone / seconds:.2f} |", flush=True)


if __name__ == "__main__":
    main()
