"""Taiwan MOTC standard v1.1: XML whose values are attributes, ``vd_value_HHMM.xml`` and ``vd_value5_...``.

``XML_Head(updatetime, interval) > Infos > Info(vdid, status, datacollecttime) > lane(vsrdir, speed,
laneoccupy) > cars(volume)``. Times are local and mark the end of the interval (note 6 of the standard).
"""

from collections.abc import Iterator

from lxml import etree

from vdcast.ingest import taiwan
from vdcast.ingest.files import RawFile
from vdcast.ingest.records import Records
from vdcast.ingest.taiwan import Lanes, features
from vdcast.ingest.taiwan import vd_info as info
from vdcast.params import TaiwanV11

__all__ = ["ORDERED", "SUFFIXES", "features", "info", "parse"]

SUFFIXES = (".xml",)
ORDERED = False


def parse(file: RawFile, settings: TaiwanV11) -> Iterator[Records]:
    lanes = from_xml(file, taiwan.xml(file, file.read()), settings.per == "link")
    yield taiwan.records(file, settings, lanes, shift=settings.interval)


def from_xml(file: RawFile, root: etree._Element, by_link: bool) -> Lanes:
    """The lanes of a snapshot; where ``by_link``, each vsrdir of a VD is a detector of its own.

    Raises InputError for another schema.
    """
    infos = root.find("Infos")
    if root.tag != "XML_Head" or infos is None:
        raise file.bad(
            f"its root is <{etree.QName(root).localname}>, not <XML_Head> with <Infos> of the standard v1.1"
        )
    out = Lanes(updated=root.get("updatetime"), interval=root.get("interval"))
    for vd in infos:
        name, time = (vd.get("vdid") or "").strip(), vd.get("datacollecttime")
        if vd.tag != "Info" or not name or not time:
            raise file.bad(f"line {vd.sourceline}: <{vd.tag}> is no <Info> with vdid and datacollecttime")
        lanes = vd.findall("lane")
        directions = list(dict.fromkeys(lane.get("vsrdir") for lane in lanes)) if by_link else [None]
        for direction in directions:
            out.ids.append(f"{name}/{direction}" if by_link else name)
            out.times.append(time)
            out.status.append(vd.get("status"))
            for lane in lanes:
                if by_link and lane.get("vsrdir") != direction:
                    continue
                volumes = [cars.get("volume") for cars in lane.iter("cars")]
                out.detector.append(len(out.ids) - 1)
                out.speed.append(lane.get("speed"))
                out.occupancy.append(lane.get("laneoccupy"))
                out.vehicles.append(len(volumes))
                out.volume += volumes
    return out
