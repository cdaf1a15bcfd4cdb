"""What trains the copies of a search, an epoch at a time: this process, or one on a node of a Ray cluster."""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterator
from importlib import resources
from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor

from vdcast.cluster import connected
from vdcast.errors import InputError
from vdcast.forecasts.quantiles import levels_of
from vdcast.models.shared.device import deterministic, one_thread
from vdcast.models.shared.forecaster import build
from vdcast.params.sections import Run
from vdcast.train.copies import Copies
from vdcast.train.data import TrainingData
from vdcast.train.fitted import FIGURES
from vdcast.train.kernel import settled
from vdcast.train.loop import train_epoch
from vdcast.train.meter import clock
from vdcast.train.stack import Stack
from vdcast.train.validation import naive_errors

LOSS = FIGURES.index("validation_loss")


class Lost(Exception):
    """Whoever trained is gone, and what was trained with it."""


class Epoch(NamedTuple):
    """What an epoch of N copies has brought."""

    seconds: float  # of computing, since the epoch before
    active: list[int]  # copies that were trained in it
    loss: list[float]  # (N,) on the validation part, the latest of each
    going: list[int]  # copies that have not stopped by themselves


class Ended(NamedTuple):
    """What the training of N copies has brought, some of them to a member."""

    seconds: float  # of computing, since the last epoch
    errors: list[float]  # (members,) ``relative_errors``
    best_epoch: list[int]  # (N,)
    diverged: list[int]  # (N,) in which epoch; 0 for none


class Trains(Protocol):
    """Trains one stack of copies after the other. Each call raises Lost where who trained it is gone."""

    def begin(self, run: Run, copies: Copies) -> None: ...

    def epoch(self) -> Epoch: ...

    def go_on_with(self, copies: Collection[int]) -> bool:
        """Let all others go; whether any is left."""

    def ended(self) -> Ended: ...


class Trainer:
    """In this process, on one thread: another number of them would round otherwise."""

    def __init__(self, data: TrainingData):
        self.data = data

    def begin(self, run: Run, copies: Copies) -> None:
        deterministic(self.data.device)
        self.began = clock(self.data.device)
        with one_thread():
            self.stack = Stack.build(settled(run, self.data.device), self.data, copies)

    def epoch(self) -> Epoch:
        with one_thread():
            train_epoch(self.stack)
        reached = self.stack.reached
        active = reached.active.tolist()
        going = reached.going(self.stack.run.train.patience).tolist()
        return Epoch(
            self._spent(), active, reached.latest[:, LOSS].tolist(), [active[place] for place in going]
        )

    def go_on_with(self, copies: Collection[int]) -> bool:
        active = self.stack.reached.active
        places = [place for place, n in enumerate(active.tolist()) if n in copies]
        return self.stack.go_on_with(torch.tensor(places, dtype=torch.long, device=active.device))

    def ended(self) -> Ended:
        with one_thread():
            errors = relative_errors(self.stack, self.data).tolist()
        reached = self.stack.reached
        return Ended(self._spent(), errors, reached.best_epoch.tolist(), reached.diverged.tolist())

    def _spent(self) -> float:
        began, self.began = self.began, clock(self.data.device)
        return self.began - began


def torch_version() -> str:
    return torch.__version__


class OnNode:
    """On a node of the cluster that this process is a driver of; on another one once that is gone."""

    def __init__(self, data: TrainingData):
        """Raises InputError for data that no node could be sent."""
        import ray

        if data.train.mapped:
            raise InputError(
                "the data are larger than a quarter of this machine's memory, stay in their file, and are not sent to nodes of "
                "Ray; give `vdcast search` on machines that share this folder"
            )
        self.ray, self.data = ray, ray.put(data)
        self.actor: Any = None

    def begin(self, run: Run, copies: Copies) -> None:
        if self.actor is None:
            there = self._got(self.ray.remote(torch_version).remote())
            if there != torch_version():
                raise InputError(
                    f"a node of the Ray cluster has torch {there}, and here it is {torch_version()}, which rounds otherwise; "
                    "install the same one"
                )
            self.actor = self.ray.remote(num_cpus=1)(Trainer).remote(self.data)
        self._got(self.actor.begin.remote(run, copies))

    def epoch(self) -> Epoch:
        return self._got(self.actor.epoch.remote())

    def go_on_with(self, copies: Collection[int]) -> bool:
        return self._got(self.actor.go_on_with.remote(copies))

    def ended(self) -> Ended:
        return self._got(self.actor.ended.remote())

    def _got(self, answer: Any) -> Any:
        """Raises what was raised there, or Lost."""
        try:
            return self.ray.get(answer)
        except self.ray.exceptions.RayTaskError as error:
            raise error.cause from None
        except self.ray.exceptions.RayError:
            self.actor = None
            raise Lost from None


@contextlib.contextmanager
def here(data: TrainingData) -> Iterator[Trains]:
    yield Trainer(data)


@contextlib.contextmanager
def on_node(address: str, data: TrainingData) -> Iterator[Trains]:
    """Of the Ray cluster at ``address``. Raises InputError as ``connected`` does."""
    code = str(resources.files("vdcast"))  # this one, whatever the nodes have installed
    runtime = {"py_modules": [code], "env_vars": {"OMP_NUM_THREADS": "1"}}
    with connected(address, 1, 0, runtime):
        yield OnNode(data)


@torch.no_grad()
def relative_errors(stack: Stack, data: TrainingData) -> Tensor:
    """(members,) of the weights that each copy keeps, on the validation part: the MAE of the headline target at each VD
    over that of the better of profile and persistence there, mean over VDs. NaN where a copy has no weights.

    Raises InputError where no VD has an error that one could be better than.
    """
    N, of_each = len(stack.copies.seeds), len(data.copies)
    levels = len(levels_of(stack.run.train.quantiles))
    model = build(stack.run.network, data.train.sizes, copies=N, levels=levels).to(data.device).eval()
    model.load_state_dict(stack.fitted().weights)
    G, Q = data.scale.shape
    total = torch.zeros(N, G, Q, device=data.device)
    for batch in data.validation.in_order(torch.tensor(stack.copies.groups, device=data.device)):
        error = ((model(batch)[..., levels // 2] - batch.y).abs() * batch.valid).sum(dim=2)  # (N, B, Q)
        total.scatter_add_(1, batch.group[..., None].expand_as(error), error)
    naive, count = naive_errors(data)
    least = naive.amin(dim=0) / count  # (G, Q)
    judged = (data.scale > 0) & (count > 0) & (least > 0)
    if not judged.any():
        raise InputError(
            "no VD of the validation part has an observation that a forecast could be wrong about, so no trial could be "
            "better than another; look into reports/quality/quality.md"
        )
    own = total.unflatten(0, (-1, of_each)).sum(dim=1) / count  # each group is of one copy of a member
    return (own / least)[:, judged].mean(dim=1)
