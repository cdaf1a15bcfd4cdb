"""``runs/<run>/training.json``: how a training went and what it took."""

import msgspec

from vdcast.language import Said


class Training(msgspec.Struct, frozen=True, kw_only=True):
    """Of all copies of a run's network together, where a field is no list."""

    history: str = ""  # the CRC-32 of history.csv beside it
    problem: Said | None  # why the run cannot be compared: copies without weights
    notes: list[Said]  # sentences on copies whose loss did not stay finite, and detectors without neighbours
    copies: int
    parameters: int  # of the networks of one seed
    windows: int  # of the training part
    epochs: int  # until the last copy stopped
    epoch_limit: int
    patience: int
    best_epoch: list[int]  # by copy, 0 without one
    validation_loss: list[float | None]  # by copy, of its best epoch; null without one
    device: str
    kernel: str  # which code computed the network: vanilla, or one that the run asked for and that could
    ranks: int
    peak_memory_mb: float
    epoch_seconds: float
    first_epoch_seconds: float
    seconds: float
