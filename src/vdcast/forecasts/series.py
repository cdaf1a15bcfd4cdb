"""Forecasts along time at a few horizons: what a chart of days draws, and its file ``series.h5``."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from vdcast.data.h5 import SCHEMA, opened, put, strings, writing
from vdcast.forecasts.predictions import Predictions


@dataclass(frozen=True, kw_only=True)
class Series:
    """Of the headline target, NaN where there is none; h of the H horizons."""

    times: np.ndarray  # (T,) Unix seconds, every time that some window forecasts
    horizons: tuple[int, ...]  # (h,) which of the steps 0 to H - 1
    observed: np.ndarray  # (T, V) float32
    forecasts: dict[str, np.ndarray]  # (h, T, V) float32 by name, mean of the seeds
    intervals: dict[str, np.ndarray]  # (2, h, T, V) float32 by model: the ends of its widest one, calibrated
    vd_ids: tuple[str, ...]
    time_zone: str


def shown_horizons(horizon: int) -> list[int]:
    """Which of the steps 0 to ``horizon`` - 1 have series: all of four, else first, quarter, half and last."""
    if horizon <= 4:
        return list(range(horizon))
    return sorted({0, round(horizon / 4) - 1, round(horizon / 2) - 1, horizon - 1})


def series_of(everyone: Mapping[str, Predictions], vd_ids: Sequence[str]) -> Series:
    """``everyone``, forecasts of the same windows, laid along time for those VDs."""
    first = next(iter(everyone.values()))
    shown = shown_horizons(first.observed.shape[1])
    seconds, at = np.unique(first.times, return_inverse=True)
    at = at.reshape(first.times.shape)  # (W, H) -> place in times

    def along_time(values: np.ndarray) -> np.ndarray:
        """(S, W, H, V) -> (h, T, V)"""
        mean = values.mean(axis=0)
        lines = np.full((len(shown), len(seconds), len(vd_ids)), np.nan, np.float32)
        for line, h in zip(lines, shown, strict=True):
            line[at[:, h]] = mean[:, h]
        return lines

    observed = np.full((len(seconds), len(vd_ids)), np.nan, np.float32)
    observed[at] = first.of(vd_ids).observed[..., 0]
    forecasts, intervals = {}, {}
    for who, each in everyone.items():
        these = each.of(vd_ids)
        forecasts[who] = along_time(these.forecast[..., 0])
        if these.quantiles:
            levels = these.quantiles.calibrated[..., 0, :]
            intervals[who] = np.stack([along_time(levels[..., end]) for end in (0, -1)])
    return Series(
        times=seconds,
        horizons=tuple(shown),
        observed=observed,
        forecasts=forecasts,
        intervals=intervals,
        vd_ids=tuple(vd_ids),
        time_zone=first.time_zone,
    )


def write_series(path: Path, series: Series) -> None:
    """Write ``series`` to ``path``."""
    with writing(path) as file:
        put(file, "times", series.times)
        put(file, "horizons", np.array(series.horizons))
        put(file, "vd_ids", strings(series.vd_ids))
        put(file, "observed", series.observed, compression="gzip")
        for group in ("forecasts", "intervals"):
            for who, lines in getattr(series, group).items():
                put(file, f"{group}/{who}", lines, compression="gzip")
        file.attrs.update(schema=SCHEMA, time_zone=series.time_zone)


def read_series(path: Path) -> Series:
    """Read what ``write_series`` wrote. Raises InputError where it is missing, corrupt or foreign."""
    with opened(path) as file:
        return Series(
            times=file["times"][:],
            horizons=tuple(file["horizons"][:].tolist()),
            observed=file["observed"][:],
            forecasts={who: lines[:] for who, lines in file["forecasts"].items()},
            intervals={who: lines[:] for who, lines in file.get("intervals", {}).items()},
            vd_ids=tuple(file["vd_ids"].asstr()[:].tolist()),
            time_zone=str(file.attrs["time_zone"]),
        )
