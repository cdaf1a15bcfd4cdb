"""``runs/<run>/cost.json``: what a forecast of one seed takes."""

import msgspec


class Cost(msgspec.Struct, frozen=True, kw_only=True):
    """Milliseconds are of ``device``, operations the same anywhere."""

    flops_per_window: int
    latency_ms: float  # of one window
    latency_batch_ms: float  # of LATENCY_BATCH windows
    device: str
    threads: int
