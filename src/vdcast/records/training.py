"""What a training took and came to: ``runs/<run>/training.json``, from ``train`` to all that report on it."""

import msgspec


class Training(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A copy is one network: of a seed and, where detectors have weights of their own, of a detector."""

    problem: str | None  # why the run cannot be compared
    notes: list[str]  # what a reader must know of it
    copies: int  # N
    parameters: int  # of the networks of one seed
    windows: int  # W of the training part
    epochs: int  # until the last copy stopped
    epoch_limit: int
    patience: int
    best_epoch: list[int]  # (N,), from 1; 0 without a finite one
    validation_loss: list[float | None]  # (N,) of the best epoch, in scaled units; None without one
    device: str
    ranks: int
    peak_memory_mb: float
    epoch_seconds: float  # mean
    first_epoch_seconds: float  # with xlstm.compile, mostly its cost
    seconds: float  # of computing, so that neither a restart nor company shows in it
