"""Taiwan freeway M05A: speed and volume between ETC gantries, per vehicle type, every five minutes.

``TDCS_M05A_YYYYMMDD_HHMMSS.csv``, no header: local time, gantry from, gantry to, vehicle type, speed
km/h, vehicles. A segment is a detector, ``FROM-TO``. Volume is the sum over types; speed is the mean of
the types' speeds weighted by their volumes. A type without vehicles has no speed and does not count; one
with vehicles and speed 0 has an impossible one, as whoever passed two gantries moved.
"""

import itertools
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pyarrow.csv

from vdcast.errors import InputError
from vdcast.ingest import clock, tables
from vdcast.ingest.detector_lists import by_name, read_csv
from vdcast.ingest.files import RawFile
from vdcast.ingest.lanes import per
from vdcast.ingest.records import LaneValues, Records, by_lane
from vdcast.params.formats import Listed, TaiwanM05A

SUFFIXES = (".csv",)
ORDERED = False
TYPES = (31, 32, 41, 42, 5)
_COLUMNS = {
    "time": pa.string(),
    "from": pa.string(),
    "to": pa.string(),
    "type": pa.int64(),
    "speed": pa.float64(),
    "volume": pa.float64(),
}
_PRODUCT = re.compile(r"(?<![0-9A-Z])M0\d[A-Z](?![A-Z])", re.IGNORECASE)
_NAME = re.compile(r"(?<![0-9A-Z])M05A_(\d{8})_(\d{4})\d{2}(?!\d)", re.IGNORECASE)


def features(settings: TaiwanM05A) -> tuple[tuple[str, str], ...]:
    return (("speed", "km/h"), ("volume", f"veh/{per(settings.interval)}"))


def parse(file: RawFile, settings: TaiwanM05A) -> Iterator[Records]:
    if other := _products(file.name) - {"M05A"}:
        raise file.bad(f"its name says {', '.join(sorted(other))}, another product than M05A")
    # as a whole: the types of one segment are rows of their own
    rows = _table(file)
    for name in ("time", "from", "to", "type"):
        if rows.column(name).null_count:
            line = 1 + int(rows.column(name).is_null().to_numpy().argmax())
            raise file.bad(f"line {line}: lacks {name} of time, from, to, vehicle type, speed, volume")
    time = rows.column("time").combine_chunks().dictionary_encode()
    shape = _shape(
        *(_text(rows, name) for name in ("from", "to")),
        time.indices.to_numpy().tobytes(),
        rows.column("type").to_numpy().tobytes(),
        tuple(settings.vehicle_types),
    )
    if shape.unknown is not None:
        line, kind = shape.unknown
        raise file.bad(f"line {line}: vehicle type {kind} is none of {TYPES}")
    cells = np.full((2, shape.records * len(settings.vehicle_types)), np.nan)
    for i, name in enumerate(("speed", "volume")):
        cells[i, shape.cell] = rows.column(name).to_numpy()[shape.row]
    speed, volume = cells
    speed[(speed == 0) & (volume > 0)] = np.inf
    lanes = np.arange(len(speed))
    values, cause, impossible = by_lane(
        LaneValues(
            records=shape.records,
            record=lanes // len(settings.vehicle_types),
            speed=speed,
            occupancy=np.zeros(len(speed)),
            lane=lanes,
            volume=volume,
        ),
        codes=settings.missing_codes,
        max_speed=settings.max_speed,
        missing_when=settings.missing_when,
    )
    yield Records(
        vd_ids=shape.vd_ids,
        vd=shape.vd,
        time=_times(file, time, ZoneInfo(settings.time_zone))[shape.time],
        values=values[:, :2],
        cause=cause[:, :2],
        counts=Counter(impossible_values=impossible, duplicates=shape.repeated),
    )


def _products(name: str) -> set[str]:
    """What a file is called as: by its own name, or, where that says nothing, by the folder or archive around it."""
    said = (_PRODUCT.findall(part) for part in reversed(name.split("/")))
    return {product.upper() for product in next(filter(None, said), [])}


def _table(file: RawFile) -> pa.Table:
    data = file.read()
    try:
        rows = pa.csv.read_csv(
            pa.BufferReader(data),
            pa.csv.ReadOptions(use_threads=False, column_names=list(_COLUMNS), block_size=len(data) + 1),
            convert_options=pa.csv.ConvertOptions(
                column_types=_COLUMNS, null_values=[""], strings_can_be_null=True
            ),
        )
    except pa.ArrowException as error:
        raise file.bad(
            f"is not rows of time, from, to, vehicle type, speed, volume: {tables.in_lines(error, 1)}"
        ) from None
    if not data.endswith(b"\n"):
        raise file.bad(tables.CUT)
    return rows


def _text(table: pa.Table, name: str) -> tuple[bytes, bytes]:
    """A column of text as arrow holds it: where each value ends, and all of them in a row."""
    column = table.column(name).combine_chunks()
    _, ends, text = column.buffers()
    return ends.to_pybytes()[: 4 * len(column) + 4], text.to_pybytes()


@dataclass(frozen=True, kw_only=True)
class _Shape:
    """Where the rows of a file go: into R records, one per time and segment, of a cell per vehicle type."""

    vd_ids: list[str]
    vd: np.ndarray  # (R,)
    time: np.ndarray  # (R,) index of the distinct times
    records: int  # R
    row: np.ndarray  # (rows,) those of wanted types; of repeated ones the last
    cell: np.ndarray  # (rows,) where in (R * types,) they go
    repeated: int
    unknown: tuple[int, int] | None  # line and vehicle type


def _values(column: tuple[bytes, bytes]) -> list[str]:
    ends = np.frombuffer(column[0], "i4").tolist()
    return [column[1][a:b].decode("utf-8").strip() for a, b in itertools.pairwise(ends)]


@lru_cache(maxsize=4)  # the files of a month name the same segments in the same order
def _shape(froms: tuple, tos: tuple, time_of: bytes, kinds: bytes, wanted: tuple) -> _Shape:
    time, kind = np.frombuffer(time_of, "i4").astype("i8"), np.frombuffer(kinds, "i8")
    ends = zip(_values(froms), _values(tos), strict=True)
    index: dict[str, int] = {}
    segment = np.array([index.setdefault(f"{a}-{b}", len(index)) for a, b in ends])
    records, record = np.unique(time * len(index) + segment, return_inverse=True)
    columns = {kind: k for k, kind in enumerate(wanted)}
    column = np.array([columns.get(k, -1) for k in kind.tolist()])
    last = {cell: row for row, cell in enumerate((record * 100 + kind).tolist())}
    row = np.array([row for row in last.values() if column[row] >= 0], "i8")
    unknown = np.flatnonzero(~np.isin(kind, TYPES))
    return _Shape(
        vd_ids=list(index),
        vd=records % len(index),
        time=records // len(index),
        records=len(records),
        row=row,
        cell=record[row] * len(wanted) + column[row],
        repeated=len(kind) - len(last),
        unknown=(int(unknown[0]) + 1, int(kind[unknown[0]])) if len(unknown) else None,
    )


def _times(file: RawFile, time: pa.DictionaryArray, zone: ZoneInfo) -> np.ndarray:
    """Unix seconds of the different times in a file, which must be what its name says, where it says one."""
    named = _named(file, zone)
    times = []
    for i, text in enumerate(time.dictionary.to_pylist()):
        try:
            times.append(clock.instant(text, zone))
            if named not in (None, times[-1]):
                raise ValueError(f"time {text!r} is not that of the file's name")
        except ValueError as error:
            raise file.bad(f"line {1 + int((time.indices.to_numpy() == i).argmax())}: {error}") from None
    return np.array(times, "i8")


def _named(file: RawFile, zone: ZoneInfo) -> int | None:
    """Unix seconds of the time in the file's name."""
    if not (found := _NAME.search(file.name.rpartition("/")[2])):
        return None
    day, minute = found.groups()
    try:
        return clock.instant(f"{day[:4]}-{day[4:6]}-{day[6:]} {minute[:2]}:{minute[2:]}", zone)
    except ValueError as error:
        raise file.bad(f"its name holds no time: {error}") from None


def info(path: Path, vd_ids: Sequence[str], _: Listed) -> dict[str, np.ndarray]:
    """From the bureau's gantry table: the middle between both gantries, road and direction of the first."""
    named = [vd.split("-", 1) for vd in vd_ids]
    gantries = by_name(path.name, _gantries(path), {end for pair in named for end in pair})
    nothing = {"lon": np.nan, "lat": np.nan, "road": "", "direction": ""}
    ends = [[gantries.get(end, nothing) for end in pair] for pair in named]
    return {
        "lon": np.array([np.mean([end["lon"] for end in pair]) for pair in ends], "f8"),
        "lat": np.array([np.mean([end["lat"] for end in pair]) for pair in ends], "f8"),
        "road": np.array([pair[0]["road"] for pair in ends], object),
        "direction": np.array([pair[0]["direction"] for pair in ends], object),
    }


def _gantries(path: Path) -> list[tuple[str, dict]]:
    try:
        return [
            (
                row["設定收費區代碼"].strip(),
                {
                    "lon": float(row["經度"]),
                    "lat": float(row["緯度"]),
                    "road": row["國道別"].strip(),
                    "direction": row["方向"].strip(),
                },
            )
            for row in read_csv(path.read_bytes())
            if row["設定收費區代碼"]
        ]
    except (KeyError, ValueError, TypeError, AttributeError) as error:
        raise InputError(
            f"'{path.name}' is not the gantry table, CSV with columns 設定收費區代碼, 經度, 緯度, 國道別, 方向 ({error})"
        ) from None
