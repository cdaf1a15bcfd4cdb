"""What the Taiwanese detector standards share: lanes of VDs in one snapshot, to records; the VD list."""

import contextlib
import csv
import io
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from zoneinfo import ZoneInfo

import msgspec
import numpy as np
import pyarrow as pa

from vdcast.ingest import clock, xml_tables
from vdcast.ingest.files import RawFile
from vdcast.ingest.records import STATUS, Records, by_lane, observed
from vdcast.ingest.xml_tables import BOM
from vdcast.params import TaiwanLanes

NAMESPACE = "http://traffic.transportdata.tw/standard/traffic/schema/"
AHEAD = 300  # seconds that a record may be newer than its snapshot: clocks differ


@dataclass
class Lanes:
    """One snapshot: G detectors, L lanes, M vehicle classes of a lane; numbers are f8, NaN where absent."""

    updated: str | None  # time of the snapshot
    interval: np.ndarray  # () seconds
    ids: list[str]  # per detector
    times: list[str]
    status: np.ndarray  # (G,)
    detector: np.ndarray  # (L,) i8
    speed: np.ndarray  # (L,)
    occupancy: np.ndarray  # (L,)
    lane: np.ndarray  # (M,) i8
    volume: np.ndarray  # (M,)


def features(settings: TaiwanLanes) -> tuple[tuple[str, str], ...]:
    return (("speed", "km/h"), ("volume", f"veh/{per(settings.interval)}"), ("occupancy", "%"))


def per(interval: int) -> str:
    """What a volume is counted over: 300 s is 5min."""
    return f"{interval // 60}min" if interval % 60 == 0 else f"{interval}s"


def records(file: RawFile, settings: TaiwanLanes, lanes: Lanes, shift: int = 0) -> Records:
    """The records of a snapshot; its times, less ``shift`` seconds, are starts of intervals.

    Raises InputError for a time that is none, and for another interval than the settings'.
    """
    zone = ZoneInfo(settings.time_zone)
    interval = lanes.interval
    if np.isfinite(interval) and interval != settings.interval:
        raise file.bad(
            f"is a snapshot per {interval:g} s; set data.interval to that ({settings.interval} now)"
        )
    times = {text: _time(file, lanes, text, zone) for text in set(lanes.times)}
    time = np.array([times[text] for text in lanes.times], "i8") - shift
    values, cause, impossible = by_lane(
        groups=len(lanes.ids),
        group=lanes.detector,
        speed=lanes.speed,
        occupancy=lanes.occupancy,
        lane=lanes.lane,
        volume=lanes.volume,
        codes=settings.missing_codes,
        max_speed=settings.max_speed,
        missing_when=settings.missing_when,
    )
    cause[np.nan_to_num(lanes.status) != 0] = STATUS  # an absent one says nothing
    keep = np.ones(len(time), bool)
    if lanes.updated is not None:
        updated = _time(file, lanes, lanes.updated, zone)
        keep = (time + shift >= updated - settings.max_age) & (time + shift <= updated + AHEAD)
    return Records(
        vd_ids=_unique(lanes.ids, keep),
        vd=_indices(lanes.ids, keep),
        time=time[keep],
        values=observed(values, cause)[keep],
        cause=cause[keep],
        counts=Counter(impossible_values=impossible, stale=int((~keep).sum())),
    )


def _unique(ids: list, keep: np.ndarray) -> list[str]:
    return list(dict.fromkeys(vd for vd, k in zip(ids, keep.tolist(), strict=True) if k))


def _indices(ids: list, keep: np.ndarray) -> np.ndarray:
    index = {vd: i for i, vd in enumerate(_unique(ids, keep))}
    return np.array([index[vd] for vd, k in zip(ids, keep.tolist(), strict=True) if k], "i8")


def numbers(file: RawFile, what: str, values: list | pa.Array) -> np.ndarray:
    """Numbers, or text of them, as f8, NaN where absent. Raises InputError for what is none."""
    if isinstance(values, pa.Array):  # of text, in which few different ones repeat
        coded = values.dictionary_encode("encode")
        return numbers(file, what, coded.dictionary.to_pylist())[coded.indices.to_numpy()]
    try:
        plain = set(map(type, values)) <= _NUMBER
        return np.array(values if plain else [_number(value) for value in values], "f8")
    except (ValueError, OverflowError) as error:
        raise file.bad(f"{what} {error}") from None


_NUMBER = {int, float, type(None)}
_NUMERAL = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?")


@lru_cache(maxsize=4096)
def _number(value) -> float:
    if value is None or type(value) in _NUMBER:
        return np.nan if value is None else float(value)
    if isinstance(value, str):
        text = value.strip()
        if not text:
            return np.nan
        if len(text) <= 40 and text.isascii() and _NUMERAL.fullmatch(text):
            return float(text)
    raise ValueError(f"is {str(value)[:40]!r}, not a number")


def _time(file: RawFile, lanes: Lanes, text, zone: ZoneInfo) -> int:
    try:
        if not isinstance(text, str):
            raise ValueError(f"{text!r} is not a time like 2026-10-01T05:07:11+08:00")
        return clock.instant(text, zone)
    except ValueError as error:
        owner = lanes.ids[lanes.times.index(text)] if text in lanes.times else "the snapshot"
        raise file.bad(f"time of {owner}: {error}") from None


def names(file: RawFile, ids: list[str | None], times: list[str | None]) -> tuple[list[str], list[str]]:
    """Ids and times of the VDs of a snapshot in XML. Raises InputError for one that lacks its own."""
    ids = [(vd or "").strip() for vd in ids]
    for number, (vd, time) in enumerate(zip(ids, times, strict=True), 1):
        if not vd or not time:
            raise file.bad(f"VD number {number} has no id or no time")
    return ids, times


@contextlib.contextmanager
def json_errors(file: RawFile, what: str) -> Iterator[None]:
    """Turn what is wrong with a JSON document, or where it is not ``what``, into one sentence."""
    try:
        yield
    except msgspec.ValidationError as error:
        raise file.bad(f"is no {what} of the standard v2: {error}") from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise file.bad(f"is not valid JSON: {error}") from None


def kind(file: RawFile, data: bytes) -> str:
    """What the content is, whatever the name says: json or xml."""
    start = data.removeprefix(BOM).lstrip()[:1]
    if start in (b"{", b"["):
        return "json"
    if start == b"<" or data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return "xml"
    raise file.bad(f"is neither JSON nor XML; it begins with {data[:20]!r}")


# --- the static list -------------------------------------------------------------------------------


def vd_info(path: Path, vd_ids: Sequence[str]) -> dict[str, np.ndarray]:
    """What the list of VDs knows of each: lon, lat, road, direction, lanes; NaN, "" or 0 where nothing."""
    rows = read_vd_list(path)
    by_vd: dict[str, list[dict]] = {}
    for row in rows:
        by_vd.setdefault(row["VDID"], []).append(row)
        by_vd.setdefault(f"{row['VDID']}/{row.get('LinkID')}", []).append(row)
    found = [by_vd.get(vd, []) for vd in vd_ids]
    return {
        "lon": np.array([_coordinate(links, "PositionLon", 180) for links in found], "f8"),
        "lat": np.array([_coordinate(links, "PositionLat", 90) for links in found], "f8"),
        "road": np.array([_text(links, "RoadName") for links in found], "U"),
        "direction": np.array([_text(links, "RoadDirection") for links in found], "U"),
        "lanes": np.array([sum(_lanes(link) for link in links) for links in found], "i4"),
    }


def _coordinate(links: list[dict], name: str, limit: float) -> float:
    try:
        value = float(links[0].get(name) or "nan") if links else np.nan
    except (TypeError, ValueError):
        return np.nan
    return value if 0 < abs(value) <= limit else np.nan


def _text(links: list[dict], name: str) -> str:
    return "+".join(dict.fromkeys(str(link[name]) for link in links if link.get(name)))


def _lanes(link: dict) -> int:
    try:
        return int(link.get("LaneNum") or link.get("LaneNumber") or 0)
    except (TypeError, ValueError):
        return 0


def read_vd_list(path: Path) -> list[dict]:
    """A row per detection link of each VD, from the list's JSON, XML, or CSV (UTF-8 or cp950) flavour.

    Raises InputError for a file that is none of them.
    """
    file = RawFile(path, None, path.name, path.stat().st_size, "")
    data = file.read()
    if data.removeprefix(BOM)[:4] == b"VDID":
        rows = _list_csv(file, data)
    else:
        rows = _list_json(file, data) if kind(file, data) == "json" else _list_xml(file, data)
    if not rows or not all(row.get("VDID") for row in rows):
        raise file.bad("is no VD list of the standard v2: VDs with VDID and DetectionLinks")
    return rows


class _Link(msgspec.Struct):
    LinkID: str | None = None
    RoadDirection: str | None = None
    LaneNum: float | str | None = None
    LaneNumber: float | str | None = None


class _VD(msgspec.Struct):
    VDID: str
    DetectionLinks: list[_Link] | None = None
    PositionLon: float | str | None = None
    PositionLat: float | str | None = None
    RoadName: str | None = None


class _VDList(msgspec.Struct):
    VDs: list[_VD]


def _list_json(file: RawFile, data: bytes) -> list[dict]:
    data = data.removeprefix(BOM).lstrip()
    with json_errors(file, "VD list"):
        bare = data[:1] == b"["
        vds = (
            msgspec.json.decode(data, type=list[_VD]) if bare else msgspec.json.decode(data, type=_VDList).VDs
        )
    return [
        {**msgspec.structs.asdict(vd), **(msgspec.structs.asdict(link) if link else {})}
        for vd in vds
        for link in vd.DetectionLinks or [None]
    ]


def _list_xml(file: RawFile, data: bytes) -> list[dict]:
    tables = xml_tables.read(file, data, "taiwan_vd_list", "VDList", "VDs", NAMESPACE)
    vds, links = tables["vds"].to_pylist(), tables["links"].to_pylist()
    links_of: dict[int, list[dict]] = {}
    for vd, link in zip(
        xml_tables.parents(file, tables["vds"], tables["links"]).tolist(), links, strict=True
    ):
        links_of.setdefault(vd, []).append(link)
    rows = [{**vd, **link} for i, vd in enumerate(vds) for link in links_of.get(i, [{}])]
    return [{name: text.strip() for name, text in row.items() if isinstance(text, str)} for row in rows]


def _list_csv(file: RawFile, data: bytes) -> list[dict]:
    try:
        return read_csv(data)
    except ValueError as error:
        raise file.bad(str(error)) from None


def read_csv(data: bytes) -> list[dict]:
    """Rows of a CSV with a header, in UTF-8 or, as older tables of Taiwan are, cp950. Raises ValueError."""
    for encoding in ("utf-8-sig", "cp950"):
        with contextlib.suppress(UnicodeDecodeError):
            text = data.decode(encoding)
            try:
                return list(csv.DictReader(io.StringIO(text, newline="")))
            except csv.Error as error:
                raise ValueError(f"is no CSV ({error})") from None
    raise ValueError("is neither UTF-8 nor cp950 text")
