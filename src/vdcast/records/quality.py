"""``reports/quality/quality.json``: what `ingest` read, and what of it is missing."""

from typing import Literal

import msgspec

Remark = Literal["", "empty", "constant", "near-constant"]
# on a series that no model can learn from
REMARKS: tuple[Remark, ...] = ("empty", "constant", "near-constant")


class SeriesQuality(msgspec.Struct, frozen=True, kw_only=True):
    """One feature of one detector; what is missing as shares of all steps."""

    vd: str
    feature: str
    missing: float
    by_cause: dict[str, float]
    longest_gap: int  # steps
    mean: float | None  # of what is observed; null where nothing is
    min: float | None
    max: float | None
    verdict: Remark


class Missing(msgspec.Struct, frozen=True, kw_only=True):
    """Of a feature, as shares of all steps and detectors."""

    share: float
    by_cause: dict[str, float]


class Files(msgspec.Struct, frozen=True, kw_only=True):
    """How many were read; which were bad, and why; which passed over."""

    read: int
    bad: list[str]
    passed_over: list[str]


class Quality(msgspec.Struct, frozen=True, kw_only=True):
    """Times are local, with their offset."""

    source: str
    first: str
    last: str
    time_zone: str
    interval: int  # seconds
    steps: int
    detectors: int
    located: int  # detectors with coordinates
    features: list[str]
    units: list[str]
    missing: dict[str, Missing]  # by feature
    counts: dict[str, int]  # those of `language.counted` that are not 0
    files: Files
    silent: list[str]  # detectors that a list names, and no file
    series: list[SeriesQuality]
    coverage: (
        bytes  # (features, V, columns) u1, as many columns as lie along time: the share observed, in 255ths
    )
