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
from vdcast.ingest.files import RawFile
from vdcast.ingest.records import Records, observed
from vdcast.params.formats import DayRows

SUFFIXES = tables.SUFFIXES
ORDERED = False


def features(settings: DayRows) -> tuple[tuple[str, str], ...]:
    return ((settings.feature, settings.unit),)


def parse(file: RawFile, settings: DayRows) -> Iterator[Records]:
    localiser = clock.Localiser(file, settings.time_zone)
    columns = _value_columns(settings)
    line = 2
    for part in tables.batches(
        file, settings, localiser.counts, [settings.date_column, *settings.vd_columns], columns
    ):
        names = [part.column(name) for name in settings.vd_columns]
        if any(name.null_count for name in (*names, part.column(settings.date_column))):
            raise file.bad(f"line {line} or after: a row has no date or no detector")
        vd = pa.compute.binary_join_element_wise(*(name.cast(pa.string()) for name in names), " ")
        vd = vd.combine_chunks().dictionary_encode()
        days, _ = tables.local(file, part.column(settings.date_column), settings, line)
        steps = settings.interval * np.arange(len(columns))
        local = (days[:, None] + steps.astype("m8[s]")).ravel()
        vd_ids, index = vd.dictionary.to_pylist(), np.repeat(vd.indices.to_numpy(), len(columns))
        time, exists = localiser.utc(local, np.array(vd_ids, object)[index])
        x = np.stack([tables.number(part, name) for name in columns], axis=1).reshape(-1, 1)
        cause, impossible = tables.judged(x, features(settings), settings)
        yield Records(
            vd_ids=vd_ids,
            vd=index[exists],
            time=time[exists],
            values=observed(x, cause)[exists],
            cause=cause[exists],
            counts=clock.taken(localiser) + Counter(impossible_values=impossible),
        )
        line += part.num_rows


def _value_columns(settings: DayRows) -> list[str]:
    """V00, V01, ... V95: one per interval of the day."""
    prefix = settings.value_columns.rstrip("0123456789")
    digits = settings.value_columns.removeprefix(prefix)
    first = int(digits or 0)
    return [f"{prefix}{first + i:0{len(digits)}}" for i in range(86400 // settings.interval)]
