"""Taiwan VDLive, MOTC standard v2: a snapshot of every VD a minute, as JSON or XML.

``VDLives > VDLive(VDID, Status, DataCollectTime) > LinkFlows > LinkFlow(LinkID) > Lanes > Lane(Speed,
Occupancy) > Vehicles > Vehicle(Volume)``; the JSON lists carry no wrapper. Records are floored to the
interval by their own DataCollectTime, which differs between the VDs of one snapshot.
"""

from collections.abc import Iterator
from functools import cache

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
        lanes = from_json(file, taiwan.json(file, data), by_link)
    else:
        lanes = from_xml(file, taiwan.xml(file, data), by_link)
    yield taiwan.records(file, settings, lanes)


def from_json(file: RawFile, document, by_link: bool) -> Lanes:
    """The lanes of a JSON snapshot. Raises InputError for another schema."""
    out = Lanes()
    if isinstance(document, dict):
        out.updated, out.interval = document.get("UpdateTime"), document.get("UpdateInterval")
        document = document.get("VDLives")
    if not isinstance(document, list):
        raise file.bad("has no list VDLives; it is no VDLive snapshot of the standard v2")
    for number, vd in enumerate(document):
        try:
            _vd_from_json(out, vd, by_link)
        except (KeyError, TypeError, AttributeError):
            raise file.bad(f"VDLives[{number}] is no VD of the standard v2: {str(vd)[:60]!r}") from None
    return out


def _vd_from_json(out: Lanes, vd: dict, by_link: bool) -> None:
    name, time, status = vd["VDID"].strip(), vd["DataCollectTime"], vd.get("Status")
    if not name or not isinstance(time, str):
        raise TypeError
    links = vd.get("LinkFlows") or []
    for link in links if by_link else [None]:
        detector = len(out.ids)
        out.ids.append(name if link is None else f"{name}/{link['LinkID']}")
        out.times.append(time)
        out.status.append(status)
        lanes = [lane for flow in (links if link is None else [link]) for lane in flow.get("Lanes") or ()]
        out.detector += [detector] * len(lanes)
        out.speed += [lane.get("Speed") for lane in lanes]
        out.occupancy += [lane.get("Occupancy") for lane in lanes]
        for lane in lanes:
            volumes = [vehicle.get("Volume") for vehicle in lane.get("Vehicles") or ()]
            out.vehicles.append(len(volumes))
            out.volume += volumes


# libxslt flattens a snapshot several times faster than Python can walk it. White space inside a value
# is normalised, so a tab and a line end can only be separators. A line each: V(D), L(ane).
_FLAT = """
<xsl:stylesheet version="1.0" xmlns:xsl="http://www.w3.org/1999/XSL/Transform" xmlns:t="%s">
<xsl:output method="text" encoding="utf-8"/>
<xsl:template match="text()"/>
<xsl:template match="/">
  <xsl:for-each select="/t:VDLiveList/t:VDLives/t:VDLive">
    <xsl:variable name="vd" select="normalize-space(t:VDID)"/>
    <xsl:variable name="head" select="concat('&#9;', normalize-space(t:DataCollectTime),
                                      '&#9;', normalize-space(t:Status), '&#10;')"/>
    %s
  </xsl:for-each>
</xsl:template>
<xsl:template match="t:Lane">
  <xsl:value-of select="concat('L&#9;', normalize-space(t:Speed), '&#9;', normalize-space(t:Occupancy))"/>
  <xsl:for-each select="t:Vehicles/t:Vehicle">
    <xsl:value-of select="concat('&#9;', normalize-space(t:Volume))"/>
  </xsl:for-each>
  <xsl:text>&#10;</xsl:text>
</xsl:template>
</xsl:stylesheet>
"""
_PER_VD = """<xsl:value-of select="concat('V&#9;', $vd, $head)"/>
    <xsl:apply-templates select="t:LinkFlows/t:LinkFlow/t:Lanes/t:Lane"/>"""
_PER_LINK = """<xsl:for-each select="t:LinkFlows/t:LinkFlow">
      <xsl:value-of select="concat('V&#9;', $vd, '/', normalize-space(t:LinkID), $head)"/>
      <xsl:apply-templates select="t:Lanes/t:Lane"/>
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
