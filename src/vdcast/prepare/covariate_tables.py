"""The tables in data/calendar/: what is planned, and the weather, each value with the time at which it was issued.

CSV or parquet. Times are ISO 8601, local where they have no offset.
"""

from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd

from vdcast.data.covariates import HOLIDAY, Weather
from vdcast.errors import InputError, first_line
from vdcast.layout import CALENDAR

DAY = timedelta(days=1)
PLANS, WEATHER = ("name", "begin", "end"), ("time", "issue_time")  # the columns that a table must have


def read_plans(file: str, time_zone: str) -> dict[str, np.ndarray]:
    """By name (periods, 2) Unix seconds, from when and before when; an end without an hour is that whole day.

    Raises InputError for a table that cannot be meant so.
    """
    table = _read(file, PLANS)
    begin = _seconds(table["begin"], file, time_zone)
    end = _seconds(table["end"], file, time_zone, whole_days=True)
    names = table["name"].str.strip()
    if (names == HOLIDAY).any():
        raise InputError(
            f"'{CALENDAR / file}': {HOLIDAY!r} is what public holidays are called; rename that plan"
        )
    if (bad := np.flatnonzero((names == "") | (begin >= end))).size:
        row = bad[0]
        raise InputError(
            f"'{CALENDAR / file}', row {row + 1}: a plan has a name and ends after it begins; found name "
            f"{names[row]!r}, begin {table['begin'][row]!r}, end {table['end'][row]!r}"
        )
    return {name: np.column_stack([begin, end])[names == name] for name in dict.fromkeys(names)}


def read_weather(file: str, time_zone: str, step: int) -> Weather:
    """Unscaled; ``step`` is that of a table of a single time.

    Raises InputError for a table that cannot be meant so, as one that does not say when a value was issued.
    """
    table = _read(file, WEATHER)
    time, issued = (_seconds(table[name], file, time_zone) for name in WEATHER)
    kinds = [name for name in table if name not in WEATHER]
    if not kinds:
        raise InputError(
            f"'{CALENDAR / file}' has no column beside {' and '.join(WEATHER)}; what is the weather?"
        )
    values = np.column_stack([_numbers(table[kind], file) for kind in kinds])
    order = np.lexsort([issued, time])
    time, issued, values = time[order], issued[order], values[order]
    steps = np.diff(time)
    step = int(min(steps[steps > 0], default=step))
    if (bad := np.flatnonzero((steps == 0) & (np.diff(issued) == 0))).size:
        raise InputError(
            f"'{CALENDAR / file}' has two rows of {_said(time[bad[0]])} that were issued at the same time; keep one, and write "
            "times with their offset where clocks repeat an hour"
        )
    if (bad := np.flatnonzero((time - time[0]) % step)).size:
        raise InputError(
            f"'{CALENDAR / file}': times are to be whole steps apart, here of {step} s; {_said(time[bad[0]])} is not"
        )
    # of each kind the newest value at the time that a row was issued
    values = pd.DataFrame(values).groupby(time).ffill().to_numpy(np.float32)
    plain = np.zeros(len(kinds)), np.ones(len(kinds))
    return Weather(
        kinds=tuple(kinds), time=time, issued=issued, values=values, mean=plain[0], std=plain[1], step=step
    )


def midnight(day: date, time_zone: str) -> int:
    """Unix seconds at which ``day`` begins there."""
    return int(datetime(day.year, day.month, day.day, tzinfo=ZoneInfo(time_zone)).timestamp())


def _read(file: str, columns: tuple[str, ...]) -> pd.DataFrame:
    """As text, with those columns and a row at least."""
    path = CALENDAR / file
    try:
        if path.suffix == ".parquet":
            table = pd.read_parquet(path).astype(str)
        else:
            table = pd.read_csv(path, dtype=str, keep_default_na=False, skipinitialspace=True)
    except FileNotFoundError:
        raise InputError(f"'{path}' does not exist; `calendar` of params.yaml names it") from None
    except (OSError, ValueError, UnicodeDecodeError, pd.errors.ParserError) as error:
        raise InputError(f"'{path}' cannot be read as a table ({first_line(error)})") from None
    if lacking := [name for name in columns if name not in table]:
        why = ": without it nobody knows what was known at the time" if lacking[0] == "issue_time" else ""
        raise InputError(f"'{path}' lacks column {lacking[0]!r}{why}; it has: {', '.join(map(str, table))}")
    if table.empty:
        raise InputError(f"'{path}' has no row; leave its line in `calendar` of params.yaml null")
    return table


def _seconds(column: pd.Series, file: str, time_zone: str, *, whole_days: bool = False) -> np.ndarray:
    """Unix seconds (rows,); with ``whole_days`` a date stands for its end."""
    zone = ZoneInfo(time_zone)

    def seconds(row: int, text: str) -> int:
        try:
            at = datetime.fromisoformat(text.strip())
        except ValueError:
            raise InputError(
                f"'{CALENDAR / file}', row {row + 1}: {column.name} {text!r} is no time such as 2026-10-01T05:00, nor a date"
            ) from None
        if whole_days and len(text.strip()) == len("2026-10-01"):
            at += DAY
        return int((at if at.tzinfo else at.replace(tzinfo=zone)).timestamp())

    return np.array([seconds(row, text) for row, text in enumerate(column)], np.int64)


def _numbers(column: pd.Series, file: str) -> np.ndarray:
    """(rows,) NaN where there is nothing."""
    text = column.str.strip().replace({"": "nan", "None": "nan", "<NA>": "nan"})
    numbers = pd.to_numeric(text, errors="coerce").to_numpy(np.float64)
    if (bad := np.flatnonzero(~np.isfinite(numbers) & (text.str.lower() != "nan").to_numpy())).size:
        row = bad[0]
        raise InputError(f"'{CALENDAR / file}', row {row + 1}: {column.name} {column[row]!r} is no number")
    return numbers


def _said(seconds: int) -> str:
    return f"{np.datetime64(int(seconds), 's')} UTC"
