"""Taiwan VDLive, MOTC standard v2: a snapshot of every VD a minute, as JSON or XML.

``VDLives > VDLive(VDID, Status, DataCollectTime) > LinkFlows > LinkFlow(LinkID) > Lanes > Lane(Speed,
Occupancy) > Vehicles > Vehicle(Volume)``; the JSON lists carry no wrapper. Records are floored to the
interval by their own DataCollectTime, which differs between the VDs of one snapshot.
"""

from collections import Counter
from collections.abc import Iterator
from typing import Annotated, Any

import msgspec
import numpy as np

from vdcast.ingest import json_keys, xml_tables
from vdcast.ingest.detector_lists import listed
from vdcast.ingest.detector_lists import vd_info as info
from vdcast.ingest.files import RawFile
from vdcast.ingest.lanes import (
    NAMESPACE,
    Lanes,
    error_types,
    features,
    gathered,
    json_errors,
    kind,
    names,
    numbers,
    records,
    together,
)
from vdcast.ingest.records import Records
from vdcast.ingest.xml_tables import BOM
from vdcast.params.formats import TaiwanVDLive

__all__ = ["ORDERED", "SUFFIXES", "features", "info", "listed", "parse"]

SUFFIXES = (".json", ".jsonl", ".ndjson", ".xml")
ORDERED = False


def parse(file: RawFile, settings: TaiwanVDLive) -> Iterator[Records]:
    data = file.read()
    by_link = settings.per == "link"
    counts = error_types(data)
    for lanes in _read(file, data, by_link):
        lanes.counts += counts
        counts = Counter()
        yield records(file, settings, lanes)


def _read(file: RawFile, data: bytes, by_link: bool) -> Iterator[Lanes]:
    """The lanes of each snapshot in a file."""
    if kind(file, data) == "xml":
        yield from_xml(file, data, by_link)
    else:
        snapshots = _snapshots(file, data)
        if len(snapshots) > 1 or not _regular(snapshots[0], data):
            json_keys.check(file, data)
        yield from (_lanes(file, snapshot, by_link) for snapshot in snapshots)


# The schema of the JSON flavour, as far as it is read. Decoding into it is several times faster than into
# dicts, and whatever follows another schema is refused with its path.
Number = float | str | None


class _Part(msgspec.Struct, gc=False):
    """A part of a snapshot; the fields that are not declared are skipped."""


class Vehicle(_Part):
    Volume: Number = None


class Lane(_Part):
    Speed: Number = None
    Occupancy: Number = None
    Vehicles: list[Vehicle] | None = None


class LinkFlow(_Part):
    LinkID: str | None = None
    Lanes: list[Lane] | None = None


class VDLive(_Part):
    VDID: Annotated[str, msgspec.Meta(pattern=r"\S")]
    DataCollectTime: str | None = None
    Status: Number = None
    LinkFlows: list[LinkFlow] | None = None


class Snapshot(_Part):
    VDLives: list[VDLive]
    UpdateTime: str | None = None
    UpdateInterval: Number = None


class Line(VDLive):
    """A VD in a file of JSON lines, which says of itself what a snapshot says of all."""

    UpdateTime: str | None = None
    UpdateInterval: Number = None


_WHOLE, _BARE = msgspec.json.Decoder(Snapshot), msgspec.json.Decoder(list[VDLive])
_LINES, _KEYS = msgspec.json.Decoder(Line), msgspec.json.Decoder(dict[str, msgspec.Raw])


def _snapshots(file: RawFile, data: bytes) -> list[Snapshot]:
    """The snapshots of a JSON file: one, or with a VD, or a snapshot, per line. Raises InputError for another schema."""
    data = data.removeprefix(BOM).lstrip()
    with json_errors(file, "VDLive snapshot"):
        if data[:1] == b"[":
            return [Snapshot(_BARE.decode(data))]
        if not _has_lines(data):
            return [_WHOLE.decode(data)]
        if "VDLives" in _KEYS.decode(data.split(b"\n", 1)[0]):
            return _WHOLE.decode_lines(data)
        together: dict[tuple, list[VDLive]] = {}
        for vd in _LINES.decode_lines(data):
            together.setdefault((vd.UpdateTime, vd.UpdateInterval), []).append(vd)
        return [Snapshot(vds, *head) for head, vds in together.items()]


def _has_lines(data: bytes) -> bool:
    """Whether each line is a JSON document of its own: the first one is a VD, or there are more of them."""
    first, _, rest = data.partition(b"\n")
    if not rest.strip() and b'"VDLives"' in first:  # a snapshot without a line break need not be read twice
        return False
    try:
        keys = _KEYS.decode(first)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return False
    return bool(rest.strip()) or "VDID" in keys


def _lanes(file: RawFile, snapshot: Snapshot, by_link: bool) -> Lanes:
    """The lanes of a JSON snapshot."""
    columns: list[list[Any]] = [[] for _ in range(8)]
    ids, times, status, detector, speed, occupancy, vehicles, volume = columns
    for vd in snapshot.VDLives:
        links = vd.LinkFlows or []
        for part in [[link] for link in links] if by_link and links else [links]:
            name = vd.VDID.strip()
            for link in part:
                watched = link.Lanes or ()
                detector += [len(ids)] * len(watched)
                for each in watched:
                    classes = each.Vehicles or ()
                    speed.append(each.Speed)
                    occupancy.append(each.Occupancy)
                    vehicles.append(len(classes))
                    volume += [vehicle.Volume for vehicle in classes]
            ids.append(f"{name}/{part[0].LinkID or ''}" if by_link and links else name)
            times.append(vd.DataCollectTime)
            status.append(vd.Status)
    lane = np.repeat(np.arange(len(vehicles)), np.array(vehicles, "i8"))

    def of_lane(at: int) -> str:
        return ids[detector[at]]

    lanes = Lanes(
        updated=snapshot.UpdateTime,
        interval=numbers(file, "the snapshot's interval", [snapshot.UpdateInterval])[0],
        ids=ids,
        times=times,
        status=numbers(file, "Status", status, ids.__getitem__),
        detector=np.array(detector, "i8"),
        speed=numbers(file, "Speed", speed, of_lane),
        occupancy=numbers(file, "Occupancy", occupancy, of_lane),
        lane=lane,
        volume=numbers(file, "Volume", volume, lambda at: of_lane(lane[at])),
    )
    if by_link:
        return lanes
    return together(lanes, lambda: [{link.LinkID for link in vd.LinkFlows or ()} for vd in snapshot.VDLives])


def _regular(snapshot: Snapshot, data: bytes) -> bool:
    """Whether no object of a snapshot lacks a key, and each key stands as often as there are such objects.

    An object that has a key twice could hide behind one that lacks it, or behind another spelling of the key.
    """
    vds = snapshot.VDLives
    links = [link for vd in vds for link in vd.LinkFlows or ()]
    lanes = [lane for link in links for lane in link.Lanes or ()]
    classes = [each for lane in lanes for each in lane.Vehicles or ()]
    if (
        b"\\u00" in data  # an ASCII letter written by its number
        or any(data.count(b'"%s"' % head) > 1 for head in (b"UpdateTime", b"UpdateInterval", b"VDLives"))
        or any(None in (vd.DataCollectTime, vd.Status, vd.LinkFlows) for vd in vds)
        or any(None in (link.LinkID, link.Lanes) for link in links)
        or any(None in (lane.Speed, lane.Occupancy, lane.Vehicles) for lane in lanes)
        or any(each.Volume is None for each in classes)
    ):
        return False
    with_speed = (
        len(classes) if data.count(b'"Speed"') > len(lanes) else 0
    )  # some classes have speeds of their own
    return json_keys.regular(
        data,
        {
            **dict.fromkeys(("VDID", "DataCollectTime", "Status", "LinkFlows"), len(vds)),
            **dict.fromkeys(("LinkID", "Lanes"), len(links)),
            **dict.fromkeys(("Occupancy", "Vehicles"), len(lanes)),
            "Speed": len(lanes) + with_speed,
            "Volume": len(classes),
        },
    )


def from_xml(file: RawFile, data: bytes, by_link: bool) -> Lanes:
    """The lanes of an XML snapshot. Raises InputError for another schema."""
    tables = xml_tables.read(file, data, "taiwan_vdlive", "VDLiveList", "VDLives", NAMESPACE)
    snapshot, vds, links, lanes, vehicles = tables.values()
    owners, times = names(file, vds.column("id").to_pylist()), vds.column("time").to_pylist()
    vd, detector = xml_tables.parents(file, vds, links), xml_tables.parents(file, links, lanes)
    of_link = vd
    if by_link:
        ends = zip(vd.tolist(), links.column("id").to_pylist(), strict=True)
        bare = np.setdiff1d(np.arange(len(owners)), vd)  # without a link, as dead ones are
        ids = [f"{owners[v]}/{(link or '').strip()}" for v, link in ends] + [owners[v] for v in bare]
        vd = np.concatenate([vd, bare])
    else:
        ids, vd, detector = owners, np.arange(len(owners)), vd[detector]
    lane = xml_tables.parents(file, lanes, vehicles)

    def of_lane(at: int) -> str:
        return ids[detector[at]]

    lanes = Lanes(
        updated=snapshot.column("updated")[0].as_py(),
        interval=numbers(file, "the snapshot's interval", snapshot.column("interval"))[0],
        ids=ids,
        times=[times[v] for v in vd.tolist()],
        status=numbers(file, "Status", vds.column("status"), owners.__getitem__)[vd],
        detector=detector,
        speed=numbers(file, "Speed", lanes.column("speed"), of_lane),
        occupancy=numbers(file, "Occupancy", lanes.column("occupancy"), of_lane),
        lane=lane,
        volume=numbers(file, "Volume", vehicles.column("volume"), lambda at: of_lane(lane[at])),
    )
    if by_link:
        return lanes
    return together(lanes, lambda: gathered(len(owners), of_link, links.column("id").to_pylist()))
