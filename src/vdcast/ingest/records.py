"""What every format gives: records of detectors, each value observed or missing for a stated cause."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

# Where several causes meet (the lanes of a VD, say), the largest is reported.
OBSERVED, GAP, EMPTY, NO_VEHICLE, CODE, IMPOSSIBLE, STATUS = range(7)
CAUSES = {
    GAP: "gap",  # no record for this interval
    EMPTY: "empty",  # a record without this field
    NO_VEHICLE: "no_vehicle",  # a speed where no vehicle passed
    CODE: "code",  # -99 and the like
    IMPOSSIBLE: "impossible",  # beyond the limits
    STATUS: "status",  # the device says that it is not well
}
AHEAD = 300  # seconds that a record may be newer than its snapshot: clocks differ
LARGEST = float(np.finfo("f4").max)  # what the table can hold; beyond, it would say infinity


@dataclass(frozen=True, kw_only=True)
class Records:
    """R records of F features; ``vd`` (R,) indexes ``vd_ids``, ``time`` (R,) is Unix seconds, UTC.

    ``values`` (R, F) f4 is NaN exactly where ``cause`` (R, F) u1 is not OBSERVED. ``counts`` says what
    happened on the way, for the quality report.
    """

    vd_ids: Sequence[str]
    vd: np.ndarray
    time: np.ndarray
    values: np.ndarray
    cause: np.ndarray
    counts: Counter = field(default_factory=Counter)


def widened(x: np.ndarray, codes: Sequence[float]) -> np.ndarray:
    """``x`` as f8, with every one of ``codes`` that its own precision had rounded whole again."""
    out = x.astype("f8")
    if x.dtype.kind == "f" and x.dtype.itemsize < 8:
        for code in codes:
            out[x == x.dtype.type(code)] = code
    return out


def judge(
    x: np.ndarray, codes: Sequence[float], low: float = -np.inf, high: float | np.ndarray = np.inf
) -> np.ndarray:
    """Why each of ``x`` is missing, (same shape) u1: absent (NaN), a code, or outside ``low``..``high`` or f4."""
    out = np.full(x.shape, OBSERVED, "u1")
    out[(x < max(low, -LARGEST)) | (x > np.minimum(high, LARGEST))] = IMPOSSIBLE
    for code in codes:
        out[x == code] = CODE
    out[np.isnan(x)] = EMPTY
    return out


def observed(x: np.ndarray, cause: np.ndarray) -> np.ndarray:
    """``x`` as f4, NaN wherever ``cause`` says missing."""
    return np.where(cause == OBSERVED, x, np.nan).astype("f4")


@dataclass(frozen=True, kw_only=True)
class LaneValues:
    """What the lanes of R records say, f8, NaN where absent; a volume is that of a class of vehicles in a lane."""

    records: int  # R
    record: np.ndarray  # (lanes,) the record that a lane belongs to
    speed: np.ndarray  # (lanes,)
    occupancy: np.ndarray  # (lanes,)
    lane: np.ndarray  # (classes,) the lane that a volume belongs to
    volume: np.ndarray  # (classes,)


def by_lane(
    x: LaneValues,
    *,
    codes: Sequence[float],
    max_speed: float,
    missing_when: str,
    speed_unit: float | np.ndarray = 1.0,
    max_occupancy: float = 100.0,
) -> tuple[np.ndarray, np.ndarray, int]:
    """Lanes to VDs: speed, volume, occupancy (R, 3) f4, causes (R, 3) u1, and how many impossible values.

    Volume is the sum over lanes and classes, occupancy the mean over lanes, speed the mean over lanes
    weighted by their volumes; a lane that no vehicle passed has no speed and does not count. Where no
    lane of a VD has a volume, its speed is the plain mean. ``missing_when`` "any": a value is missing
    when one that counts is missing; "all": when all are. ``speed_unit``, () or (lanes,), is what one of ``speed``
    is in the unit of ``max_speed`` and of the result; codes are those of the file, before that.
    """
    strict = missing_when == "any"
    record, lanes = x.record, len(x.record)
    volume_cause = judge(x.volume, codes, 0)
    speed_cause = judge(x.speed, codes, 0, max_speed / speed_unit)
    speed = x.speed * speed_unit
    occupancy_cause = judge(x.occupancy, codes, 0, max_occupancy)
    impossible = sum(int((c == IMPOSSIBLE).sum()) for c in (volume_cause, speed_cause, occupancy_cause))

    flow, flow_cause = _reduce(lanes, x.lane, x.volume, volume_cause, strict)  # (lanes,)
    total, total_cause = _reduce(x.records, record, flow, flow_cause, strict)  # (R,)
    total_cause[(total_cause == OBSERVED) & (total > LARGEST)] = IMPOSSIBLE
    share, share_cause = _reduce(
        x.records, record, x.occupancy, occupancy_cause, strict, weight=np.ones(lanes)
    )

    known = flow_cause == OBSERVED
    weighted = np.bincount(record[known], minlength=x.records) > 0  # (R,) some lane has a volume
    counts = ~(known & (flow == 0))
    weight = np.where(weighted[record], np.where(known, flow, 0), 1)
    lane_cause = np.where(weighted[record] & ~known, np.maximum(speed_cause, flow_cause), speed_cause)
    mean, mean_cause = _reduce(
        x.records, record[counts], speed[counts], lane_cause[counts], strict, weight=weight[counts]
    )
    mean_cause[weighted & (np.bincount(record[counts], minlength=x.records) == 0)] = NO_VEHICLE

    cause = np.stack([mean_cause, total_cause, share_cause], axis=1)
    return observed(np.stack([mean, total, share], axis=1), cause), cause, impossible


def _reduce(
    size: int,
    index: np.ndarray,
    x: np.ndarray,
    cause: np.ndarray,
    strict: bool,
    weight: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Sum, or mean by ``weight``, of ``x`` per ``index`` (size,) f8, and the cause where that is missing (size,) u1."""
    good = cause == OBSERVED
    bad = ~good
    seen = np.bincount(index, minlength=size)
    worst = np.full(size, EMPTY, "u1")
    if bad.any():
        np.maximum.at(worst, index[bad], cause[bad])
        index, x, weight = index[good], x[good], None if weight is None else weight[good]
    seen_good = np.bincount(index, minlength=size)
    total: np.ndarray = np.bincount(index, x if weight is None else x * weight, minlength=size)
    missing = (seen_good < seen) | (seen == 0) if strict else seen_good == 0
    if weight is not None:
        with np.errstate(invalid="ignore"):  # 0 / 0 where nothing counts, which is missing
            total = total / np.bincount(index, weight, minlength=size)
    return total, np.where(missing, worst, OBSERVED).astype("u1")
