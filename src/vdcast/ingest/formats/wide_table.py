"""Wide CSV or parquet: a row per time, a column of numbers per detector.

Where the file has no time column (METR-LA as CSV), ``start`` is the local time of its first row, and the
rows follow every ``interval`` by the wall clock.
"""

from collections import Counter
from collections.abc import Iterator

import numpy as np

from vdcast.ingest import clock, tables
from vdcast.ingest.files import RawFile
from vdcast.ingest.records import Records, observed
from vdcast.params.formats import WideTable

SUFFIXES = tables.SUFFIXES
ORDERED = True


def features(settings: WideTable) -> tuple[tuple[str, str], ...]:
    return ((settings.feature, settings.unit),)


def parse(file: RawFile, settings: WideTable) -> Iterator[Records]:
    localiser = clock.Localiser(file, settings.time_zone)
    texts = [] if settings.time_column is None else [settings.time_column]
    line, latest = 2, -np.inf
    for part in tables.batches(file, settings, localiser.counts, texts, settings.columns):
        if settings.time_column is None:
            assert settings.start is not None  # where there is no time_column
            local = clock.start(file, settings.start, settings.date_order) + np.timedelta64(
                settings.interval, "s"
            ) * np.arange(line - 2, line - 2 + part.num_rows)
            time, exists = localiser.utc(local)
        else:
            column = part.column(settings.time_column)
            time, exists = tables.times(file, column, settings, localiser, None, line)
        vd_ids = [name for name in part.column_names if name not in texts]
        x = np.stack([tables.number(part, name) for name in vd_ids], axis=1)[exists]  # (n, V)
        cause, impossible = tables.judged(x[..., None], features(settings), settings)
        time = time[exists]
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
        line += part.num_rows
        latest = time[-1] if n else latest
