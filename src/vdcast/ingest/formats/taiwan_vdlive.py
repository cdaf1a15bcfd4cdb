"""Taiwan VDLive, MOTC standard v2: a snapshot of every VD a minute, as JSON or XML.

``VDLives > VDLive(VDID, Status, DataCollectTime) > LinkFlows > LinkFlow(LinkID) > Lanes > Lane(Speed,
Occupancy) > Vehicles > Vehicle(Volume)``; the JSON lists carry no wrapper. Records are floored to the
interval by their own DataCollectTime, which differs between the VDs of one snapshot.
"""

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

SUFFIXES = (".json", ".xml")
ORDERED = False


def parse(file: RawFile, settings: TaiwanVDLive) -> Iterator[Records]:
    data = file.read()
    by_link = settings.per == "link"
    read = from_json if kind(file, data) == "json" else from_xml
    lanes = read(file, data, by_link)
    lanes.counts += error_types(data)
    yield records(file, settings, lanes)


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


_WHOLE, _BARE = msgspec.json.Decoder(Snapshot), msgspec.json.Decoder(list[VDLive])


def from_json(file: RawFile, data: bytes, by_link: bool) -> Lanes:
    """The lanes of a JSON snapshot. Raises InputError for another schema."""
    data = data.removeprefix(BOM).lstrip()
    with json_errors(file, "VDLive snapshot"):
        snapshot = Snapshot(_BARE.decode(data)) if data[:1] == b"[" else _WHOLE.decode(data)
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
    whole = not (None in speed or None in occupancy or None in volume or None in times or None in status)
    if not whole or not json_keys.regular(data, _keys(snapshot, len(speed), len(volume), data)):
        json_keys.check(file, data)

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


def _keys(snapshot: Snapshot, lanes: int, classes: int, data: bytes) -> dict[str, int]:
    """How often each key stands in a snapshot in which no object lacks one; some classes have speeds of their own."""
    vds = len(snapshot.VDLives)
    links = sum(len(vd.LinkFlows or ()) for vd in snapshot.VDLives)
    of_classes = classes if data.count(b'"Speed"') > lanes else 0
    return {
        **dict.fromkeys(("VDID", "DataCollectTime", "Status", "LinkFlows"), vds),
        **dict.fromkeys(("LinkID", "Lanes"), links),
        **dict.fromkeys(("Occupancy", "Vehicles"), lanes),
        "Speed": lanes + of_classes,
        "Volume": classes,
    }


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
