"""Wide CSV or parquet: a time column and a column of numbers per detector."""

from pathlib import Path

import numpy as np
import pandas as pd

from vdcast.errors import InputError
from vdcast.params import WideTable
from vdcast.store import Detectors


def read(settings: WideTable) -> Detectors:
    """The table on its regular grid. Raises InputError for a file that is not such a table."""
    path = Path(settings.raw)
    try:
        frame = pd.read_parquet(path) if path.suffix == ".parquet" else pd.read_csv(path)
    except FileNotFoundError:
        raise InputError(f"data.raw '{path}' does not exist") from None
    except (ValueError, UnicodeDecodeError) as error:
        raise InputError(f"'{path}' is not a readable table: {error}") from None
    if settings.time_column not in frame:
        raise InputError(f"'{path}' has no column {settings.time_column!r} (data.time_column)")
    local = pd.to_datetime(frame.pop(settings.time_column))
    utc = pd.DatetimeIndex(local).tz_localize(settings.time_zone).tz_convert("UTC")
    seconds = utc.as_unit("s").asi8
    steps = (seconds - seconds.min()) // settings.interval
    values = np.full((steps.max() + 1, frame.shape[1], 1), np.nan, np.float32)
    values[steps, :, 0] = frame.to_numpy(np.float32)
    values[np.isin(values, settings.missing_codes)] = np.nan
    return Detectors(
        values=values,
        timestamps=seconds.min() + settings.interval * np.arange(len(values)),
        vd_ids=tuple(frame.columns),
        features=(settings.feature,),
        units=(settings.unit,),
        interval=settings.interval,
        time_zone=settings.time_zone,
        source=path.name,
    )
