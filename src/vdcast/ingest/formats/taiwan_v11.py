"""Taiwan MOTC standard v1.1: XML whose values are attributes, ``vd_value_HHMM.xml`` and ``vd_value5_...``.

``XML_Head(updatetime, interval) > Infos > Info(vdid, status, datacollecttime) > lane(vsrdir, speed,
laneoccupy) > cars(volume)``. Times are local and mark the end of the interval (note 6 of the standard).
"""

from collections.abc import Iterator

import numpy as np

from vdcast.ingest import xml_tables
from vdcast.ingest.detector_lists import listed
from vdcast.ingest.detector_lists import vd_info as info
from vdcast.ingest.files import RawFile
from vdcast.ingest.lanes import Lanes, features, gathered, names, numbers, records, together
from vdcast.ingest.records import Records
from vdcast.params.formats import TaiwanV11

__all__ = ["ORDERED", "SUFFIXES", "features", "info", "listed", "parse"]

SUFFIXES = (".xml",)
ORDERED = False
_PARENT = {"Infos": "XML_Head", "Info": "Infos", "lane": "Info", "cars": "lane"}


def parse(file: RawFile, settings: TaiwanV11) -> Iterator[Records]:
    lanes = from_xml(file, file.read(), settings.per == "link")
    yield records(file, settings, lanes, shift=settings.interval)


def from_xml(file: RawFile, data: bytes, by_link: bool) -> Lanes:
    """The lanes of a snapshot; where ``by_link``, each vsrdir of a VD is a detector of its own.

    Raises InputError for another schema.
    """
    seen: dict[str, list[dict]] = {name: [] for name in ("XML_Head", "Infos", "Info", "lane", "cars")}
    vd, lane = [], []  # of each lane, of each element cars: what it lies in

    def element(name: str, attributes: dict[str, str], parent: str) -> None:
        if name in _PARENT and parent != _PARENT[name]:  # whose it is cannot be told
            raise file.bad(f"has a <{name}> in <{parent}>, not in <{_PARENT[name]}>")
        if name == "lane":
            vd.append(len(seen["Info"]) - 1)
        elif name == "cars":
            lane.append(len(seen["lane"]) - 1)
        if name in seen:
            seen[name].append(attributes)

    xml_tables.check(file, data, "XML_Head", None, element)
    if not seen["Infos"]:
        raise file.bad("has no <Infos>; it is no snapshot of the standard v1.1")
    vds = names(file, [info.get("vdid") for info in seen["Info"]])
    times = [info.get("datacollecttime") for info in seen["Info"]]
    directions = [lane.get("vsrdir") or "" for lane in seen["lane"]]
    ways = list(zip(vd, directions if by_link else [None] * len(vd), strict=True))
    bare = set(range(len(vds))) - set(vd)  # without a lane, as dead ones are
    keys = [*dict.fromkeys(ways), *((v, None) for v in sorted(bare))]
    if not by_link:
        keys = [(v, None) for v in range(len(vds))]
    index = {key: i for i, key in enumerate(keys)}
    ids = [vds[v] if way is None else f"{vds[v]}/{way}" for v, way in keys]
    detector = np.array([index[way] for way in ways], "i8")

    def of_lane(at: int) -> str:
        return ids[detector[at]]

    lanes = Lanes(
        updated=seen["XML_Head"][0].get("updatetime"),
        interval=numbers(file, "the snapshot's interval", [seen["XML_Head"][0].get("interval")])[0],
        ids=ids,
        times=[times[v] for v, _ in keys],
        status=numbers(file, "status", [seen["Info"][v].get("status") for v, _ in keys], ids.__getitem__),
        detector=detector,
        speed=numbers(file, "speed", [lane.get("speed") for lane in seen["lane"]], of_lane),
        occupancy=numbers(file, "laneoccupy", [lane.get("laneoccupy") for lane in seen["lane"]], of_lane),
        lane=np.array(lane, "i8"),
        volume=numbers(
            file, "volume", [cars.get("volume") for cars in seen["cars"]], lambda at: of_lane(lane[at])
        ),
    )
    if by_link:
        return lanes
    return together(lanes, lambda: gathered(len(vds), vd, directions))
