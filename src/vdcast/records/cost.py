"""``runs/<run>/cost.json``: what a forecast of one seed takes."""

import msgspec


class Latency(msgspec.Struct, frozen=True, kw_only=True):
    """Milliseconds of one forecast, again and again: the median, and between which the middle half lies."""

    median: float
    low: float
    high: float


class Cost(msgspec.Struct, frozen=True, kw_only=True):
    """Milliseconds are of ``device``, operations the same anywhere."""

    flops_per_window: int
    latency_ms: Latency  # of one window
    latency_batch_ms: Latency  # of LATENCY_BATCH windows
    device: str
    threads: int
