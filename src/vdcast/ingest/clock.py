"""Times in files to Unix seconds, UTC."""

import re
from collections import Counter
from datetime import datetime
from zoneinfo import ZoneInfo

import numpy as np

from vdcast.errors import InputError
from vdcast.ingest.files import RawFile

EPOCH_YEARS = (1970, 2100)
_ISO = re.compile(r"(\d{4})([-/])(\d{1,2})\2(\d{1,2})(?:([T ]+)(\d{1,2}):(\d{2})(?::(\d{2})(\.\d+)?)?)?(.*)")
_DAY_FIRST_OR_LAST = re.compile(
    r"(\d{1,2})([-/])(\d{1,2})\2(\d{4})(?:( +)(\d{1,2}):(\d{2})(?::(\d{2}))?)?(.*)"
)
_OFFSET = re.compile(r"Z|[+-]\d{2}:?\d{2}")


class NoTime(ValueError):
    """A time that stands for none: 0001-01-01 is what a program writes whose clock was never set."""


def instant(text: str, zone: ZoneInfo) -> int:
    """Unix seconds of one time; local to ``zone`` unless it carries an offset. Raises ValueError.

    >>> instant("2026-10-01T05:07:11+08:00", ZoneInfo("Asia/Taipei"))
    1790802431
    """
    found = _ISO.fullmatch(text.strip())
    if not found or (found[10] and not _OFFSET.fullmatch(found[10])):
        raise ValueError(f"{text!r} is not a time like 2026-10-01T05:07:11+08:00")
    year, _, month, day, _, hour, minute, second, _, offset = found.groups()
    time = datetime(int(year), int(month), int(day), int(hour or 0), int(minute or 0), int(second or 0))
    if not EPOCH_YEARS[0] <= time.year <= EPOCH_YEARS[1]:
        raise NoTime(f"{text!r} lies outside the years {EPOCH_YEARS[0]} to {EPOCH_YEARS[1]}")
    if offset:
        return int(datetime.fromisoformat(time.isoformat() + offset).timestamp())
    return int(time.replace(tzinfo=zone).timestamp())


def ambiguous_date(text: str) -> bool:
    """Whether the day and the month of ``text`` could be told apart only by whoever wrote it."""
    return bool(_DAY_FIRST_OR_LAST.fullmatch(text.strip()))


def column(texts: np.ndarray, date_order: str | None) -> tuple[np.ndarray, bool]:
    """A column of times (N,) as datetime64[s], and whether they are UTC (they carry an offset) or local.

    The first one tells the layout and all must follow it. Raises ValueError naming the row, counted
    from 0, as the first argument: a time that is none, or a date whose order is not known.
    """
    import pandas as pd

    layout = _layout(str(texts[0]).strip(), date_order)
    aware = "%z" in layout
    series = pd.Series(texts, dtype=object).str.strip()
    times = pd.to_datetime(series, format=layout, errors="coerce", utc=aware)
    if (bad := times.isna().to_numpy()).any():
        row = int(bad.argmax())
        raise ValueError(row, f"time {str(texts[row])[:40]!r} is not written like {str(texts[0])[:40]!r}")
    if aware:
        times = times.dt.tz_localize(None)
    values = times.to_numpy().astype("M8[s]")
    if (bad := outside(values)).any():
        row = int(bad.argmax())
        raise ValueError(row, f"time {str(texts[row])[:40]!r} lies outside the years 1970 to 2100")
    return values, aware


def outside(values: np.ndarray) -> np.ndarray:
    """Which of datetime64 (N,) no detector has lived in."""
    years = values.astype("M8[Y]").astype("i8") + 1970
    return (years < EPOCH_YEARS[0]) | (years > EPOCH_YEARS[1])


def _layout(text: str, date_order: str | None) -> str:
    if found := _ISO.fullmatch(text):
        _, dash, _, _, gap, hour, _, second, fraction, offset = found.groups()
        date = f"%Y{dash}%m{dash}%d"
    elif found := _DAY_FIRST_OR_LAST.fullmatch(text):
        _, dash, _, _, gap, hour, _, second, offset = found.groups()
        fraction = None
        if date_order is None:
            raise ValueError(
                0, f"date {text[:40]!r} may be day/month or month/day; set data.date_order to dmy or mdy"
            )
        date = f"%d{dash}%m{dash}%Y" if date_order == "dmy" else f"%m{dash}%d{dash}%Y"
    else:
        raise ValueError(0, f"{text[:40]!r} is not a time like 2026-10-01 05:07")
    if offset and not _OFFSET.fullmatch(offset):
        raise ValueError(0, f"{text[:40]!r} is not a time like 2026-10-01 05:07")
    clock = f"{gap}%H:%M" + (":%S" if second else "") + (".%f" if fraction else "") if hour else ""
    return date + clock + ("%z" if offset else "")


def start(file, text: str, date_order: str | None) -> np.datetime64:
    """``data.start``: the local time of the first row of a file without timestamps."""
    try:
        values, aware = column(np.array([text], object), date_order)
    except ValueError as error:
        raise file.bad(f"data.start: {error.args[1]}") from None
    if aware:
        raise file.bad(f"data.start {text!r} carries an offset; give the local time")
    return values[0]


def taken(localiser: "Localiser") -> Counter:
    """What ``localiser`` has counted since this was last asked."""
    counts = localiser.counts.copy()
    localiser.counts.clear()
    return counts


class Localiser:
    """Local times of one file to UTC, right across daylight saving.

    In the hour that clocks repeat, a detector's first row with a time is taken as daylight-saving time
    and its second as standard time, so the rows are seen in their order, over all calls; in a file whose
    newest row comes first, from the last to the first. Times in the hour that clocks skip do not exist:
    they are dropped and counted.
    """

    def __init__(self, file: RawFile, zone: str):
        self.file, self.zone = file, zone
        self.counts: Counter[str] = Counter()
        self._seen: Counter[tuple] = Counter()

    def utc(self, local: np.ndarray, groups: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
        """Unix seconds (N,) i8 of naive datetime64[s] (N,), and which of them exist (N,) bool.

        Raises InputError where rows in the hour that clocks repeat are in no order.
        """
        import pandas as pd

        index = pd.DatetimeIndex(local)
        first = index.tz_localize(self.zone, ambiguous=np.ones(len(index), bool), nonexistent="NaT")
        second = index.tz_localize(self.zone, ambiguous=np.zeros(len(index), bool), nonexistent="NaT")
        exists = ~np.asarray(first.isna())
        self.counts["nonexistent"] += int((~exists).sum())
        # datetime64 in UTC; NaT becomes a number that `exists` masks
        early, late = (
            t.tz_convert("UTC").tz_localize(None).to_numpy().astype("M8[s]").astype("i8")
            for t in (first, second)
        )
        repeated = exists & (early != late)
        self.counts["repeated_hour"] += int(repeated.sum())
        if repeated.any():
            second = self._second(local, repeated, groups)
            early[second] = late[second]
        return early, exists

    def _second(self, local: np.ndarray, repeated: np.ndarray, groups: np.ndarray | None) -> list[int]:
        """The rows of the ``repeated`` hour that are its second, in standard time."""
        rows, before, second = np.flatnonzero(repeated), set(self._seen), []
        backwards = self._backwards(local, repeated, groups)
        for i in rows[::-1] if backwards else rows:
            key = (None if groups is None else groups[i], local[i])
            if backwards and key in before:  # that was the second of them, and was taken for the first
                raise self._disorder(local[i])
            if self._seen[key]:
                second.append(i)
            self._seen[key] += 1
        return second

    def _backwards(self, local: np.ndarray, repeated: np.ndarray, groups: np.ndarray | None) -> bool:
        """Whether a detector's rows go back in time, where they enter and leave the hour that clocks repeat."""
        import pandas as pd

        group = np.zeros(len(local), int) if groups is None else pd.factorize(groups)[0]
        order = np.argsort(group, kind="stable")
        group, local, repeated = group[order], local[order], repeated[order]
        same = group[1:] == group[:-1]
        sign = np.sign(np.diff(local).astype("i8"))
        edge = sign[same & (repeated[1:] != repeated[:-1])]
        if not len(edge):  # the file has nothing but that hour
            return int(sign[same & repeated[1:]].sum()) < 0
        if edge.min() != edge.max():
            raise self._disorder(local[repeated][0])
        return bool(edge[0] < 0)

    def _disorder(self, local: np.datetime64) -> InputError:
        return self.file.bad(
            f"clocks repeat the hour of {local}, and its rows are in no order there, so which of the two hours they "
            "mean cannot be told; sort the rows by time, or give times with their offset"
        )
