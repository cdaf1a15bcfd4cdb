"""What one forecast takes: ``runs/<run>/cost.json``, a file of its own as times are never twice the same."""

import msgspec


class Cost(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Of the networks of one seed."""

    flops_per_window: int
    latency_ms: float  # of one window
    latency_batch_ms: float  # of ``scores.words.LATENCY_BATCH`` windows at once
    device: str
    threads: int
