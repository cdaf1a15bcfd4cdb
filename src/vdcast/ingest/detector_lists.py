"""The static list of VDs of the Taiwanese standard v2: where each lies."""

import contextlib
import csv
import io
from collections.abc import Iterable, Sequence
from pathlib import Path

import msgspec
import numpy as np

from vdcast.errors import InputError
from vdcast.ingest import json_keys, xml_tables
from vdcast.ingest.files import RawFile
from vdcast.ingest.lanes import MOST_LANES, NAMESPACE, json_errors, kind
from vdcast.ingest.xml_tables import BOM
from vdcast.params.formats import Listed

# --- the static list -------------------------------------------------------------------------------


def listed(path: Path) -> list[str]:
    """Every VD of the list."""
    return list(dict.fromkeys(row["VDID"] for row in read_vd_list(path)))


def vd_info(path: Path, vd_ids: Sequence[str], _: Listed | None = None) -> dict[str, np.ndarray]:
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
        "road": np.array([_text(links, "RoadName") for links in found], object),
        "direction": np.array([_text(links, "RoadDirection") for links in found], object),
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
    return lane_count(link.get("LaneNum") or link.get("LaneNumber"))


def lane_count(value: float | str | None) -> int:
    """A number of lanes; 0 for what is none, as no road has more than ``MOST_LANES``."""
    try:
        number = float(value or 0)
    except ValueError:
        return 0
    return int(number) if 0 <= number <= MOST_LANES else 0


def read_vd_list(path: Path) -> list[dict]:
    """A row per detection link of each VD, from the list's JSON, XML, or CSV (UTF-8 or cp950) flavour.

    Raises InputError for a file that is none of them.
    """
    file = RawFile(path=path, name=path.name, size=path.stat().st_size)
    data = file.read()
    if data.removeprefix(BOM).lstrip()[:1] not in (b"{", b"[", b"<") and b"VDID" in data.split(b"\n", 1)[0]:
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
    json_keys.check(file, data)
    with json_errors(file, "VD list"):
        bare = data[:1] == b"["
        vds = (
            msgspec.json.decode(data, type=list[_VD]) if bare else msgspec.json.decode(data, type=_VDList).VDs
        )
    return [
        {**msgspec.structs.asdict(vd), **(msgspec.structs.asdict(link) if link else {})}
        for vd in vds
        for link in vd.DetectionLinks or (None,)
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


def read_csv(data: bytes, delimiter: str = ",") -> list[dict]:
    """Rows of a CSV with a header, in UTF-8 or, as older tables of Taiwan are, cp950. Raises ValueError."""
    for encoding in ("utf-8-sig", "cp950"):
        with contextlib.suppress(UnicodeDecodeError):
            text = data.decode(encoding)
            try:
                return list(csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter))
            except csv.Error as error:
                raise ValueError(f"is no CSV ({error})") from None
    raise ValueError("is neither UTF-8 nor cp950 text")


# --- the list of a plain table ---------------------------------------------------------------------

_COLUMNS = {  # what a column may be called, in small letters; the first that there is counts
    "lon": ("lon", "longitude", "lng", "long", "positionlon"),
    "lat": ("lat", "latitude", "positionlat"),
    "road": ("road", "roadname", "fwy", "freeway"),
    "direction": ("direction", "dir", "roaddirection"),
    "lanes": ("lanes", "lanenum", "lane_count"),
}


def table_info(path: Path, vd_ids: Sequence[str], settings: Listed) -> dict[str, np.ndarray]:
    """What a CSV with a row per detector knows of each: lon, lat, road, direction, lanes; NaN, "" or 0 where nothing.

    The detectors' names stand in the one column that holds them. Raises InputError where none does, or several do.
    """
    rows = [row for row in _table(path) if settings.lists(row)]
    wanted = set(vd_ids)
    names = list(dict.fromkeys(name for row in rows for name in row if name is not None))
    held = {name: len(wanted & {(row.get(name) or "").strip() for row in rows}) for name in names}
    most = max(held.values())
    columns = [name for name, n in held.items() if n == most]
    if not most or len(columns) != 1:
        what = f"columns {' and '.join(columns)} both hold" if most else "no column holds"
        raise InputError(f"data.vd_list '{path.name}': {what} the names of the detectors, as {vd_ids[0]!r}")
    column = {name.strip().lower(): name for name in names}
    known = {
        what: next((column[n] for n in called if n in column), None) for what, called in _COLUMNS.items()
    }
    by_vd = by_name(
        path.name,
        (
            (
                (row.get(columns[0]) or "").strip(),
                {what: str(row.get(name) or "").strip() if name else "" for what, name in known.items()},
            )
            for row in rows
        ),
        wanted,
    )

    def cells(what: str) -> list[str]:
        return [by_vd[vd][what] if vd in by_vd else "" for vd in vd_ids]

    return {
        "lon": np.array([_degrees(cell, 180) for cell in cells("lon")], "f8"),
        "lat": np.array([_degrees(cell, 90) for cell in cells("lat")], "f8"),
        "road": np.array(cells("road"), object),
        "direction": np.array(cells("direction"), object),
        "lanes": np.array([lane_count(cell) for cell in cells("lanes")], "i4"),
    }


def by_name(file: str, rows: Iterable[tuple[str, dict]], wanted: set[str]) -> dict[str, dict]:
    """The row of each name of ``wanted``. Raises InputError where several differ: which is meant nobody knows."""
    found: dict[str, dict] = {}
    for name, row in rows:
        if name in wanted and found.setdefault(name, row) != row:
            raise InputError(
                f"data.vd_list '{file}' has rows of {name[:40]!r} that differ; leave the one that is meant in it"
            )
    return found


def _degrees(cell: str, limit: float) -> float:
    """A coordinate, with whatever mark of decimals: there are no thousands of degrees."""
    return _coordinate([{"at": cell.replace(",", ".")}], "at", limit)


def _table(path: Path) -> list[dict]:
    """The rows of a JSON list, or of a CSV, split by whichever of comma, semicolon and tab splits its first line most."""
    file = RawFile(path=path, name=path.name, size=path.stat().st_size)
    data = file.read().removeprefix(BOM)
    if data.lstrip()[:1] in (b"{", b"["):
        json_keys.check(file, data)
        with json_errors(file, "list of detectors"):
            document = msgspec.json.decode(data)
        lists = (
            [document]
            if isinstance(document, list)
            else [x for x in document.values() if isinstance(x, list)]
        )
        if len(lists) != 1 or not lists[0] or not all(isinstance(row, dict) for row in lists[0]):
            raise file.bad("holds no one list of detectors")
        return [{name: str(value) for name, value in row.items() if value is not None} for row in lists[0]]
    try:
        first = data.split(b"\n", 1)[0]
        rows = read_csv(data, max(",;\t", key=lambda mark: first.count(mark.encode())))
    except ValueError as error:
        raise InputError(f"data.vd_list '{path.name}' {error}") from None
    if not rows:
        raise InputError(f"data.vd_list '{path.name}' is no CSV with a header and a row per detector")
    return rows
