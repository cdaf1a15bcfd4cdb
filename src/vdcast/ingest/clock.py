"""Times in files to Unix seconds, UTC."""

import re
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd

from vdcast.errors import InputError
from vdcast.ingest.files import RawFile

EPOCH_YEARS = (1970, 2100)
_CLOCK = r"(?P<hour>\d{1,2}):(?P<minute>\d{2})(?::(?P<second>\d{2})(?P<fraction>\.\d+)?)?(?: ?(?P<half>[AaPp][Mm]))?"
_ZONE = r"(?P<offset>Z|[+-]\d{2}(?::?\d{2})?)"
_REST = rf"(?:(?P<gap>[T ]+){_CLOCK}(?: ?{_ZONE})?)?"
_YEAR_FIRST = re.compile(
    rf"(?P<year>\d{{4}})(?P<dash>[-/.])(?P<month>\d{{1,2}})(?P=dash)(?P<day>\d{{1,2}}){_REST}"
)
_YEAR_LAST = re.compile(rf"\d{{1,2}}(?P<dash>[-/.])\d{{1,2}}(?P=dash)\d{{4}}{_REST}")
_DAY_CLOCK = re.compile(_CLOCK)
_MIDNIGHT = re.compile(r"([T ]+)24:00((?::00(?:\.0+)?)?)")
DAY = 86400


class NoTime(ValueError):
    """A time that stands for none: 0001-01-01 is what a program writes whose clock was never set."""


def instant(text: str, zone: ZoneInfo) -> int:
    """Unix seconds of one time; local to ``zone`` unless it carries an offset. Raises ValueError.

    >>> instant("2026-10-01T05:07:11+08:00", ZoneInfo("Asia/Taipei"))
    1790802431
    """
    text = text.strip()
    found = _YEAR_FIRST.fullmatch(text)
    if not found or found["half"] or not text.isascii():
        raise ValueError(f"{text!r} is not a time like 2026-10-01T05:07:11+08:00")
    year, month, day, hour, minute, second = (
        int(part or 0) for part in found.group("year", "month", "day", "hour", "minute", "second")
    )
    last = (hour, minute, second) == (24, 0, 0)  # the end of the day
    time = datetime(year, month, day, 0 if last else hour, minute, second)
    if not EPOCH_YEARS[0] <= time.year <= EPOCH_YEARS[1]:
        raise NoTime(f"{text!r} lies outside the years {EPOCH_YEARS[0]} to {EPOCH_YEARS[1]}")
    time += timedelta(days=last)
    if found["offset"]:
        return int(datetime.fromisoformat(time.isoformat() + found["offset"]).timestamp())
    return int(time.replace(tzinfo=zone).timestamp())


def ambiguous_date(text: str) -> bool:
    """Whether the day and the month of ``text`` could be told apart only by whoever wrote it."""
    found = _YEAR_LAST.fullmatch(text.strip())
    return found is not None and found["dash"] != "."


def date_alone(text: str) -> bool:
    """Whether ``text`` is a date without a time of day."""
    found = _YEAR_FIRST.fullmatch(text.strip()) or _YEAR_LAST.fullmatch(text.strip())
    return found is not None and found["hour"] is None


def column(texts: np.ndarray, date_order: str | None) -> tuple[np.ndarray, bool]:
    """A column of times (rows,) as datetime64[s], and whether they are UTC (they carry an offset) or local.

    The first one tells the layout and all must follow it; 24:00 is the end of its day. Raises ValueError naming
    the row, counted from 0, as the first argument: a time that is none, or a date whose order is not known.
    """
    layout = _layout(str(texts[0]).strip(), date_order)
    aware = "%z" in layout
    series = pd.Series(texts, dtype=object).str.strip()
    if "%p" in layout:
        series = series.str.upper()
    if aware:
        series = series.str.replace(r"([+-]\d{2})$", r"\1:00", regex=True)
    times = pd.to_datetime(series, format=layout, errors="coerce", utc=aware)
    bad = times.isna().to_numpy()
    if bad.any() and (late := bad & series.str.contains(" 24:00|T24:00", na=False).to_numpy(bool)).any():
        plain = series[late].str.replace(_MIDNIGHT, r"\g<1>00:00\2", regex=True)
        times[late] = pd.to_datetime(plain, format=layout, errors="coerce", utc=aware) + pd.Timedelta(days=1)
        bad = times.isna().to_numpy()
    if bad.any():
        row = int(bad.argmax())
        other = f"is not written like {str(texts[0])[:40]!r}" if row else "does not exist"
        raise ValueError(row, f"time {str(texts[row])[:40]!r} {other}")
    if aware:
        times = times.dt.tz_localize(None)
    values = times.to_numpy().astype("M8[s]")
    if (bad := outside(values)).any():
        row = int(bad.argmax())
        raise ValueError(row, f"time {str(texts[row])[:40]!r} lies outside the years 1970 to 2100")
    return values, aware


def of_day(texts: np.ndarray) -> np.ndarray:
    """A column of times of day (rows,) as seconds since midnight, m8[s]: "23:55", "11:55 PM", 24:00 at most.

    Raises ValueError naming the row as the first argument.
    """
    seconds = {}
    for text in dict.fromkeys(texts.tolist()):
        found = _DAY_CLOCK.fullmatch(str(text).strip())
        hour, minute, second = (
            (int(found[part] or 0) for part in ("hour", "minute", "second")) if found else (99, 0, 0)
        )
        if found and found["half"]:
            hour = hour % 12 + 12 * (found["half"].upper() == "PM") if 1 <= hour <= 12 else 99
        value = 3600 * hour + 60 * minute + second
        if minute > 59 or second > 59 or value > DAY:
            row = int((texts == text).argmax())
            raise ValueError(row, f"time of day {str(text)[:40]!r} is not one like 23:55")
        seconds[text] = value
    return np.array([seconds[text] for text in texts.tolist()], "m8[s]")


def outside(values: np.ndarray) -> np.ndarray:
    """Which of datetime64 (rows,) no detector has lived in."""
    years = values.astype("M8[Y]").astype("i8") + 1970
    return (years < EPOCH_YEARS[0]) | (years > EPOCH_YEARS[1])


def _layout(text: str, date_order: str | None) -> str:
    if not text.isascii():
        raise ValueError(0, f"{text[:40]!r} is not a time like 2026-10-01 05:07")
    if found := _YEAR_FIRST.fullmatch(text):
        date = "%Y{0}%m{0}%d"
    elif found := _YEAR_LAST.fullmatch(text):
        if date_order is None and found["dash"] != ".":
            raise ValueError(
                0, f"date {text[:40]!r} may be day/month or month/day; set data.date_order to dmy or mdy"
            )
        date = (
            "%m{0}%d{0}%Y" if date_order == "mdy" else "%d{0}%m{0}%Y"
        )  # with dots: as it is written in Europe
    else:
        raise ValueError(0, f"{text[:40]!r} is not a time like 2026-10-01 05:07")
    date = date.format(found["dash"])
    if not found["hour"]:
        return date
    half = found["half"]
    clock = (
        ("%I" if half else "%H")
        + ":%M"
        + (":%S" if found["second"] else "")
        + (".%f" if found["fraction"] else "")
    )
    if half:
        clock += " %p" if " " in text[found.start("half") - 1 : found.start("half")] else "%p"
    space = " " if found["offset"] and text[found.start("offset") - 1] == " " else ""
    return date + found["gap"] + clock + (f"{space}%z" if found["offset"] else "")


def start(file: RawFile, text: str, date_order: str | None) -> np.datetime64:
    """``data.start``: the local time of the first row of a file without timestamps."""
    try:
        values, aware = column(np.array([text], object), date_order)
    except ValueError as error:
        raise file.bad(f"data.start: {error.args[1]}") from None
    if aware:
        raise file.bad(f"data.start {text!r} carries an offset; give the local time")
    return values[0]


class Counted:
    """The times of a file that has none: its first row is at ``start``, the others follow every ``interval``.

    ``rows`` says what they follow where clocks change: "elapsed" seconds, or the "local" clock on the wall, which
    has rows in the hour that does not exist and one row for each of two hours. None: they must not differ.
    """

    def __init__(self, file: RawFile, zone: str, *, interval: int, first: np.datetime64, rows: str | None):
        self.file, self.interval, self.first, self.rows = file, interval, first, rows
        self.localiser = Localiser(file, zone, interval)
        time, exists = self.localiser.on_the_wall(np.array([first]))
        if not exists[0]:
            raise file.bad(f"data.start {first} lies in an hour that clocks skip")
        self._zero = int(time[0])
        taken(self.localiser)

    def utc(self, row: int, n: int) -> tuple[np.ndarray, np.ndarray]:
        """Unix seconds (n,) of the rows from number ``row`` on, and which of them exist (n,)."""
        seconds = self.interval * np.arange(row, row + n)
        elapsed, all_of_them = self._zero + seconds, np.ones(n, bool)
        if self.rows == "elapsed":
            return elapsed, all_of_them
        time, exists = self.localiser.on_the_wall(self.first + seconds.astype("m8[s]"))
        if self.rows is None and (differ := ~exists | (time != elapsed)).any():
            at = self.first + seconds.astype("m8[s]")[int(differ.argmax())]
            raise self.file.bad(
                f"it has no times, and clocks change at {at}, row {row + int(differ.argmax()) + 1}: set data.rows to "
                "elapsed (rows follow one another by the interval, as PEMS-BAY's do) or local (by the clock on the wall, "
                "an hour that does not exist has rows too, as METR-LA's do)"
            )
        return time, exists


def taken(localiser: "Localiser") -> Counter:
    """What ``localiser`` has counted since this was last asked."""
    counts = localiser.counts.copy()
    localiser.counts.clear()
    return counts


@dataclass(kw_only=True)
class _Night:
    """A detector's rows in an hour that clocks repeat, as far as they are seen."""

    last: np.datetime64
    again: bool = False  # in its second hour
    left: bool = False  # rows of another hour came after them
    seen: dict = field(default_factory=dict)  # (again, time): values


class Localiser:
    """Local times of one file to UTC, right across daylight saving.

    In the hour that clocks repeat, a detector's rows run through the hour in daylight-saving time, go back to its
    start and run through it in standard time; so the rows are seen in their order, over all calls; in a file whose
    newest row comes first, from the last to the first. A copy of a row, with the same values, is one of the same
    hour. Times in the hour that clocks skip do not exist: they are dropped and counted.
    """

    def __init__(self, file: RawFile, zone: str, interval: int):
        self.file, self.zone, self.interval = file, zone, interval
        self.counts: Counter[str] = Counter()
        self._nights: dict[tuple, _Night] = {}
        self._repeats: set = set()  # hours of which some detector has two rows that differ

    def on_the_wall(self, local: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """As ``utc``, of rows of which each time comes once: in the hour that clocks repeat, daylight-saving time."""
        early, _, exists = self._both(local)
        return early, exists

    def utc(
        self, local: np.ndarray, groups: np.ndarray | None = None, values: np.ndarray | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Unix seconds (rows,) i8 of naive datetime64[s] (rows,), and which of them exist (rows,) bool.

        ``groups`` (rows,) says whose row each is; ``values`` (rows, F) tell a copy of a row from the row of the second hour.
        Raises InputError where it cannot be told which of the two hours a row means.
        """
        early, late, exists = self._both(local)
        repeated = exists & (early != late)
        if self._nights or repeated.any():
            second = self._second(local, late - early, repeated, groups, values)
            early[second] = late[second]
        return early, exists

    def _both(self, local: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Unix seconds (rows,) of each time as the first and as the second of its name, and which exist."""
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
        self.counts["repeated_hour"] += int((exists & (early != late)).sum())
        return early, late, exists

    def _second(
        self,
        local: np.ndarray,
        span: np.ndarray,
        repeated: np.ndarray,
        groups: np.ndarray | None,
        values: np.ndarray | None,
    ) -> list[int]:
        """The rows of the ``repeated`` hour, ``span`` (rows,) seconds long, that are its second, in standard time."""
        codes, names = (np.zeros(len(local), int), [None]) if groups is None else pd.factorize(groups)
        order = np.argsort(codes, kind="stable")
        starts = np.flatnonzero(np.diff(codes[order], prepend=-1))
        place = np.empty(len(local), int)  # of each row among those of its detector
        place[order] = np.arange(len(local)) - np.repeat(starts, np.diff(starts, append=len(local)))
        backwards = self._backwards(local, repeated, codes, order)
        before = set(self._nights)
        at: dict[tuple, int] = {}  # where the last row of a night was
        second, equal = [], []
        rows = np.flatnonzero(repeated)
        for i in rows[::-1] if backwards else rows:
            hour = local[i].astype("i8") // span[i]
            key = names[codes[i]], hour
            if backwards and key in before:  # its rows in the part before this one were taken for the first
                raise self._disorder(local[i])
            night = self._nights.get(key)
            if night is None:
                night = self._nights[key] = _Night(last=local[i] - 1)
            elif abs(int(place[i]) - at.get(key, -1)) != 1:
                night.left = True
            at[key] = int(place[i])
            again, copy = self._which(
                night, local[i], hour * span[i], int(span[i]), None if values is None else values[i]
            )
            if again and copy and self.interval >= span[i]:
                equal.append((hour, i))
            elif again:
                second.append(i)
                self._repeats.add(hour)
        # a single row of each of the two hours, with the same values: a copy, unless others differ
        second += [i for hour, i in equal if hour in self._repeats]
        if not backwards:
            self._note_ends(codes, names, at)
        return second

    def _which(
        self, night: _Night, time: np.datetime64, begin: int, span: int, x: np.ndarray | None
    ) -> tuple[bool, bool]:
        """Whether a row at ``time`` is of the second hour, and whether it repeats the values of one before it."""
        known = {again: night.seen[again, time] for again in (False, True) if (again, time) in night.seen}
        same = {
            again for again, old in known.items() if x is not None and np.array_equal(x, old, equal_nan=True)
        }
        if time > night.last and not night.left:
            again = night.again
        elif not night.again and not night.left and self._turns(night, time, begin, span):
            again = night.again = True
        elif same:  # a copy, of the hour that the other one is of
            return True in same and False not in same, True
        else:
            raise self._disorder(time)
        night.last = time
        night.seen[again, time] = x
        return again, bool(same)

    def _turns(self, night: _Night, time: np.datetime64, begin: int, span: int) -> bool:
        """Whether a detector's rows had come to the end of the hour, and go on from its start."""
        return (
            int(night.last.astype("i8")) >= begin + span - self.interval
            and int(time.astype("i8")) < begin + self.interval
        )

    def _note_ends(self, codes: np.ndarray, names, at: dict[tuple, int]) -> None:
        """Which nights' detectors have other rows after them, in this part of the file."""
        rows = np.bincount(codes, minlength=len(names))
        index = {name: i for i, name in enumerate(names)}
        for (name, hour), night in self._nights.items():
            if name in index:
                last = at.get((name, hour), -1)
                night.left |= last != rows[index[name]] - 1

    def _backwards(
        self, local: np.ndarray, repeated: np.ndarray, group: np.ndarray, order: np.ndarray
    ) -> bool:
        """Whether a detector's rows go back in time, where they enter and leave the hour that clocks repeat."""
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
