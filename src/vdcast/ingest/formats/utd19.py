"""UTD19, loop detectors of 39 cities (ETH Zurich): a row per detector and interval, all cities in one CSV.

Columns ``day``, ``interval`` (seconds since local midnight, where it starts), ``detid``, ``flow`` (veh/h), ``occ``,
``error`` (1: not to be used), ``city``, ``speed`` (km/h, in few cities). One city is read at a time: cities have
zones, intervals and units of occupancy of their own.
"""

from collections import Counter
from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute

from vdcast.ingest import clock, tables
from vdcast.ingest.detector_lists import table_info as info
from vdcast.ingest.files import RawFile
from vdcast.ingest.records import IMPOSSIBLE, NO_VEHICLE, OBSERVED, STATUS, Records, judge, observed
from vdcast.params.formats import OCCUPANCIES, UTD19

__all__ = ["ORDERED", "SUFFIXES", "features", "info", "parse"]

SUFFIXES = (".csv", ".txt")
ORDERED = False
KEYS = ("day", "interval", "detid", "city")
_COLUMN = {"volume": "flow", "speed": "speed", "occupancy": "occ"}
_UNIT = {"volume": "veh/h", "speed": "km/h", "occupancy": "%"}


def features(settings: UTD19) -> tuple[tuple[str, str], ...]:
    return tuple((name, _UNIT[name]) for name in settings.features)


def parse(file: RawFile, settings: UTD19) -> Iterator[Records]:
    localiser = clock.Localiser(file, settings.time_zone, settings.interval)
    needed = [*KEYS, *(_COLUMN[name] for name in settings.features)]
    with file.open() as raw, tables.decoded(file, raw) as stream:
        header, delimiter = tables.header_of(file, stream, set(needed).issubset)
        if lacking := [name for name in needed if name not in header]:
            raise file.bad(
                f"is no table of UTD19: it has no column {lacking[0]!r}, but {', '.join(header[:8])}"
            )
        text = ("day", "detid", "city")
        types = {
            name: pa.string() if name in text else pa.float64()
            for name in (*needed, "error")
            if name in header
        }
        line, cities, found = 2, set(), 0
        for part in tables.read_csv(file, stream, header, types, line, tables.Marks(delimiter)):
            mine = pa.compute.fill_null(pa.compute.equal(part.column("city"), settings.city), False)
            lines = line + np.flatnonzero(mine.to_numpy())
            cities.update(pa.compute.unique(part.column("city")).to_pylist())
            line, found = line + part.num_rows, found + len(lines)
            if len(lines):
                yield _records(file, settings, localiser, part.filter(mine), lines)
        if not tables.ended(stream):
            raise file.bad(tables.CUT)
    if not found:
        raise file.bad(
            f"has no row of data.city {settings.city!r}; it has {', '.join(sorted(map(str, cities))[:50])}"
        )


def _records(
    file: RawFile, settings: UTD19, localiser: clock.Localiser, part: pa.Table, lines: np.ndarray
) -> Records:
    if part.column("day").null_count or part.column("detid").null_count:
        raise file.bad(f"line {lines[0]} or after: a row has no day or no detid")
    vd = part.column("detid").combine_chunks().dictionary_encode()
    names, index = tables.names_of(file, vd), vd.indices.to_numpy()
    seconds = tables.number(part, "interval")
    try:
        days, aware = clock.column(part.column("day").to_numpy(), None)
        if aware or (odd := days != days.astype("M8[D]")).any():
            raise ValueError(0 if aware else int(odd.argmax()), "its day has a time of day or an offset")
        if (odd := ~((seconds >= 0) & (seconds < clock.DAY))).any():
            raise ValueError(int(odd.argmax()), f"interval {seconds[odd.argmax()]:g} is no second of a day")
    except ValueError as error:
        at, what = error.args
        raise file.bad(f"line {lines[at]}: {what}") from None
    x = np.stack([tables.number(part, _COLUMN[name]) for name in settings.features], axis=1)
    time, exists = localiser.utc(days + seconds.astype("m8[s]"), np.array(names, object)[index], x)
    percent = OCCUPANCIES[settings.occupancy_unit or "%"]
    high = {"volume": np.inf, "speed": settings.max_speed, "occupancy": 100 / percent}
    cause = np.stack(
        [judge(x[:, f], settings.missing_codes, 0, high[name]) for f, name in enumerate(settings.features)],
        axis=1,
    )
    impossible = int((cause == IMPOSSIBLE).sum())
    if {"volume", "speed"} <= set(settings.features):
        v, s = settings.features.index("volume"), settings.features.index("speed")
        cause[(cause[:, v] == OBSERVED) & (x[:, v] == 0), s] = NO_VEHICLE
    if "error" in part.column_names:
        cause[tables.number(part, "error") == 1] = STATUS
    scale = [percent if name == "occupancy" else 1 for name in settings.features]
    return Records(
        vd_ids=names,
        vd=index[exists],
        time=time[exists],
        values=observed(x * scale, cause)[exists],
        cause=cause[exists],
        counts=clock.taken(localiser) + Counter(impossible_values=impossible),
    )
