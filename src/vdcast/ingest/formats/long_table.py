"""Long CSV, parquet or sheet: a row per time and detector, with a column per feature (``units`` names them).

Where there is a row per lane or vehicle class too, ``sum_over`` names the columns of these: volumes are summed,
speeds weighted by volume, occupancies averaged, as lanes are everywhere.
"""

from collections import Counter
from collections.abc import Iterator

import numpy as np
import pandas as pd
import pyarrow as pa

from vdcast.ingest import clock, tables
from vdcast.ingest.detector_lists import table_info as info
from vdcast.ingest.files import RawFile
from vdcast.ingest.records import STATUS, LaneValues, Records, by_lane, observed
from vdcast.params.formats import SPEEDS, LongTable

__all__ = ["ORDERED", "SUFFIXES", "features", "info", "parse"]

SUFFIXES = tables.SUFFIXES
ORDERED = False


def features(settings: LongTable) -> tuple[tuple[str, str], ...]:
    return tuple(settings.units.items())


def parse(file: RawFile, settings: LongTable) -> Iterator[Records]:
    localiser = clock.Localiser(file, settings.time_zone, settings.interval)
    parts = _parts(file, settings, localiser)
    if settings.sum_over:
        yield _summed(settings, localiser, list(parts))
        return
    for line, part, vd_ids, vd, time, exists, x in parts:
        if settings.sum_over is None and line <= 2:
            _one_row_each(file, settings, vd, time)
        cause, impossible = tables.judged(x, features(settings), settings)
        cause[~_valid(part, settings)] = STATUS
        back = _backwards(vd[exists], time[exists])
        yield Records(
            vd_ids=vd_ids,
            vd=vd[exists],
            time=time[exists],
            values=observed(x, cause)[exists],
            cause=cause[exists],
            counts=clock.taken(localiser) + Counter(rows_out_of_order=back, impossible_values=impossible),
        )


def _parts(file: RawFile, settings: LongTable, localiser: clock.Localiser) -> Iterator[tuple]:
    """Line, table, detectors, and per row: which detector (n,), time (n,), whether it exists (n,), values (n, F)."""
    texts = [*settings.time_columns, settings.vd_column, *(settings.sum_over or ())]
    columns = [settings.column(feature) for feature in settings.units]
    numbers = list(dict.fromkeys([*columns, *settings.valid_when]))
    for line, part in tables.batches(file, settings, localiser.counts, texts, numbers):
        vd = part.column(settings.vd_column)
        if vd.null_count:
            raise file.bad(f"line {line} or after: a row has no {settings.vd_column}")
        vd = vd.cast(pa.string()).combine_chunks().dictionary_encode()
        names = tables.names_of(file, vd)
        index = vd.indices.to_numpy()
        x = np.stack([tables.number(part, name) for name in columns], axis=1)
        keys = _keys(part, [settings.vd_column, *(settings.sum_over or ())])
        time, exists = tables.times(part, settings, localiser, keys, x, line)
        yield line, part, names, index, time, exists, x


def _valid(part: pa.Table, settings: LongTable) -> np.ndarray:
    """Which rows (n,) the file itself says to be sound: within ``valid_when``, both ends included."""
    valid = np.ones(part.num_rows, bool)
    for name, (low, high) in settings.valid_when.items():
        x = tables.number(part, name)
        valid &= (x >= low) & (x <= high)
    return valid


def _keys(part: pa.Table, names: list[str]) -> np.ndarray:
    """What these columns say together, (n,) text or tuples: whose row each is."""
    texts = [part.column(name).cast(pa.string()).to_numpy(zero_copy_only=False) for name in names]
    if len(texts) == 1:
        return texts[0]
    keys = np.empty(part.num_rows, object)
    keys[:] = list(zip(*texts, strict=True))
    return keys


def _one_row_each(file: RawFile, settings: LongTable, vd: np.ndarray, time: np.ndarray) -> None:
    """Raises InputError where the rows of a detector and time are told apart by a column that is not read."""
    used = [
        *settings.time_columns,
        settings.vd_column,
        *map(settings.column, settings.units),
        *settings.valid_when,
    ]
    keys = time * (int(vd.max(initial=0)) + 1) + vd
    if further := tables.further_keys(file, settings, used, keys):
        raise file.bad(
            f"{len(keys) - len(np.unique(keys))} of its first {len(keys)} rows repeat a detector and time, and differ in "
            f"{', '.join(further)}; name what they are to be summed over in data.sum_over, or [] if a later row replaces "
            "the one before it"
        )


def _summed(settings: LongTable, localiser: clock.Localiser, parts: list[tuple]) -> Records:
    """All rows of the file, those of one detector and time as one."""
    table = pa.concat_tables([part for _, part, *_ in parts])
    vd_ids: dict[str, int] = {}
    vd = np.concatenate(
        [
            np.array([vd_ids.setdefault(name, len(vd_ids)) for name in names], "i8")[index]
            for _, _, names, index, *_ in parts
        ]
    )
    time, exists, x = (np.concatenate([part[i] for part in parts]) for i in (4, 5, 6))
    x = np.where(_valid(table, settings)[:, None], x, np.nan)
    lane = pd.factorize(_keys(table, settings.sum_over or []))[0]
    # of rows that are alike in every key the last stands
    key = np.stack([time, vd, lane], axis=1)[exists][::-1]
    _, last = np.unique(key, axis=0, return_index=True)
    row = np.flatnonzero(exists)[::-1][np.sort(last)][::-1]
    unique, record = np.unique(np.stack([time, vd], axis=1)[row], axis=0, return_inverse=True)
    given = {name.lower(): x[row, f] for f, name in enumerate(settings.units)}
    speed_unit = next(
        (unit.strip().lower() for name, unit in settings.units.items() if name.lower() == "speed"), "km/h"
    )
    high = {name.lower(): tables.limits(name, unit, settings)[1] for name, unit in settings.units.items()}
    nothing = np.full(len(row), np.nan)
    values, cause, impossible = by_lane(
        LaneValues(
            records=len(unique),
            record=record.ravel(),
            lane=np.arange(len(row)),
            **{name: given.get(name, nothing) for name in ("speed", "volume", "occupancy")},
        ),
        codes=settings.missing_codes,
        max_speed=settings.max_speed / SPEEDS[speed_unit],
        max_occupancy=high.get("occupancy", 100.0),
        missing_when=settings.missing_when,
    )
    wanted = [("speed", "volume", "occupancy").index(name.lower()) for name in settings.units]
    return Records(
        vd_ids=list(vd_ids),
        vd=unique[:, 1],
        time=unique[:, 0],
        values=values[:, wanted],
        cause=cause[:, wanted],
        counts=clock.taken(localiser)
        + Counter(impossible_values=impossible, duplicates=int(exists.sum()) - len(row)),
    )


def _backwards(vd: np.ndarray, time: np.ndarray) -> int:
    """How many rows lie before the row before them of their own detector."""
    order = np.argsort(vd, kind="stable")
    return int(((np.diff(vd[order]) == 0) & (np.diff(time[order]) < 0)).sum())
