"""Caltrans PeMS 5-minute station text: the clearinghouse's ``d07_text_station_5min_2024_05_01.txt.gz``.

No header; 12 columns (time MM/DD/YYYY, station, district, freeway, direction, lane type, length, samples,
per cent observed, total flow, average occupancy 0..1, average speed mph), then 5 per lane. The station's
own totals are read; where less than ``min_observed`` per cent of them was observed PeMS imputed them, and
they are missing here.
"""

import csv
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa

from vdcast.errors import InputError
from vdcast.ingest import clock, tables
from vdcast.ingest.detector_lists import by_name, lane_count
from vdcast.ingest.files import RawFile
from vdcast.ingest.lanes import per
from vdcast.ingest.records import IMPOSSIBLE, NO_VEHICLE, OBSERVED, STATUS, Records, judge, observed
from vdcast.params.formats import MPH, Listed, PemsStation

SUFFIXES = (".txt", ".csv")
ORDERED = False
HEAD, PER_LANE = 12, 5
_PRODUCT = re.compile(r"text_(station_[a-z0-9]+|[a-z]+)_\d", re.IGNORECASE)
_USED = {0: "time", 1: "station", 8: "observed", 9: "volume", 10: "occupancy", 11: "speed"}


def features(settings: PemsStation) -> tuple[tuple[str, str], ...]:
    return (("speed", "km/h"), ("volume", f"veh/{per(settings.interval)}"), ("occupancy", "%"))


def parse(file: RawFile, settings: PemsStation) -> Iterator[Records]:
    product = _PRODUCT.search(file.name.rpartition("/")[2])
    if product and product[1].lower() != "station_5min":
        raise file.bad(f"its name says {product[1]}, another product than station_5min")
    localiser = clock.Localiser(file, settings.time_zone, settings.interval)
    times: set[int] = set()
    with file.open() as stream:
        width = stream.peek(1 << 16).split(b"\n", 1)[0].count(b",") + 1
        if width < HEAD or (width - HEAD) % PER_LANE:
            raise file.bad(f"has {width} columns; PeMS station text has {HEAD}, then {PER_LANE} per lane")
        names = [_USED.get(i, f"column {i}") for i in range(width)]
        text = ("time", "station")
        types = {name: pa.string() if name in text else pa.float64() for name in _USED.values()}
        line = 1
        for part in tables.read_csv(file, stream, names, types, line):
            records = _records(file, settings, localiser, part, line)
            times.update(np.unique(records.time).tolist())
            yield records
            line += part.num_rows
        if not tables.ended(stream):
            raise file.bad(tables.CUT)
    spacing = int(np.gcd.reduce(np.diff(sorted(times)))) if len(times) > 2 else 0
    if spacing > settings.interval:
        raise file.bad(f"its times lie {spacing} s apart, not {settings.interval} s; it is another product")


def _records(
    file: RawFile, settings: PemsStation, localiser: clock.Localiser, part: pa.Table, line: int
) -> Records:
    if part.column("station").null_count or part.column("time").null_count:
        raise file.bad(f"line {line} or after: a row has no time or no station")
    station = part.column("station").combine_chunks().dictionary_encode()
    vd, names = station.indices.to_numpy(), tables.names_of(file, station)
    try:
        local, aware = clock.column(part.column("time").to_numpy(), "mdy")
        if aware:
            raise ValueError(0, "its time carries an offset, and these files' times are local")
    except ValueError as error:
        at, what = error.args
        raise file.bad(f"line {line + at}: {what}") from None
    x = np.stack([tables.number(part, name) for name in ("speed", "volume", "occupancy")], axis=1)
    time, exists = localiser.utc(local, np.array(names, object)[vd], x)
    values, cause, impossible = quantities(x, settings.missing_codes, settings.max_speed)
    imputed = ~(tables.number(part, "observed") >= settings.min_observed)
    cause[imputed] = STATUS
    return Records(
        vd_ids=names,
        vd=vd[exists],
        time=time[exists],
        values=observed(values, cause)[exists],
        cause=cause[exists],
        counts=clock.taken(localiser) + Counter(impossible_values=impossible),
    )


def quantities(x: np.ndarray, codes: Sequence[float], max_speed: float) -> tuple[np.ndarray, np.ndarray, int]:
    """Speed mph, volume, occupancy 0..1, (R, 3), as km/h, volume, %, judged: (R, 3) f8, causes (R, 3) u1, impossible."""
    highest = (max_speed / MPH, np.inf, 1)  # codes are those of the file, in its units
    cause = np.stack([judge(x[:, f], codes, 0, high) for f, high in enumerate(highest)], axis=1)
    impossible = int((cause == IMPOSSIBLE).sum())
    still = (cause[:, 1] == OBSERVED) & (x[:, 1] == 0)
    cause[still, 0] = NO_VEHICLE
    return x * [MPH, 1, 100], cause, impossible


def listed(path: Path) -> list[str]:
    """Every station of the metadata."""
    return list(dict.fromkeys(station for station, _ in _stations(path) if station))


def info(path: Path, vd_ids: Sequence[str], _: Listed) -> dict[str, np.ndarray]:
    """What the metadata says of each station."""
    rows = by_name(path.name, _stations(path), set(vd_ids))
    found = [rows.get(vd, {}) for vd in vd_ids]
    return {
        "lon": np.array([_float(row.get("Longitude")) for row in found], "f8"),
        "lat": np.array([_float(row.get("Latitude")) for row in found], "f8"),
        "road": np.array([row.get("Fwy") or "" for row in found], object),
        "direction": np.array([row.get("Dir") or "" for row in found], object),
        "lanes": np.array([lane_count(row.get("Lanes")) for row in found], "i4"),
    }


def _stations(path: Path) -> list[tuple[str, dict]]:
    """The clearinghouse's station metadata, ``d07_text_meta_2024_05_01.txt`` (tab-separated), each with its station."""
    try:
        with path.open(encoding="utf-8", errors="replace", newline="") as stream:
            rows = list(csv.DictReader(stream, delimiter="\t"))
    except csv.Error:
        rows = []
    if not rows or any(row.get("ID") is None for row in rows):
        raise InputError(
            f"'{path}' is not PeMS station metadata: tab-separated with ID, Fwy, Dir, Latitude ..."
        )
    return [(row["ID"], row) for row in rows]


def _float(text: str | None) -> float:
    try:
        return float(text or "nan")
    except ValueError:
        return np.nan
