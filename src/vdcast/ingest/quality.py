"""What the data is worth, counted while it is read."""

from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import cast
from zoneinfo import ZoneInfo

import numpy as np

from vdcast.data.detectors import Detectors
from vdcast.ingest.records import CAUSES, OBSERVED
from vdcast.records.quality import Files, Missing, Quality, Remark, SeriesQuality

BINS = 168  # columns of the coverage map
NEAR_CONSTANT = 0.95  # of the values equal to the one observed before

COUNTS = (  # what each is: language/sentences.toml
    "records",
    "duplicates",
    "conflicting",
    "crowded",
    "files_out_of_order",
    "rows_out_of_order",
    "off_grid",
    "stale",
    "undated",
    "error_type",
    "nonexistent",
    "repeated_hour",
    "impossible_values",
    "steps_without_records",
    "unended",
    "undated_order",
)


class Tally:
    """Running counts over blocks of T steps of V detectors and F features; memory grows with V times F."""

    def __init__(self, steps: int, detectors: int, features: int):
        shape = (detectors, features)
        self.steps = steps
        self.causes = np.zeros((len(CAUSES) + 1, *shape), "i8")
        self.bins = min(BINS, steps)
        self.coverage = np.zeros((self.bins, *shape), "i8")
        self.rows = np.diff(-(-np.arange(self.bins + 1) * steps // self.bins))
        self.low, self.high = np.full(shape, np.inf), np.full(shape, -np.inf)
        self.total = np.zeros(shape)
        self.gap, self.longest_gap = np.zeros(shape, "i8"), np.zeros(shape, "i8")
        self.repeats = np.zeros(shape, "i8")
        self.last = np.full(shape, np.nan, "f4")
        self._row = 0

    def add(self, values: np.ndarray, cause: np.ndarray) -> None:
        """Count the next rows: values (n, V, F), causes (n, V, F)."""
        for code in range(len(self.causes)):
            self.causes[code] += (cause == code).sum(axis=0)
        seen = cause == OBSERVED
        self.low = np.fmin(self.low, np.where(seen, values, np.inf).min(axis=0))
        self.high = np.fmax(self.high, np.where(seen, values, -np.inf).max(axis=0))
        self.total += np.where(seen, values, 0).sum(axis=0, dtype="f8")
        np.add.at(self.coverage, (self._row + np.arange(len(values))) * self.bins // self.steps, seen)
        for row, there in zip(values, seen, strict=True):
            self.gap = np.where(there, 0, self.gap + 1)
            np.maximum(self.longest_gap, self.gap, out=self.longest_gap)
            self.repeats += there & (row == self.last)
            self.last = np.where(there, row, self.last)
        self._row += len(values)

    @property
    def observed(self) -> np.ndarray:
        """(V, F) how many values are observed."""
        return self.causes[OBSERVED]

    def verdict(self) -> np.ndarray:
        """(V, F) text: empty, constant, near-constant, or nothing to report."""
        n = self.observed
        near = (n > 1) & (self.repeats >= NEAR_CONSTANT * (n - 1))
        return np.select(
            [n == 0, (n > 1) & (self.low == self.high), near], ["empty", "constant", "near-constant"], ""
        )


@dataclass(frozen=True)
class Reading:
    """What reading the raw files came to."""

    counts: Counter  # of ``COUNTS``
    files: Files
    silent: list[str]  # detectors that a list names, and no file


def summary(table: Detectors, timestamps: np.ndarray, tally: Tally, reading: Reading) -> Quality:
    """All that is told of the data."""
    return Quality(
        source=table.source,
        first=_local(timestamps[0], table.time_zone),
        last=_local(timestamps[-1], table.time_zone),
        time_zone=table.time_zone,
        interval=table.interval,
        steps=tally.steps,
        detectors=len(table.vd_ids),
        located=_located(table),
        features=list(table.features),
        units=list(table.units),
        missing=_missing(table, tally),
        counts={name: reading.counts[name] for name in COUNTS if reading.counts[name]},
        files=reading.files,
        silent=reading.silent,
        series=_series(table, tally),
        coverage=_coverage(tally),
    )


def _missing(table: Detectors, tally: Tally) -> dict[str, Missing]:
    cells = tally.steps * len(table.vd_ids)
    return {
        feature: Missing(
            share=round(1 - int(tally.observed[:, f].sum()) / cells, 6),
            by_cause={
                CAUSES[c]: round(int(tally.causes[c, :, f].sum()) / cells, 6)
                for c in CAUSES
                if tally.causes[c, :, f].any()
            },
        )
        for f, feature in enumerate(table.features)
    }


def _series(table: Detectors, tally: Tally) -> list[SeriesQuality]:
    verdict = tally.verdict()
    series = []
    for v, vd in enumerate(table.vd_ids):
        for f, feature in enumerate(table.features):
            n = int(tally.observed[v, f])
            causes = {CAUSES[c]: round(int(tally.causes[c, v, f]) / tally.steps, 6) for c in CAUSES}
            series.append(
                SeriesQuality(
                    vd=vd,
                    feature=feature,
                    missing=round(1 - n / tally.steps, 6),
                    by_cause={name: share for name, share in causes.items() if share},
                    longest_gap=int(tally.longest_gap[v, f]),
                    mean=round(float(tally.total[v, f]) / n, 4) if n else None,
                    min=round(float(tally.low[v, f]), 4) if n else None,
                    max=round(float(tally.high[v, f]), 4) if n else None,
                    verdict=cast(Remark, str(verdict[v, f])),
                )
            )
    return series


def _coverage(tally: Tally) -> bytes:
    """(F, V, bins) u1, in 255ths."""
    share = tally.coverage / tally.rows[:, None, None]  # (bins, V, F)
    return np.round(255 * share).astype("u1").transpose(2, 1, 0).tobytes()


def _located(table: Detectors) -> int:
    """How many detectors have coordinates."""
    return int(np.isfinite(table.info["lon"]).sum()) if "lon" in table.info else 0


def _local(seconds: int, zone: str) -> str:
    return datetime.fromtimestamp(int(seconds), UTC).astimezone(ZoneInfo(zone)).isoformat()
