"""Writers of raw files in each format's real schema, and a short way to ingest them."""

import gzip
import io
import json
import tarfile
import zipfile
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import msgspec

from vdcast.data import store
from vdcast.ingest import pipeline
from vdcast.params.formats import FORMATS

NAMESPACE = "http://traffic.transportdata.tw/standard/traffic/schema/"
TAIPEI = timezone(timedelta(hours=8))


def run(folder: Path, format: str, raw, **settings):
    """Ingest ``raw`` in ``folder``: the table, and what it is worth as quality.json has it."""
    found = pipeline.ingest(
        FORMATS[format](format=format, raw=str(raw), **settings),
        folder / "detectors.h5",
        folder / "quality.json",
        folder / "scratch",
    )
    return store.read(folder / "detectors.h5"), msgspec.to_builtins(found)


def utc(text: str) -> int:
    """Unix seconds of an ISO time with an offset."""
    return int(datetime.fromisoformat(text).timestamp())


def iso(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).astimezone(TAIPEI).isoformat()


def lane(speed, occupancy, *volumes, **other) -> dict:
    """A lane of VDLive with a vehicle class per volume; None leaves a field out."""
    vehicles = [
        {} if v is None else {"VehicleType": t, "Volume": v} for t, v in zip("SLTM", volumes, strict=False)
    ]
    fields = {"Speed": speed, "Occupancy": occupancy, "Vehicles": vehicles, **other}
    return {"LaneID": 0, "LaneType": 1, **{k: v for k, v in fields.items() if v is not None}}


def vd(name: str, time: int, *lanes: dict, status=0, link: str = "L1") -> dict:
    fields = {"VDID": name, "LinkFlows": [{"LinkID": link, "Lanes": list(lanes)}], "Status": status}
    return {**{k: v for k, v in fields.items() if v is not None}, "DataCollectTime": iso(time)}


def vdlive(*vds: dict, updated: int | None = None, interval: int = 60) -> dict:
    head = {"UpdateInterval": interval, "AuthorityCode": "NFB"}
    return {**({} if updated is None else {"UpdateTime": iso(updated)}), **head, "VDLives": list(vds)}


def as_json(document: dict) -> bytes:
    return json.dumps(document, ensure_ascii=False).encode()


def as_xml(document: dict, namespace: str | None = NAMESPACE) -> bytes:
    """A snapshot as the XML flavour, where each list wraps its elements."""

    def element(name, value):
        if isinstance(value, list):
            inner = "".join(element(name[:-1], item) for item in value)
        elif isinstance(value, dict):
            inner = "".join(element(key, item) for key, item in value.items())
        else:
            inner = str(value).replace("&", "&amp;").replace("<", "&lt;")
        return f"<{name}>{inner}</{name}>"

    body = "".join(element(key, value) for key, value in document.items())
    declared = f' xmlns="{namespace}"' if namespace else ""
    return f'<?xml version="1.0" encoding="UTF-8"?>\n<VDLiveList{declared}>{body}</VDLiveList>'.encode()


def v11(*infos: tuple, updated: str = "2015/03/31 23:58:00", interval: int = 300) -> bytes:
    """Standard v1.1; an info is (vdid, status, time, lanes), a lane (direction, speed, occupancy, volumes)."""
    body = "".join(
        f'<Info vdid="{name}" status="{status}" datacollecttime="{time}">'
        + "".join(
            f'<lane vsrdir="{d}" vsrid="1" speed="{s}" laneoccupy="{o}">'
            + "".join(f'<cars carid="S" volume="{v}"></cars>' for v in volumes)
            + "</lane>"
            for d, s, o, volumes in lanes
        )
        + "</Info>"
        for name, status, time, lanes in infos
    )
    head = f'<XML_Head version="1.1" listname="VD" updatetime="{updated}" interval="{interval}">'
    return f'<?xml version="1.0" encoding="utf-8"?>{head}<Infos>{body}</Infos></XML_Head>'.encode()


def put(path: Path, data: bytes | str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    return path


def zipped(members: Mapping[str, bytes | str]) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return stream.getvalue()


def tar(members: dict[str, bytes], mode: str = "w:gz") -> bytes:
    """The same bytes whenever it is asked."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        for name, data in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return gzip.compress(stream.getvalue(), mtime=0) if mode == "w:gz" else stream.getvalue()


def pack(path: Path, members: dict[str, bytes], how: str) -> None:
    """``members`` as loose files, as .gz, or in one archive (zip, tar, tgz) under ``path``."""
    path.mkdir(parents=True, exist_ok=True)
    if how == "zip":
        put(path / "all.zip", zipped(members))
    elif how in ("tar", "tgz"):
        put(path / f"all.{how}", tar(members, "w:gz" if how == "tgz" else "w"))
    else:
        for name, data in members.items():
            put(path / (name + ".gz" * (how == "gz")), gzip.compress(data) if how == "gz" else data)


class Serial(float):
    """A time as a workbook keeps it: days since 1899-12-30; 46296 is 2026-10-01."""


def xlsx(**sheets: list[list]) -> bytes:
    """A workbook of text, numbers and times (``Serial``), as small as one can be."""
    content = "http://schemas.openxmlformats.org"
    names = list(sheets)
    parts = {
        "[Content_Types].xml": f'<Types xmlns="{content}/package/2006/content-types"><Default Extension="xml" '
        'ContentType="application/xml"/><Default Extension="rels" '
        'ContentType="application/vnd.openxmlformats-package.relationships+xml"/></Types>',
        "_rels/.rels": f'<Relationships xmlns="{content}/package/2006/relationships"><Relationship Id="r" '
        f'Type="{content}/officeDocument/2006/relationships/officeDocument" Target="xl/workbook.xml"/></Relationships>',
        "xl/workbook.xml": f'<workbook xmlns="{content}/spreadsheetml/2006/main" '
        f'xmlns:r="{content}/officeDocument/2006/relationships"><sheets>'
        + "".join(f'<sheet name="{n}" sheetId="{i + 1}" r:id="r{i}"/>' for i, n in enumerate(names))
        + "</sheets></workbook>",
        "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{content}/package/2006/relationships">'
        + "".join(
            f'<Relationship Id="r{i}" Type="{content}/officeDocument/2006/relationships/worksheet" '
            f'Target="worksheets/{i}.xml"/>'
            for i in range(len(names))
        )
        + f'<Relationship Id="s" Type="{content}/officeDocument/2006/relationships/styles" Target="styles.xml"/>'
        "</Relationships>",
        "xl/styles.xml": f'<styleSheet xmlns="{content}/spreadsheetml/2006/main"><cellXfs count="2">'
        '<xf numFmtId="0"/><xf numFmtId="22"/></cellXfs></styleSheet>',
    }
    for i, rows in enumerate(sheets.values()):
        body = "".join(
            f'<row r="{r + 1}">'
            + "".join(
                f'<c r="{chr(65 + c)}{r + 1}" t="inlineStr"><is><t>{cell}</t></is></c>'
                if isinstance(cell, str)
                else f'<c r="{chr(65 + c)}{r + 1}" s="{int(isinstance(cell, Serial))}"><v>{cell}</v></c>'
                for c, cell in enumerate(row)
                if cell is not None
            )
            + "</row>"
            for r, row in enumerate(rows)
        )
        parts[f"xl/worksheets/{i}.xml"] = (
            f'<worksheet xmlns="{content}/spreadsheetml/2006/main"><sheetData>{body}</sheetData></worksheet>'
        )
    return zipped(parts)
