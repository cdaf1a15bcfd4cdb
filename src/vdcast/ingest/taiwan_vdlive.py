"""Taiwan VDLive, MOTC standard v2: a snapshot of every VD a minute, as JSON or XML.

``VDLives > VDLive(VDID, Status, DataCollectTime) > LinkFlows > LinkFlow(LinkID) > Lanes > Lane(Speed,
Occupancy) > Vehicles > Vehicle(Volume)``; the JSON lists carry no wrapper. Records are floored to the
interval by their own DataCollectTime, which differs between the VDs of one snapshot.
"""

from collections.abc import Iterator
from functools import cache
from typing import Annotated

import msgspec
from lxml import etree

from vdcast.ingest import taiwan
from vdcast.ingest.files import RawFile
from vdcast.ingest.records import Records
from vdcast.ingest.taiwan import NAMESPACE, Lanes, features
from vdcast.ingest.taiwan import vd_info as info
from vdcast.params import TaiwanVDLive

__all__ = ["ORDERED", "SUFFIXES", "features", "info", "parse"]

SUFFIXES = (".json", ".xml")
ORDERED = False


def parse(file: RawFile, settings: TaiwanVDLive) -> Iterator[Records]:
    data = file.read()
    by_link = settings.per == "link"
    if taiwan.kind(file, data) == "json":
        lanes = from_json(file, data, by_link)
    else:
        lanes = from_xml(file, taiwan.xml(file, data), by_link)
    yield taiwan.records(file, settings, lanes)


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
    DataCollectTime: str
    Status: Number = None
    LinkFlows: list[LinkFlow] | None = None


class Snapshot(_Part):
    VDLives: list[VDLive]
    UpdateTime: str | None = None
    UpdateInterval: Number = None


_WHOLE, _BARE = msgspec.json.Decoder(Snapshot), msgspec.json.Decoder(list[VDLive])


def from_json(file: RawFile, data: bytes, by_link: bool) -> Lanes:
    """The lanes of a JSON snapshot. Raises InputError for another schema."""
    data = data.removeprefix(taiwan.BOM).lstrip()
    with taiwan.json_errors(file, "VDLive snapshot"):
        snapshot = Snapshot(_BARE.decode(data)) if data[:1] == b"[" else _WHOLE.decode(data)
    out = Lanes(snapshot.UpdateTime, snapshot.UpdateInterval)
    for vd in snapshot.VDLives:
        links = vd.LinkFlows or []
        for part in [[link] for link in links] if by_link else [links]:
            detector, name = len(out.ids), vd.VDID.strip()
            out.ids.append(f"{name}/{part[0].LinkID}" if by_link else name)
            out.times.append(vd.DataCollectTime)
            out.status.append(vd.Status)
            for link in part:
                lanes = link.Lanes or ()
                out.detector += [detector] * len(lanes)
                for lane in lanes:
                    vehicles = lane.Vehicles or ()
                    out.speed.append(lane.Speed)
                    out.occupancy.append(lane.Occupancy)
                    out.vehicles.append(len(vehicles))
                    out.volume += [vehicle.Volume for vehicle in vehicles]
    return out


# libxslt flattens a snapshot several times faster than Python can walk it. White space inside a value
# is normalised, so a tab and a line end can only be separators. A line each: V(D), L(ane).
_FLAT = """
<xsl:stylesheet version="1.0" xmlns:xsl="http://www.w3.org/1999/XSL/Transform" xmlns:t="%s">
<xsl:output method="text" encoding="utf-8"/>
<xsl:template match="/">
  <xsl:for-each select="/t:VDLiveList/t:VDLives/t:VDLive">
    <xsl:variable name="vd" select="normalize-space(t:VDID)"/>
    <xsl:variable name="time" select="normalize-space(t:DataCollectTime)"/>
    <xsl:variable name="status" select="normalize-space(t:Status)"/>
    %s
  </xsl:for-each>
</xsl:template>
</xsl:stylesheet>
"""
_HEAD = """<xsl:value-of select="concat('V&#9;', %s, '&#9;', $time, '&#9;', $status, '&#10;')"/>"""
_LANES = """
<xsl:for-each select="%st:Lanes/t:Lane">
  <xsl:value-of select="concat('L&#9;', normalize-space(t:Speed), '&#9;', normalize-space(t:Occupancy))"/>
  <xsl:for-each select="t:Vehicles/t:Vehicle">
    <xsl:value-of select="concat('&#9;', normalize-space(t:Volume))"/>
  </xsl:for-each>
  <xsl:text>&#10;</xsl:text>
</xsl:for-each>"""
_PER_VD = _HEAD % "$vd" + _LANES % "t:LinkFlows/t:LinkFlow/"
_PER_LINK = f"""
<xsl:for-each select="t:LinkFlows/t:LinkFlow">
  {_HEAD % "concat($vd, '/', normalize-space(t:LinkID))"}
  {_LANES % ""}
</xsl:for-each>"""


@cache
def _flattener(namespace: str | None, by_link: bool) -> etree.XSLT:
    sheet = _FLAT % (NAMESPACE, _PER_LINK if by_link else _PER_VD)
    if namespace is None:
        sheet = sheet.replace("/t:", "/").replace("(t:", "(").replace('"t:', '"')
    return etree.XSLT(etree.XML(sheet), access_control=etree.XSLTAccessControl.DENY_ALL)


def from_xml(file: RawFile, root: etree._Element, by_link: bool) -> Lanes:
    """The lanes of an XML snapshot. Raises InputError for another schema."""
    name = etree.QName(root)
    if name.localname != "VDLiveList" or name.namespace not in (NAMESPACE, None):
        raise file.bad(f"its root is <{name.localname}>, not <VDLiveList> of the standard v2")
    prefix = f"{{{name.namespace}}}" if name.namespace else ""
    vds = root.find(f"{prefix}VDLives")
    if vds is None:
        raise file.bad("has no <VDLives>; it is no VDLive snapshot of the standard v2")
    for number, vd in enumerate(vds):
        if vd.tag != f"{prefix}VDLive":
            raise file.bad(f"line {vd.sourceline}: element {number} of <VDLives> is <{vd.tag}>, not <VDLive>")
    out = Lanes(
        updated=root.findtext(f"{prefix}UpdateTime"), interval=root.findtext(f"{prefix}UpdateInterval")
    )
    text = str(_flattener(name.namespace, by_link)(root))
    detector = -1
    for line in text.split("\n")[:-1]:
        mark, first, second, *others = line.split("\t")
        if mark == "L":
            out.detector.append(detector)
            out.speed.append(first)
            out.occupancy.append(second)
            out.vehicles.append(len(others))
            out.volume += others
        else:
            if not first.strip("/") or not second:
                raise file.bad(f"VD number {len(out.ids) + 1} has no VDID or no DataCollectTime")
            detector = len(out.ids)
            out.ids.append(first)
            out.times.append(second)
            out.status += others
    return out
