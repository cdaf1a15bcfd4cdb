"""National Highways WebTRIS, daily reports of English trunk roads as CSV: a row per site and quarter of an hour.

Columns ``Site Name``, ``Report Date``, ``Time Period Ending`` (00:14:00 for the first), ``Time Interval`` (0 to 95),
counts by length and by speed, ``Avg mph``, ``Total Volume``. A site is a detector; its speed is the mean, its volume
the total, whatever the classes say.
"""

from collections import Counter
from collections.abc import Iterator

import numpy as np
import pyarrow as pa

from vdcast.ingest import clock, tables
from vdcast.ingest.detector_lists import table_info as info
from vdcast.ingest.files import RawFile
from vdcast.ingest.lanes import per
from vdcast.ingest.records import IMPOSSIBLE, NO_VEHICLE, OBSERVED, Records, judge, observed
from vdcast.params.formats import MPH, WebTRIS

__all__ = ["ORDERED", "SUFFIXES", "features", "info", "parse"]

SUFFIXES = (".csv", ".txt")
ORDERED = False
SITE, DATE, END, NUMBER, SPEED, VOLUME = COLUMNS = (
    "site name",
    "report date",
    "time period ending",
    "time interval",
    "avg mph",
    "total volume",
)


def features(settings: WebTRIS) -> tuple[tuple[str, str], ...]:
    return (("speed", "km/h"), ("volume", f"veh/{per(settings.interval)}"))


def parse(file: RawFile, settings: WebTRIS) -> Iterator[Records]:
    localiser = clock.Localiser(file, settings.time_zone, settings.interval)
    with file.open() as raw, tables.decoded(file, raw) as stream:
        header, delimiter = tables.header_of(file, stream, lambda cells: {*COLUMNS} <= {*map(_plain, cells)})
        names = [*map(_plain, header)]
        if lacking := [name for name in COLUMNS if name not in names]:
            raise file.bad(
                f"is no daily report of WebTRIS: it has no column {lacking[0]!r}, but {', '.join(header[:8])}"
            )
        types = {
            name: pa.float64() if name in (NUMBER, SPEED, VOLUME) else pa.string()
            for name in names
            if name in COLUMNS
        }
        line = 2
        for part in tables.read_csv(file, stream, names, types, line, tables.Marks(delimiter)):
            yield _records(file, settings, localiser, part, line)
            line += part.num_rows
        if not tables.ended(stream):
            raise file.bad(tables.CUT)


def _plain(name: str) -> str:
    """A column's name, in whatever letters and spaces a report has it."""
    return " ".join(name.lower().split())


def _records(
    file: RawFile, settings: WebTRIS, localiser: clock.Localiser, part: pa.Table, line: int
) -> Records:
    for name in (SITE, DATE, END, NUMBER):
        if part.column(name).null_count:
            raise file.bad(f"line {line} or after: a row has no {name}")
    site = part.column(SITE).combine_chunks().dictionary_encode()
    vd, sites = site.indices.to_numpy(), tables.names_of(file, site)
    local = _starts(file, settings, part, line)
    x = np.stack([tables.number(part, name) for name in (SPEED, VOLUME)], axis=1)
    time, exists = localiser.utc(local, np.array(sites, object)[vd], x)
    cause = np.stack(
        [
            judge(x[:, 0], settings.missing_codes, 0, settings.max_speed / MPH),
            judge(x[:, 1], settings.missing_codes, 0),
        ],
        axis=1,
    )
    impossible = int((cause == IMPOSSIBLE).sum())
    cause[(cause[:, 1] == OBSERVED) & (x[:, 1] == 0), 0] = NO_VEHICLE
    return Records(
        vd_ids=sites,
        vd=vd[exists],
        time=time[exists],
        values=observed(x * [MPH, 1], cause)[exists],
        cause=cause[exists],
        counts=clock.taken(localiser) + Counter(impossible_values=impossible),
    )


def _starts(file: RawFile, settings: WebTRIS, part: pa.Table, line: int) -> np.ndarray:
    """Local start of each row's interval: its number says it, and the end beside it must lie in it."""
    try:
        days, aware = clock.column(part.column(DATE).to_numpy(), settings.date_order)
        ends = clock.of_day(part.column(END).to_numpy()).astype("i8")
    except ValueError as error:
        at, what = error.args
        raise file.bad(f"line {line + at}: {what}") from None
    if aware or (days != days.astype("M8[D]")).any():
        raise file.bad(f"line {line} or after: a report date has a time of day or an offset")
    number = tables.number(part, NUMBER)
    start = settings.interval * number
    ends = np.where((ends == 0) & (number > 0), clock.DAY, ends)
    if (odd := (number != number.astype("i8")) | (ends <= start) | (ends > start + settings.interval)).any():
        at = int(odd.argmax())
        raise file.bad(
            f"line {line + at}: interval {number[at]:g} of {settings.interval} s does not end at "
            f"{part.column(END)[at].as_py()}; only reports of {settings.interval // 60} minutes are read"
        )
    return days + start.astype("m8[s]")
