"""A row per detector and day, with a column per interval: SCATS volumes as VicRoads publishes them.

The columns of values are named like ``value_columns``, V00, counting up; the first is the interval that
starts at midnight. A detector is what ``vd_columns`` say together (a SCATS site alone has several approaches).
"""

from collections import Counter
from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute

from vdcast.ingest import clock, tables
from vdcast.ingest.detector_lists import table_info as info
from vdcast.ingest.files import RawFile
from vdcast.ingest.records import Records, observed
from vdcast.params.formats import DayRows

__all__ = ["ORDERED", "SUFFIXES", "features", "info", "parse"]

SUFFIXES = tables.SUFFIXES
ORDERED = False


def features(settings: DayRows) -> tuple[tuple[str, str], ...]:
    return ((settings.feature, settings.unit),)


def parse(file: RawFile, settings: DayRows) -> Iterator[Records]:
    localiser = clock.Localiser(file, settings.time_zone, settings.interval)
    columns = _value_columns(file, settings)
    called: dict[str, tuple] = {}  # what a detector's name was made of
    texts = [settings.date_column, *settings.vd_columns]
    for line, part in tables.batches(file, settings, localiser.counts, texts, columns):
        names = [part.column(name).cast(pa.string()) for name in settings.vd_columns]
        if any(name.null_count for name in (*names, part.column(settings.date_column))):
            raise file.bad(f"line {line} or after: a row has no date or no detector")
        vd = pa.compute.binary_join_element_wise(*names, " ").combine_chunks().dictionary_encode()
        vd_ids, row_vd = tables.names_of(file, vd), vd.indices.to_numpy()
        _no_two_alike(file, called, vd_ids, row_vd, names)
        days = tables.days(file, part.column(settings.date_column), settings, line)
        if line <= 2:
            _one_row_each(file, settings, row_vd, days, columns)
        steps = settings.interval * np.arange(len(columns))
        if settings.time_marks == "end":
            steps = steps - settings.interval
        time, exists = localiser.on_the_wall((days[:, None] + steps.astype("m8[s]")).ravel())
        x = np.stack([tables.number(part, name) for name in columns], axis=1).reshape(-1, 1)
        cause, impossible = tables.judged(x, features(settings), settings)
        yield Records(
            vd_ids=vd_ids,
            vd=np.repeat(row_vd, len(columns))[exists],
            time=time[exists],
            values=observed(x, cause)[exists],
            cause=cause[exists],
            counts=clock.taken(localiser) + Counter(impossible_values=impossible),
        )


def _value_columns(file: RawFile, settings: DayRows) -> list[str]:
    """V00, V01, ... V95: one per interval of the day. Raises InputError where the file has one more."""
    prefix = settings.value_columns.rstrip("0123456789")
    digits = settings.value_columns.removeprefix(prefix)
    first, number = int(digits or 0), clock.DAY // settings.interval
    *columns, beyond = (f"{prefix}{first + i:0{len(digits)}}" for i in range(number + 1))
    if beyond in tables.columns_of(file, settings):
        raise file.bad(
            f"has column {beyond!r} beside the {number} from {columns[0]!r} that a day of data.interval = "
            f"{settings.interval} s has; set data.interval to that of the files"
        )
    return columns


def _no_two_alike(
    file: RawFile, called: dict[str, tuple], vd_ids: list[str], vd: np.ndarray, names: list[pa.ChunkedArray]
) -> None:
    """Raises InputError where two detectors would have one name, as ("1 2", "3") and ("1", "2 3") have."""
    if len(names) == 1:
        return
    codes = np.stack([name.combine_chunks().dictionary_encode().indices.to_numpy() for name in names], axis=1)
    _, rows = np.unique(np.column_stack([vd, codes]), axis=0, return_index=True)
    for row in rows.tolist():
        parts, name = tuple(column[row].as_py() for column in names), vd_ids[vd[row]]
        if called.setdefault(name, parts) != parts:
            raise file.bad(f"two detectors, {called[name]} and {parts}, would both be called {name!r}")


def _one_row_each(
    file: RawFile, settings: DayRows, vd: np.ndarray, days: np.ndarray, columns: list[str]
) -> None:
    """Raises InputError where the rows of a detector and day are told apart by a column that is not read."""
    used = [settings.date_column, *settings.vd_columns, *columns]
    keys = days.astype("M8[D]").astype("i8") * (int(vd.max(initial=0)) + 1) + vd
    if further := tables.further_keys(file, settings, used, keys):
        raise file.bad(
            f"{len(keys) - len(np.unique(keys))} of its first {len(keys)} rows repeat a detector and day, and differ in "
            f"{', '.join(further)}; name what tells detectors apart in data.vd_columns"
        )
