"""Dropout whose masks depend on a copy's seed alone, not on the copies beside it."""

import math
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn


class MaskStreams:
    """One random stream of dropout masks per distinct seed; ``seeds[n]`` is the seed of copy n.

    With ``rates``, copy n drops the share ``rates[n]``, by the numbers that it would draw alone.
    """

    def __init__(
        self, seeds: Sequence[int], device: torch.device | str, rates: Sequence[float] | None = None
    ):
        self.device, self.rates = torch.device(device), rates
        self.whole: tuple[int, Tensor] | None = None  # a batch's size, and which of its samples inputs hold
        self.generators = {
            seed: torch.Generator(self.device).manual_seed(seed) for seed in dict.fromkeys(seeds)
        }
        self.assign(seeds)

    def assign(self, seeds: Sequence[int]) -> None:
        """The copies are now these; a stream goes on where it was as long as one copy has its seed."""
        self.seeds = list(seeds)
        self.generators = {seed: self.generators[seed] for seed in dict.fromkeys(seeds)}
        row = {seed: row for row, seed in enumerate(self.generators)}
        self.rows = torch.tensor([row[seed] for seed in seeds], device=self.device)

    def keep(self, copies: Sequence[int]) -> None:
        """Only these of the copies are left."""
        if self.rates is not None:
            self.rates = [self.rates[n] for n in copies]
        self.assign([self.seeds[n] for n in copies])

    def draw(self, like: Tensor, rate: float, axis: int = 1) -> Tensor:
        """0 or 1 / (1 - rate): (N, ...) like ``like``, or (1, ...) if all copies share a seed; ``axis`` counts windows.

        ``rate`` is that of copies without ``rates`` of their own.
        """
        if like.shape[0] != len(self.seeds):
            raise ValueError(f"input has {like.shape[0]} copies, dropout was seeded for {len(self.seeds)}")
        shape = list(like.shape[1:])
        if self.whole is not None:
            shape[axis - 1], part = self.whole
        bits = [self._bits(generator, shape) for generator in self.generators.values()]
        if self.rates is None:
            drawn = [(each, rate) for each in bits]
        else:
            drawn = [(bits[row], own) for row, own in zip(self.rows.tolist(), self.rates, strict=True)]
        masks = like.new_empty(len(drawn), *shape)
        for mask, (each, share) in zip(masks, drawn, strict=True):
            dropped = round(share * 2**16)
            torch.ge(each, dropped - 2**15, out=mask)
            mask.mul_(2**16 / (2**16 - dropped))
        if self.whole is not None:
            masks = masks[(slice(None),) * axis + (part,)]
        return masks if len(masks) in (1, len(self.seeds)) else masks[self.rows]

    def _bits(self, generator: torch.Generator, shape: list[int]) -> Tensor:
        """Sixteen random ones an element, as int16; they decide at a quarter of what bernoulli_ costs on a CPU."""
        words = torch.empty(-(-math.prod(shape) // 4), dtype=torch.int64, device=self.device)
        words.random_(-(2**63), None, generator=generator)
        return words.view(torch.int16)[: math.prod(shape)].view(shape)


class Dropout(nn.Module):
    """Dropout whose masks depend on a copy's seed alone, not on the copies beside it.

    ``seed_dropout`` must be called before the first training step. Copies of one seed share their
    masks, as do models trained one by one after the same seed. In ``eval`` nothing is drawn. ``axis``
    of the input counts windows.
    """

    def __init__(self, p: float, axis: int = 1):
        super().__init__()
        self.p, self.axis = p, axis
        self.streams: MaskStreams | None = None

    def forward(self, x: Tensor) -> Tensor:
        """(N, ..., B, ...) -> the same shape. Raises RuntimeError where no seeds were given."""
        rates = self.streams.rates if self.streams else None
        if not self.training or not any(rates or [self.p]):
            return x
        if self.streams is None:
            raise RuntimeError("Dropout has no seeds: call seed_dropout(module, seeds) before training")
        return x * self.streams.draw(x, self.p, self.axis)


def dropouts_in(module: nn.Module) -> list[Dropout]:
    return [part for part in module.modules() if isinstance(part, Dropout)]


def seed_dropout(
    module: nn.Module,
    seeds: Sequence[int],
    device: torch.device | str = "cpu",
    rates: Sequence[float] | None = None,
) -> None:
    """Let every Dropout in ``module`` draw from one stream per seed; ``seeds[n]`` belongs to copy n.

    ``device`` is where the module computes; ``rates``, by copy, stand for each Dropout's own.
    """
    streams = MaskStreams(seeds, device, rates)
    for dropout in dropouts_in(module):
        dropout.streams = streams


def drop_as_in(module: nn.Module, size: int, part: Tensor) -> None:
    """Inputs hold only those of a batch of ``size`` samples: drop what would be dropped of them in the whole."""
    for dropout in dropouts_in(module):
        assert dropout.streams is not None  # ``seed_dropout`` came first
        dropout.streams.whole = (size, part)


def dropout_state(module: nn.Module) -> dict[int, Tensor]:
    """State of each seed's stream, for a checkpoint; empty without seeded dropout."""
    dropouts = dropouts_in(module)
    if not dropouts or dropouts[0].streams is None:
        return {}
    return {seed: generator.get_state() for seed, generator in dropouts[0].streams.generators.items()}


def set_dropout_state(module: nn.Module, state: Mapping[int, Tensor]) -> None:
    """Go on from ``dropout_state``, after ``seed_dropout`` with the same seeds."""
    dropouts = dropouts_in(module)
    if dropouts:
        assert dropouts[0].streams is not None  # ``seed_dropout`` came first
        for seed, generator in dropouts[0].streams.generators.items():
            generator.set_state(state[seed])
