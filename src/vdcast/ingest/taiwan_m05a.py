"""Taiwan freeway M05A: speed and volume between ETC gantries, per vehicle type, every five minutes.

``TDCS_M05A_YYYYMMDD_HHMMSS.csv``, no header: local time, gantry from, gantry to, vehicle type, speed
km/h, vehicles. A segment is a detector, ``FROM-TO``. Volume is the sum over types; speed is the mean of
the types' speeds weighted by their volumes. A type without vehicles has no speed and does not count; one
with vehicles and speed 0 has an impossible one, as whoever passed two gantries moved.
"""

import csv
import io
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pyarrow.compute

from vdcast.errors import InputError
from vdcast.ingest import clock, tables, taiwan
from vdcast.ingest.files import RawFile
from vdcast.ingest.records import Records, by_lane
from vdcast.params import TaiwanM05A

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
_NAME = re.compile(r"M05A_(\d{8})_(\d{4})\d{2}")


def features(settings: TaiwanM05A) -> tuple[tuple[str, str], ...]:
    return (("speed", "km/h"), ("volume", f"veh/{taiwan.per(settings.interval)}"))


def parse(file: RawFile, settings: TaiwanM05A) -> Iterator[Records]:
    zone = ZoneInfo(settings.time_zone)
    with file.open() as stream:
        # as a whole: the types of one segment are rows of their own
        parts = list(tables.read_csv(file, stream, "utf-8", list(_COLUMNS), _COLUMNS))
    yield _records(file, settings, zone, pa.concat_tables(parts, promote_options="none"))


def _records(file: RawFile, settings: TaiwanM05A, zone: ZoneInfo, table: pa.Table) -> Records:
    for name in ("time", "from", "to", "type"):
        if table.column(name).null_count:
            raise file.bad(
                f"has a row without {name}; every row is time, from, to, vehicle type, speed, volume"
            )
    time_of = table.column("time").combine_chunks().dictionary_encode()
    times = _times(file, time_of.dictionary.to_pylist(), zone)
    segment = pa.compute.binary_join_element_wise(table.column("from"), table.column("to"), "-")
    segment = segment.combine_chunks().dictionary_encode()
    vd_ids = segment.dictionary.to_pylist()
    kind = table.column("type").to_numpy()
    if (unknown := ~np.isin(kind, TYPES)).any():
        raise file.bad(
            f"line {int(unknown.argmax()) + 1}: vehicle type {kind[unknown][0]} is none of {TYPES}"
        )

    # one cell per time, segment and type; of repeated rows the last one stands
    K, V = len(settings.vehicle_types), len(vd_ids)
    group = time_of.indices.to_numpy().astype("i8") * V + segment.indices.to_numpy()
    groups, row = np.unique(group, return_inverse=True)  # (G,), (N,)
    cells = np.full((2, len(groups), K), np.nan)
    wanted = np.isin(kind, settings.vehicle_types)
    order = np.argsort(settings.vehicle_types)
    k = order[np.searchsorted(settings.vehicle_types, kind[wanted], sorter=order)]
    for i, name in enumerate(("speed", "volume")):
        cells[i, row[wanted], k] = table.column(name).to_numpy()[wanted]
    speed, volume = cells.reshape(2, -1)
    speed[(speed == 0) & (volume > 0)] = np.inf
    values, cause, impossible = by_lane(
        groups=len(groups),
        group=np.repeat(np.arange(len(groups)), K),
        speed=speed,
        occupancy=np.zeros(len(speed)),
        lane=np.arange(len(speed)),
        volume=volume,
        codes=settings.missing_codes,
        max_speed=settings.max_speed,
        missing_when=settings.missing_when,
    )
    repeated = len(kind) - len(np.unique(group * 100 + kind))
    return Records(
        vd_ids=vd_ids,
        vd=groups % V,
        time=times[groups // V],
        values=values[:, :2],
        cause=cause[:, :2],
        counts=Counter(impossible_values=impossible, duplicates=repeated),
    )


def _times(file: RawFile, texts: Sequence[str], zone: ZoneInfo) -> np.ndarray:
    """Unix seconds of the times in a file; they must be what its name says, where it follows the pattern."""
    try:
        times = np.array([clock.instant(text, zone) for text in texts], "i8")
        if found := _NAME.search(file.name.rpartition("/")[2]):
            day, minute = found.groups()
            named = clock.instant(f"{day[:4]}-{day[4:6]}-{day[6:]} {minute[:2]}:{minute[2:]}", zone)
            if (times != named).any():
                raise ValueError(
                    f"a row's time {texts[int((times != named).argmax())]!r} is not that of its name"
                )
    except ValueError as error:
        raise file.bad(str(error)) from None
    return times


def info(settings: TaiwanM05A, vd_ids: Sequence[str]) -> dict[str, np.ndarray]:
    """From the bureau's gantry table: the middle between both gantries, road and direction of the first."""
    if settings.gantries is None:
        return {}
    gantries = _gantries(Path(settings.gantries))
    nothing = {"lon": np.nan, "lat": np.nan, "road": "", "direction": ""}
    ends = [[gantries.get(end, nothing) for end in vd.split("-", 1)] for vd in vd_ids]
    return {
        "lon": np.array([np.mean([end["lon"] for end in pair]) for pair in ends], "f8"),
        "lat": np.array([np.mean([end["lat"] for end in pair]) for pair in ends], "f8"),
        "road": np.array([pair[0]["road"] for pair in ends], "U"),
        "direction": np.array([pair[0]["direction"] for pair in ends], "U"),
    }


def _gantries(path: Path) -> dict[str, dict]:
    if not path.is_file():
        raise InputError(f"data.gantries '{path}' does not exist")
    data = path.read_bytes()
    for encoding in ("utf-8-sig", "cp950"):
        try:
            rows = list(csv.DictReader(io.StringIO(data.decode(encoding))))
            return {
                row["設定收費區代碼"].strip(): {
                    "lon": float(row["經度"]),
                    "lat": float(row["緯度"]),
                    "road": row["國道別"].strip(),
                    "direction": row["方向"].strip(),
                }
                for row in rows
                if row["設定收費區代碼"]
            }
        except UnicodeDecodeError:
            continue
        except (KeyError, ValueError, TypeError, AttributeError) as error:
            raise InputError(
                f"'{path.name}' is not the gantry table: columns 設定收費區代碼, 經度, 緯度, 國道別, 方向 ({error})"
            ) from None
    raise InputError(f"'{path.name}' is neither UTF-8 nor cp950 text")
