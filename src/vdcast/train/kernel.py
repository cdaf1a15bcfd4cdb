"""Which code computes a run's network in training, as another one rounds otherwise."""

import sys
from importlib import import_module

from vdcast.params.sections import Run


def settled(run: Run, device: str) -> Run:
    """``run`` with the kernel that computes it here: vanilla, which is said, where the one that it asks for cannot."""
    network = run.network
    if network.kernel == "vanilla":
        return run
    problem = import_module(f"vdcast.models.{network.model}.{network.kernel}").problem(device)
    if not problem:
        return run
    print(
        f"vdcast: {run.name}: {problem}; the vanilla code computes in its place, to other last digits",
        file=sys.stderr,
        flush=True,
    )
    return run.model_copy(update={"network": network.model_copy(update={"kernel": "vanilla"})})
