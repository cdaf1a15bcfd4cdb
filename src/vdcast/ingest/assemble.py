"""Parsed records onto the regular grid, block by block."""

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np

from vdcast.errors import InputError
from vdcast.ingest.records import GAP, OBSERVED
from vdcast.ingest.spool import BLOCK, Grid, Spool, unpack

MAX_CONFLICTS = 0.2  # of the records: beyond, the interval or the choice of files is wrong, not the data
SPARSE = 1000, 50  # blocks in all, and how many times the ones with records: beyond, a time is wrong
FAR = 365 * 86400, 100  # seconds without a record, and how many times what lies on one side of them: the same


@dataclass(frozen=True)
class Layout:
    """Where every record belongs: ``steps`` rows from step ``first``, a column per detector."""

    grid: Grid
    first: int
    steps: int
    vd_ids: tuple[str, ...]

    @property
    def timestamps(self) -> np.ndarray:
        """(T,) Unix seconds, start of each step."""
        start, interval = self.grid.time(self.first), self.grid.interval
        return np.arange(start, start + self.steps * interval, interval, dtype="i8")


def grid(interval: int, time_zone: str) -> Grid:
    """The grid whose steps start with the day in ``time_zone`` (with its standard time, where it has two)."""
    day = datetime(2000, 1, 1, tzinfo=ZoneInfo(time_zone))
    offset = (day.utcoffset() or timedelta()) - (day.dst() or timedelta())
    return Grid(interval, int(-offset.total_seconds()) % interval)


def layout(spool: Spool, grid: Grid, ordered: bool) -> Layout:
    """The layout of everything in ``spool``. Raises InputError where there is nothing, or a wild time."""
    span = spool.span()
    if span is None:
        bad = spool.errors()
        skipped = f": {len(bad)} bad files were skipped, the first is {bad[0]}" if bad else ""
        counts = spool.counts()
        lost = "; ".join(
            f"{counts[name]} are {name}" for name in ("stale", "undated", "nonexistent") if counts[name]
        )
        raise InputError(
            f"{spool.listed} raw files hold no record at all{f' ({lost})' * bool(lost)}{skipped}"
        )
    first, last = span
    blocks = last // BLOCK - first // BLOCK + 1
    if blocks > max(SPARSE[0], SPARSE[1] * spool.blocks_with_records()) or _far_off(spool, grid):
        spool.check_pieces()
        start, end = (datetime.fromtimestamp(grid.time(s), UTC).isoformat() for s in span)
        raise InputError(
            f"records run from {start} ('{spool.name_of_extreme('first')}') to {end} "
            f"('{spool.name_of_extreme('last')}') with next to nothing between; remove the file whose time is wrong"
        )
    vd_ids = spool.vd_ids()
    return Layout(grid, first, last - first + 1, tuple(vd_ids if ordered else sorted(vd_ids, key=_natural)))


def _far_off(spool: Spool, grid: Grid) -> bool:
    """Whether years without a record part next to nothing from the rest: a time that is wrong, not a long gap."""
    block, records = (np.array(column) for column in zip(*spool.records_by_block(), strict=True))
    seconds = (np.diff(block) - 1) * BLOCK * grid.interval
    before = np.cumsum(records)[:-1]
    lighter = np.minimum(before, records.sum() - before) / records.max()  # as many blocks, were they full
    return bool(((seconds > FAR[0]) & (seconds > FAR[1] * lighter * BLOCK * grid.interval)).any())


def blocks(
    spool: Spool, layout: Layout, features: int, counts: Counter
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Values (n, V, F) f4 and causes (n, V, F) u1, in order of time; adds to ``counts``.

    Two records of a detector in one step: of the observed values the later one stands, in the order of
    the files; a missing one never replaces an observed one. Raises InputError where too many differ.
    """
    column = {vd: i for i, vd in enumerate(layout.vd_ids)}
    columns: dict[int, np.ndarray] = {}  # of each set of detectors; the last few
    V, end = len(column), layout.first + layout.steps
    for block in range(layout.first // BLOCK, (end - 1) // BLOCK + 1):
        values = np.full((BLOCK * V, features), np.nan, "f4")
        cause = np.full((BLOCK * V, features), GAP, "u1")
        # seconds past the step's start of the last record; -1: there is none
        late = np.full(BLOCK * V, -1, "i4")
        for vdset, records, data in spool.pieces(block):
            if vdset not in columns:
                if len(columns) > 64:
                    columns.clear()
                columns[vdset] = np.array([column[vd] for vd in spool.vdset(vdset)])
            step, vd, new_late, new_cause, new = unpack(data, records, features)
            cell = step.astype("i8") * V + columns[vdset][vd]
            _lay(cell, new_late, new, new_cause, values, cause, late, counts)
        rows = slice(max(layout.first - block * BLOCK, 0), min(end - block * BLOCK, BLOCK))
        seen = late.reshape(BLOCK, V)[rows] >= 0
        counts["steps_without_records"] += int((~seen.any(axis=1)).sum())
        shape = (BLOCK, V, features)
        yield values.reshape(shape)[rows], cause.reshape(shape)[rows]
    spool.check_all_given()
    if counts["crowded"] > MAX_CONFLICTS * counts["records"]:
        raise InputError(
            f"{counts['crowded']} of {counts['records']} records fall on an interval in which their detector has a "
            f"record of another time; is data.interval = {layout.grid.interval} s that of the files?"
        )
    if counts["conflicting"] > MAX_CONFLICTS * counts["records"]:
        raise InputError(
            f"{counts['conflicting']} of {counts['records']} records differ from another one of the same detector and "
            "interval; if data.raw holds two versions of the same data, remove one"
        )


def _lay(
    cell: np.ndarray,
    when: np.ndarray,
    x: np.ndarray,
    why: np.ndarray,
    values: np.ndarray,
    cause: np.ndarray,
    late: np.ndarray,
    counts: Counter,
) -> None:
    """Lay N records, ``when`` (N,), ``x`` and ``why`` (N, F) into ``cell`` (N,), over what is there, one after the other."""
    order = np.argsort(cell, kind="stable")
    cell, when, x, why = cell[order], when[order].astype("i4"), x[order], why[order]
    first = np.r_[True, cell[1:] != cell[:-1]]
    last = np.r_[first[1:], True]
    target, start = cell[first], np.flatnonzero(first)
    group = np.cumsum(first) - 1
    old, old_cause = values[target], cause[target]
    ahead = np.r_[-1, when[:-1]]  # when the record before it in its cell was; -1: there is none
    ahead[first] = late[target]
    counts["duplicates"] += int((ahead >= 0).sum())
    counts["crowded"] += int(((ahead >= 0) & (ahead != when)).sum())

    seen = why == OBSERVED
    row = np.arange(len(cell))[:, None]
    latest = np.maximum.accumulate(
        np.where(seen, row, -1), axis=0
    )  # (N, F) observed at or before each record
    before = np.vstack([np.full((1, x.shape[1]), -1), latest[:-1]])
    standing = np.where(before < start[group][:, None], old[group], np.take_along_axis(x, before, axis=0))
    differs = seen & ~np.isnan(standing) & (x != standing)
    counts["conflicting"] += int(differs.any(axis=1).sum())

    latest = latest[last]
    found = latest >= start[:, None]
    values[target] = np.where(found, np.take_along_axis(x, latest, axis=0), old)
    cause[target] = np.where(found | (old_cause == OBSERVED), OBSERVED, why[last])
    late[target] = when[last]


def _natural(name: str) -> tuple:
    """Sorts VD-2 before VD-10."""
    return tuple(
        # by how long it is, and then as text: Python makes no number of thousands of digits
        (1, len(part.lstrip("0")), part.lstrip("0"), part)
        if part.isdigit() and part.isascii()
        else (0, 0, part, "")
        for part in re.split(r"(\d+)", name)
    ), name
