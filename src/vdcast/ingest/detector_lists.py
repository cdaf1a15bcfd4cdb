"""The static list of VDs of the Taiwanese standard v2: where each lies."""

import contextlib
import csv
import io
from collections.abc import Sequence
from pathlib import Path

import msgspec
import numpy as np

from vdcast.ingest import json_keys, xml_tables
from vdcast.ingest.files import RawFile
from vdcast.ingest.lanes import MOST_LANES, NAMESPACE, json_errors, kind
from vdcast.ingest.xml_tables import BOM

# --- the static list -------------------------------------------------------------------------------


def listed(path: Path) -> list[str]:
    """Every VD of the list."""
    return list(dict.fromkeys(row["VDID"] for row in read_vd_list(path)))


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
    file = RawFile(path, None, path.name, path.stat().st_size, "")
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
