"""Long CSV or parquet: a row per time and detector, with a column per feature (``units`` names them)."""

from collections import Counter
from collections.abc import Iterator

import numpy as np
import pyarrow as pa

from vdcast.ingest import clock, tables
from vdcast.ingest.files import RawFile
from vdcast.ingest.records import Records, observed
from vdcast.params.formats import LongTable

SUFFIXES = tables.SUFFIXES
ORDERED = False


def features(settings: LongTable) -> tuple[tuple[str, str], ...]:
    return tuple(settings.units.items())


def parse(file: RawFile, settings: LongTable) -> Iterator[Records]:
    localiser = clock.Localiser(file, settings.time_zone)
    line = 2
    texts = [settings.time_column, settings.vd_column]
    for part in tables.batches(file, settings, localiser.counts, texts, list(settings.units)):
        vd = part.column(settings.vd_column)
        if vd.null_count:
            raise file.bad(f"line {line} or after: a row has no {settings.vd_column}")
        vd = vd.cast(pa.string()).combine_chunks().dictionary_encode()
        index = vd.indices.to_numpy()
        names = np.array([name.strip() for name in vd.dictionary.to_pylist()], object)
        column = part.column(settings.time_column)
        time, exists = tables.times(file, column, settings, localiser, names[index], line)
        x = np.stack([tables.number(part, name) for name in settings.units], axis=1)
        cause, impossible = tables.judged(x, features(settings), settings)
        yield Records(
            vd_ids=names.tolist(),
            vd=index[exists],
            time=time[exists],
            values=observed(x, cause)[exists],
            cause=cause[exists],
            counts=clock.taken(localiser)
            + Counter(
                rows_out_of_order=_backwards(index[exists], time[exists]), impossible_values=impossible
            ),
        )
        line += part.num_rows


def _backwards(vd: np.ndarray, time: np.ndarray) -> int:
    """How many rows lie before the row before them of their own detector."""
    order = np.argsort(vd, kind="stable")
    return int(((np.diff(vd[order]) == 0) & (np.diff(time[order]) < 0)).sum())
