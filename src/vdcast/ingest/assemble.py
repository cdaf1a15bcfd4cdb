"""Parsed records onto the regular grid, block by block."""

import itertools
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

import numpy as np

from vdcast.errors import InputError
from vdcast.ingest.records import GAP, IMPOSSIBLE, NO_VEHICLE, OBSERVED
from vdcast.ingest.spool import BLOCK, Grid, Spool, unpack

MAX_CONFLICTS = 0.2  # of the records: beyond, the interval or the choice of files is wrong, not the data
MAX_IMPOSSIBLE = (
    0.5,
    1000,
)  # of the numbers of a feature, and how many there must be to tell: beyond, they are another quantity
FEWEST = 12  # steps with records that tell how far apart records are, or records that differ
SPARSE = 1000, 50  # blocks in all, and how many times the ones with records: beyond, a time is wrong
FAR = 365 * 86400, 100  # seconds without a record, and how many times what lies on one side of them: the same


Blocks = Iterator[
    tuple[np.ndarray, np.ndarray]
]  # values (n, V, F) f4 and causes (n, V, F) u1, in order of time


@dataclass(frozen=True, kw_only=True)
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
        start, end = (said(grid.time(step)) for step in span)
        raise InputError(
            f"records run from {start} ('{spool.name_of_extreme('first')}') to {end} "
            f"('{spool.name_of_extreme('last')}') with next to nothing between; remove the file whose time is wrong"
        )
    vd_ids = spool.vd_ids()
    return Layout(
        grid=grid,
        first=first,
        steps=last - first + 1,
        vd_ids=tuple(vd_ids if ordered else sorted(vd_ids, key=_natural)),
    )


def said(seconds: int) -> str:
    """Unix seconds as a message has them."""
    return datetime.fromtimestamp(seconds, UTC).isoformat()


def _far_off(spool: Spool, grid: Grid) -> bool:
    """Whether years without a record part next to nothing from the rest: a time that is wrong, not a long gap."""
    block, records = (np.array(column) for column in zip(*spool.records_by_block(), strict=True))
    seconds = (np.diff(block) - 1) * BLOCK * grid.interval
    before = np.cumsum(records)[:-1]
    lighter = np.minimum(before, records.sum() - before) / records.max()  # as many blocks, were they full
    return bool(((seconds > FAR[0]) & (seconds > FAR[1] * lighter * BLOCK * grid.interval)).any())


@dataclass(frozen=True)
class Cells:
    """A block of the table, a cell per step and detector: values and causes (cells, F), and how late each record was."""

    values: np.ndarray
    cause: np.ndarray
    late: np.ndarray  # (cells,) seconds past the step's start of the last record; -1: there is none

    @classmethod
    def empty(cls, number: int, features: int) -> "Cells":
        return cls(
            np.full((number, features), np.nan, "f4"),
            np.full((number, features), GAP, "u1"),
            np.full(number, -1, "i4"),
        )


class Laid(NamedTuple):
    """A block of the table, and what went into it."""

    values: np.ndarray  # (n, V, F)
    cause: np.ndarray  # (n, V, F)
    at: np.ndarray  # the steps with a record
    records: int
    numbers: np.ndarray  # (F,) values of the records, impossible ones among them
    impossible: np.ndarray  # (F,)


def end_of(layout: Layout, steps: int, now: int) -> Layout | None:
    """The last ``steps`` steps of ``layout``, or all if there are fewer, that had ended by ``now``; None without any."""
    last = min(layout.first + layout.steps, layout.grid.step(now)) - 1
    first = max(layout.first, last - steps + 1)
    if last < layout.first:
        return None
    return Layout(grid=layout.grid, first=first, steps=last - first + 1, vd_ids=layout.vd_ids)


def finer(layout: Layout, fine: Layout) -> Layout:
    """The part of ``fine`` that lies in the steps of ``layout``, which is of its grid or a coarser one."""
    first = max(fine.first, fine.grid.step(layout.grid.time(layout.first)))
    beyond = fine.grid.step(layout.grid.time(layout.first + layout.steps))
    return Layout(
        grid=fine.grid, first=first, steps=min(fine.first + fine.steps, beyond) - first, vd_ids=fine.vd_ids
    )


def blocks(spool: Spool, layout: Layout, names: Sequence[str], counts: Counter) -> Blocks:
    """Values (n, V, F) f4 and causes (n, V, F) u1 of the features ``names``, in order of time; adds to ``counts``.

    Two records of a detector in one step: of the observed values the later one stands, in the order of
    the files; a missing one never replaces an observed one. Raises InputError where too many differ.
    """
    numbers, impossible = np.zeros((2, len(names)), "i8")
    spacing, previous, filled = 0, None, 0  # steps between records, whatever the detector
    for laid in _laid_blocks(spool, layout, len(names), counts):
        at = laid.at
        if len(at):
            spacing = int(
                np.gcd.reduce(np.diff(at, prepend=at[0] if previous is None else previous), initial=spacing)
            )
            previous, filled = at[-1], filled + len(at)
        numbers += laid.numbers
        impossible += laid.impossible
        yield laid.values, laid.cause
    spool.check_all_given()
    interval = layout.grid.interval
    _check_crowded(counts, interval)
    if spacing > 1 and filled >= FEWEST:
        raise InputError(
            f"all records lie multiples of {spacing * interval} s apart, and the interval that they are announced with is "
            f"{interval} s; set that to the interval of the files, or take the product that has it"
        )
    _check_impossible(names, numbers, impossible)
    _check_conflicting(counts)


def some_blocks(spool: Spool, layout: Layout, names: Sequence[str], counts: Counter) -> Blocks:
    """As ``blocks``, of those steps of the spool alone that ``layout`` has."""
    numbers, impossible = np.zeros((2, len(names)), "i8")
    for laid in _laid_blocks(spool, layout, len(names), counts):
        counts["records"] += laid.records
        numbers += laid.numbers
        impossible += laid.impossible
        yield laid.values, laid.cause
    _check_crowded(counts, layout.grid.interval)
    _check_impossible(names, numbers, impossible)
    _check_conflicting(counts)


def _laid_blocks(spool: Spool, layout: Layout, features: int, counts: Counter) -> Iterator[Laid]:
    """Block by block, in order of time."""
    column = {vd: i for i, vd in enumerate(layout.vd_ids)}
    columns: dict[int, np.ndarray] = {}  # of each set of detectors; the last few
    V, end = len(column), layout.first + layout.steps
    for block in range(layout.first // BLOCK, (end - 1) // BLOCK + 1):
        cells = Cells.empty(BLOCK * V, features)
        laid, (numbers, impossible) = 0, np.zeros((2, features), "i8")
        for vdset, records, data in spool.pieces(block):
            if vdset not in columns:
                if len(columns) > 64:
                    columns.clear()
                columns[vdset] = np.array([column[vd] for vd in spool.vdset(vdset)])
            step, vd, new_late, new_cause, new = unpack(data, records, features)
            numbers += np.isin(new_cause, (OBSERVED, IMPOSSIBLE)).sum(axis=0)
            impossible += (new_cause == IMPOSSIBLE).sum(axis=0)
            laid += records
            cell = step.astype("i8") * V + columns[vdset][vd]
            _lay(cell, new_late, new, new_cause, cells, counts)
        rows = slice(max(layout.first - block * BLOCK, 0), min(end - block * BLOCK, BLOCK))
        seen = cells.late.reshape(BLOCK, V)[rows] >= 0
        counts["steps_without_records"] += int((~seen.any(axis=1)).sum())
        at = block * BLOCK + rows.start + np.flatnonzero(seen.any(axis=1))
        values, cause = (each.reshape(BLOCK, V, features)[rows] for each in (cells.values, cells.cause))
        yield Laid(values=values, cause=cause, at=at, records=laid, numbers=numbers, impossible=impossible)


def _check_crowded(counts: Counter, interval: int) -> None:
    if counts["crowded"] > MAX_CONFLICTS * counts["records"]:
        raise InputError(
            f"{counts['crowded']} of {counts['records']} records fall on an interval in which their detector has a "
            f"record of another time; is data.interval = {interval} s that of the files?"
        )


def _check_impossible(names: Sequence[str], numbers: np.ndarray, impossible: np.ndarray) -> None:
    for name, n, wrong in zip(names, numbers.tolist(), impossible.tolist(), strict=True):
        if n >= MAX_IMPOSSIBLE[1] and wrong > MAX_IMPOSSIBLE[0] * n:
            raise InputError(
                f"{wrong} of {n} values of {name} are impossible: negative, faster than data.max_speed, or above 100 %; are "
                "they the quantity and the unit that data says? Name numbers that stand for none in data.missing_codes"
            )


def _check_conflicting(counts: Counter) -> None:
    differ = counts["conflicting"]
    many = counts["laid_over"] > MAX_CONFLICTS * counts["records"] and differ >= FEWEST
    if differ > MAX_CONFLICTS * counts["records"] or (many and differ > MAX_CONFLICTS * counts["telling"]):
        raise InputError(
            f"{counts['conflicting']} of {counts['records']} records differ from another one of the same detector and "
            "interval; if data.raw holds two versions of the same data, remove one; if its rows or files are of lanes, or of "
            "several detectors, say what tells them apart"
        )


def coarser(layout: Layout, interval: int, time_zone: str) -> Layout:
    """``layout`` on the grid of ``interval`` seconds, a multiple of its own; itself where that is its own."""
    if interval == layout.grid.interval:
        return layout
    wide = grid(interval, time_zone)
    first, last = (
        wide.step(layout.grid.time(step)) for step in (layout.first, layout.first + layout.steps - 1)
    )
    return Layout(grid=wide, first=first, steps=last - first + 1, vd_ids=layout.vd_ids)


def coarser_blocks(
    blocks: Blocks,
    fine: Layout,
    coarse: Layout,
    names: list[str],
    min_share: float,
    counts: Counter,
) -> Blocks:
    """``blocks`` of the ``fine`` layout on the ``coarse`` one: values and causes, as ``_together`` makes them."""
    k = coarse.grid.interval // fine.grid.interval
    lead = (fine.grid.time(fine.first) - coarse.grid.time(coarse.first)) // fine.grid.interval
    shape = (len(fine.vd_ids), len(names))
    end = -(lead + fine.steps) % k
    ahead, after = (
        (np.full((n, *shape), np.nan, "f4"), np.full((n, *shape), GAP, "u1")) for n in (lead, end)
    )
    x, why = ahead  # steps that do not make a whole one yet
    empty = 0
    for values, cause in itertools.chain(blocks, [after]):
        x, why = np.concatenate([x, values]), np.concatenate([why, cause])
        n = len(x) // k
        if n:
            whole = slice(n * k)
            causes = why[whole].reshape(n, k, *shape)
            empty += int((causes == GAP).all(axis=(1, 2, 3)).sum())
            yield _together(x[whole].reshape(n, k, *shape), causes, names, min_share)
        x, why = x[n * k :], why[n * k :]
    counts["steps_without_records"] = empty


def _together(
    values: np.ndarray, cause: np.ndarray, names: list[str], min_share: float
) -> tuple[np.ndarray, np.ndarray]:
    """k steps as one: values (n, k, V, F) and causes to (n, V, F).

    Volumes are summed (where some are missing: their mean times k), speeds weighted by volumes, occupancies averaged.
    A value is missing where less than ``min_share`` of the k are there; a step in which no vehicle passed is there.
    """
    k = values.shape[1]
    least = max(1, int(np.ceil(min_share * k - 1e-9)))
    seen = cause == OBSERVED
    x = np.where(seen, values, 0).astype("f8")
    out, why = np.full(values[:, 0].shape, np.nan), np.full(cause[:, 0].shape, OBSERVED, "u1")
    for f, name in enumerate(names):
        known = there = seen[..., f]
        weight = known.astype("f8")
        if name == "speed":
            there = known | (cause[..., f] == NO_VEHICLE)
            if "volume" in names:
                volume = np.where(known, x[..., names.index("volume")], 0)
                weight = np.where(volume.sum(axis=1, keepdims=True) > 0, volume, weight)
        with np.errstate(invalid="ignore"):  # 0 / 0 where nothing is known
            mean = (x[..., f] * weight).sum(axis=1) / weight.sum(axis=1)
        out[..., f] = mean * k if name == "volume" else mean
        missing = there.sum(axis=1) < least
        lost = np.where(there, OBSERVED, cause[..., f]).max(axis=1)
        why[..., f] = np.where(missing, lost, np.where(known.any(axis=1), OBSERVED, NO_VEHICLE))
    return np.where(why == OBSERVED, out, np.nan).astype("f4"), why


def _lay(
    cell: np.ndarray,
    when: np.ndarray,
    x: np.ndarray,
    why: np.ndarray,
    cells: Cells,
    counts: Counter,
) -> None:
    """Lay R records, ``when`` (R,), ``x`` and ``why`` (R, F) into ``cell`` (R,), over what is there, one after the other."""
    values, cause, late = cells.values, cells.cause, cells.late
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
    )  # (R, F) observed at or before each record
    before = np.vstack([np.full((1, x.shape[1]), -1), latest[:-1]])
    standing = np.where(before < start[group][:, None], old[group], np.take_along_axis(x, before, axis=0))
    differs = seen & ~np.isnan(standing) & (x != standing)
    counts["conflicting"] += int(differs.any(axis=1).sum())
    telling = seen & ((x != 0) | (~np.isnan(standing) & (standing != 0)))  # two zeros agree on nothing
    counts["laid_over"] += int((ahead >= 0).sum())
    counts["telling"] += int(((ahead >= 0) & telling.any(axis=1)).sum())

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
