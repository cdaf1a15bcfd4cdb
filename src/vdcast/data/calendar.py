"""Where a time step lies in the day and the week, in the local time of the detectors."""

import numpy as np
import pandas as pd

DAY = 86_400


def local(timestamps: np.ndarray, time_zone: str) -> pd.DatetimeIndex:
    """Unix seconds (T,) as local time."""
    return pd.to_datetime(timestamps, unit="s", utc=True).tz_convert(time_zone)


def second_of_week(timestamps: np.ndarray, time_zone: str) -> np.ndarray:
    """0 (Monday 00:00:00) to 604,799, (T,) int64."""
    when = local(timestamps, time_zone)
    second = when.day_of_week * DAY + when.hour * 3600 + when.minute * 60 + when.second
    return second.to_numpy().astype(np.int64)


def hour_of_week(timestamps: np.ndarray, time_zone: str) -> np.ndarray:
    """0 (Monday 00:00 to 00:59) to 167, (T,)."""
    when = local(timestamps, time_zone)
    return (when.day_of_week * 24 + when.hour).to_numpy()


def dates(timestamps: np.ndarray, time_zone: str) -> np.ndarray:
    """Local date as days since 1970, (T,)."""
    return local(timestamps, time_zone).tz_localize(None).to_numpy().astype("datetime64[D]").astype(np.int64)


def in_one_day(dates: np.ndarray) -> bool:
    """Whether these, ascending, are all the same: then no other day says what is usual."""
    return bool(dates[0] == dates[-1])


def features(timestamps: np.ndarray, time_zone: str) -> np.ndarray:
    """Calendar inputs (T, E) float32: four harmonics of the day, two of the week, and the weekend.

    Sines and cosines, so that 23:59 lies beside 00:00; harmonics, so that a morning peak is within
    reach of a linear layer.
    """
    when = local(timestamps, time_zone)
    day = ((when.hour * 60 + when.minute) / 1440).to_numpy()
    week = (when.day_of_week.to_numpy() + day) / 7
    angles = 2 * np.pi * np.stack([day, 2 * day, 3 * day, 4 * day, week, 2 * week])
    weekend = when.day_of_week.to_numpy() >= 5
    return np.concatenate([np.sin(angles), np.cos(angles), weekend[None]]).T.astype(np.float32)
