"""Wide CSV, parquet or sheet: a row per time, a column of numbers per detector.

Where the file has no times (METR-LA as CSV), ``start`` is the local time of its first row, and the rows follow
every ``interval``; ``rows`` says by which clock, where clocks change.
"""

from collections import Counter
from collections.abc import Iterator

import numpy as np

from vdcast.ingest import clock, tables
from vdcast.ingest.detector_lists import table_info as info
from vdcast.ingest.files import RawFile
from vdcast.ingest.records import Records, observed
from vdcast.params.formats import WideTable

__all__ = ["ORDERED", "SUFFIXES", "features", "info", "parse"]

SUFFIXES = tables.SUFFIXES
ORDERED = True


def features(settings: WideTable) -> tuple[tuple[str, str], ...]:
    return ((settings.feature, settings.unit),)


def parse(file: RawFile, settings: WideTable) -> Iterator[Records]:
    texts, row, latest = settings.time_columns, 0, -np.inf
    counted, localiser = None, clock.Localiser(file, settings.time_zone, settings.interval)
    if settings.start is not None:
        start = clock.start(file, settings.start, settings.date_order)
        counted = clock.Counted(
            file, settings.time_zone, interval=settings.interval, first=start, rows=settings.rows
        )
        localiser = counted.localiser
    for line, part in tables.batches(file, settings, localiser.counts, texts, settings.columns):
        vd_ids = [name for name in part.column_names if name not in texts]
        x = np.stack([tables.number(part, name) for name in vd_ids], axis=1)  # (n, V)
        if counted:
            time, exists = counted.utc(row, len(x))
        else:
            time, exists = tables.times(part, settings, localiser, None, x, line)
        x, time = x[exists], time[exists]
        cause, impossible = tables.judged(x[..., None], features(settings), settings)
        n, V = x.shape
        back = int((np.diff(time, prepend=latest if np.isfinite(latest) else time[:1]) < 0).sum()) if n else 0
        yield Records(
            vd_ids=vd_ids,
            vd=np.tile(np.arange(V), n),
            time=np.repeat(time, V),
            values=observed(x[..., None], cause).reshape(-1, 1),
            cause=cause.reshape(-1, 1),
            counts=clock.taken(localiser) + Counter(rows_out_of_order=back, impossible_values=impossible),
        )
        row += part.num_rows
        latest = time[-1] if n else latest
