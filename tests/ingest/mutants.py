"""Small files whose every byte is known for what it is, and ways to spoil them.

A seed is written with marks, ``«role:cells:text»``: the text of a value (``v``), a time (``t``), a part of one beside
it (``s``) or a name (``n``), and the records that hang on it, as ``VD@row`` with ``*`` for all. Bytes outside of marks are structure: brackets, keys,
separators, checksums. What a mutant may change follows from the bytes that it touches: see ``test_fuzz.py``. One whose
times are shifted has all its records later by as much.
"""

import gzip
import io
import random
import re
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import h5py
import numpy as np
import pandas as pd

from vdcast.params.formats import FORMATS

from .raw import NAMESPACE, tar, xlsx, zipped

MARK = re.compile("«([vtsn]):([^:]*):([^»]*)»")


@dataclass(frozen=True)
class Seed:
    """A file of ``format``; ``marks`` are (start, end, role, cells) in ``data``."""

    format: str
    settings: dict
    name: str
    data: bytes
    marks: tuple[tuple[int, int, str, str], ...] = ()
    rows: bool = False  # lines of a table: they may be repeated, and swapped
    skip: tuple[range, ...] = field(default=())  # bytes that are the content of another file
    fixed: bool = False  # a layout of places in the file, without a checksum: no byte may move
    tick: int = 0  # its times are binary, so many to a second


def seed(format: str, settings: dict, name: str, text: str, rows: bool = False) -> Seed:
    data, marks, last = b"", [], 0
    for found in MARK.finditer(text):
        data += text[last : found.start()].encode()
        inner = found[3].encode()
        marks.append((len(data), len(data) + len(inner), found[1], found[2]))
        data, last = data + inner, found.end()
    return Seed(format, settings, name, data + text[last:].encode(), tuple(marks), rows)


def binary(
    format: str, settings: dict, name: str, data: bytes, known: dict[bytes, tuple[str, str]], tick: int
) -> Seed:
    """``known`` are bytes to be found in ``data``, as often as they stand there."""
    marks = [
        (at.start(), at.end(), *role)
        for part, role in known.items()
        for at in re.finditer(re.escape(part), data)
    ]
    assert marks
    return Seed(format, settings, name, data, tuple(sorted(marks)), fixed=True, tick=tick)


TABLE = {"time_zone": "Asia/Taipei", "interval": 300}
MINUTES = range(0, 60, 5)
WIDE = "time,«n:A@*:A»,«n:B@*:B»\n" + "".join(
    f"«t:*@{i}:2026-10-01 00:{m:02}»,«v:A@{i}:{m + 13}»,«v:B@{i}:{m * 2 + 7}.5»\n"
    for i, m in enumerate(MINUTES)
)
LONG = "time,vd,volume,speed\n" + "".join(
    f"«t:{v}@{i}:2026-10-01 00:{m:02}»,«n:{v}@{i}:{v}»,«v:{v}@{i}:{m + k}»,«v:{v}@{i}:{60 + m}.25»\n"
    for i, m in enumerate(MINUTES)
    for k, v in enumerate(("A", "B"), 11)
)
DAYS = "Date,Site,Arm," + ",".join(f"V{i:02}" for i in range(4)) + "\n"
DAYS += "".join(
    f"«t:{site} {arm}@*:{day:02}/03/2024»,«n:{site} {arm}@*:{site}»,«n:{site} {arm}@*:{arm}»,"
    + ",".join(f"«v:{site} {arm}@{4 * (day - 13) + i}:{day * site + i}»" for i in range(4))
    + "\n"
    for day in (13, 14)
    for site, arm in ((11, "N"), (12, "S"))
)
DAY_ROWS = {"time_zone": "Australia/Melbourne", "interval": 21600, "feature": "volume", "unit": "veh", "date_order": "dmy",
            "vd_columns": ["Site", "Arm"], "date_column": "Date", "value_columns": "V00"}  # fmt: skip


def _lane(vd: str, speed: int, occupancy: int, *volumes: int) -> str:
    classes = ", ".join(f'{{"VehicleType": "S", "Volume": «v:{vd}@*:{v}»}}' for v in volumes)
    head = f'"LaneID": 0, "Speed": «v:{vd}@*:{speed}», "Occupancy": «v:{vd}@*:{occupancy}»'
    return f'{{{head}, "Vehicles": [{classes}]}}'


def _vd(vd: str, *lanes: str) -> str:
    flows = f'[{{"LinkID": "«n:{vd}@*:L{vd}»", "Lanes": [{", ".join(lanes)}]}}]'
    time = f'"DataCollectTime": "«t:{vd}@*:2026-10-01T05:07:11+08:00»"'
    return f'{{"VDID": "«n:{vd}@*:{vd}»", "LinkFlows": {flows}, "Status": «v:{vd}@*:0», {time}}}'


JSON = (
    '{"UpdateTime": "«t:*@*:2026-10-01T05:08:00+08:00»", "UpdateInterval": 60, "VDLives": ['
    + ", ".join(
        [
            _vd("VD-1", _lane("VD-1", 53, 5, 17, 2), _lane("VD-1", 71, 6, 31, 4)),
            _vd("VD-內", _lane("VD-內", 90, 1, 8)),
        ]
    )
    + "]}"
)


def _xml_lane(vd: str, speed: int, occupancy: int, *volumes: int) -> str:
    classes = "".join(f"<Vehicle><Volume>«v:{vd}@*:{v}»</Volume></Vehicle>" for v in volumes)
    head = f"<Speed>«v:{vd}@*:{speed}»</Speed><Occupancy>«v:{vd}@*:{occupancy}»</Occupancy>"
    return f"<Lane>{head}<Vehicles>{classes}</Vehicles></Lane>"


def _xml_vd(vd: str, *lanes: str) -> str:
    flows = f"<LinkFlow><LinkID>«n:{vd}@*:L{vd}»</LinkID><Lanes>{''.join(lanes)}</Lanes></LinkFlow>"
    time = f"<DataCollectTime>«t:{vd}@*:2026-10-01T05:07:11+08:00»</DataCollectTime>"
    return f"<VDLive><VDID>«n:{vd}@*:{vd}»</VDID><LinkFlows>{flows}</LinkFlows><Status>«v:{vd}@*:0»</Status>{time}</VDLive>"


LINES = "".join(
    f'{{"UpdateTime": "«t:{vd}@*:2026-10-01T05:08:00+08:00»", "UpdateInterval": 60, {_vd(vd, *lanes)[1:]}\n'
    for vd, *lanes in [
        ("VD-1", _lane("VD-1", 53, 5, 17, 2), _lane("VD-1", 71, 6, 31, 4)),
        ("VD-2", _lane("VD-2", 90, 1, 8)),
        ("VD-3", _lane("VD-3", 64, 3, 11)),
        ("VD-4", _lane("VD-4", 77, 2, 9)),
    ]
)
XML = (
    f'<?xml version="1.0" encoding="UTF-8"?><VDLiveList xmlns="{NAMESPACE}">'
    "<UpdateTime>«t:*@*:2026-10-01T05:08:00+08:00»</UpdateTime><UpdateInterval>60</UpdateInterval><VDLives>"
    + _xml_vd("VD-1", _xml_lane("VD-1", 53, 5, 17, 2), _xml_lane("VD-1", 71, 6, 31, 4))
    + _xml_vd("VD-2", _xml_lane("VD-2", 90, 1, 8))
    + "</VDLives></VDLiveList>"
)
V11 = (
    '<?xml version="1.0" encoding="utf-8"?><XML_Head version="1.1" updatetime="«t:*@*:2015/03/31 23:58:00»" '
    'interval="300"><Infos>'
    + "".join(
        f'<Info vdid="«n:{vd}@*:{vd}»" status="«v:{vd}@*:0»" datacollecttime="«t:{vd}@*:2015/03/31 23:50:00»">'
        + "".join(
            f'<lane vsrdir="«n:{vd}@*:0»" vsrid="{i}" speed="«v:{vd}@*:{s}»" laneoccupy="«v:{vd}@*:{o}»">'
            f'<cars carid="S" volume="«v:{vd}@*:{v}»"></cars></lane>'
            for i, (s, o, v) in enumerate(lanes)
        )
        + "</Info>"
        for vd, lanes in (("V1", [(86, 2, 14), (77, 3, 9)]), ("V2", [(55, 4, 6)]))
    )
    + "</Infos></XML_Head>"
)
M05A = "".join(
    f"«t:{a}-{b}@*:2024/05/01 00:00»,«n:{a}-{b}@*:{a}»,«n:{a}-{b}@*:{b}»,«v:{a}-{b}@*:{t}»,"
    f"«v:{a}-{b}@*:{90 + i}»,«v:{a}-{b}@*:{k + i}»\n"
    for k, (a, b) in enumerate([("01F0017N", "01F0005N"), ("01F0029N", "01F0017N")], 20)
    for i, t in enumerate((31, 32, 41, 42, 5))
)
STATION = "".join(
    f"«t:{s}@{i}:05/01/2024 00:{5 * i:02}:00»,«n:{s}@{i}:{s}»,7,5,N,ML,0.5,10,«v:{s}@{i}:100»,«v:{s}@{i}:{120 + i}»,"
    f"«v:{s}@{i}:.{35 + i}»,«v:{s}@{i}:{61 + i}.5»,10,1,0.1,60,1\n"
    for i in range(4)
    for s in (715898, 715900)
)
EXPORT = "5 Minutes,Lane 1 Flow (Veh/5 Minutes),Lane 2 Flow (Veh/5 Minutes),Lane 1 Speed (mph),Lane 2 Speed (mph),% Observed\n"
EXPORT += "".join(
    f"«t:a@{i}:05/13/2024 00:{5 * i:02}»,"
    + ",".join(f"«v:a@{i}:{x + i}»" for x in (13, 35, 61, 52))
    + f",«v:a@{i}:100»\n"
    for i in range(5)
)


SEMICOLONS = "Tag;Stunde;Ort;Menge;v\n" + "".join(
    f"«s:{v}@{h}:13.03.2024»;«s:{v}@{h}:{h}»;«n:{v}@{h}:{v}»;«v:{v}@{h}:1.{200 + 7 * h + k}»;«v:{v}@{h}:{41 + h},{k}5»\n"
    for h in range(6)
    for k, v in enumerate(("Süd", "Nord"))
)
LANES = "time,vd,lane,volume,speed,occupancy\n" + "".join(
    f"«t:{v}@{i}:2026-10-01 00:{m:02}»,«n:{v}@{i}:{v}»,«n:{v}@{i}:{lane}»,«v:{v}@{i}:{m + k + 3 * lane}»,"
    f"«v:{v}@{i}:{60 + m + lane}.5»,«v:{v}@{i}:{lane + k}»\n"
    for i, m in enumerate(MINUTES[:6])
    for k, v in enumerate(("A", "B"), 11)
    for lane in (0, 1)
)
WEBTRIS = (
    "Site Name,Report Date,Time Period Ending,Time Interval,0 - 520 cm,Avg mph,Total Volume\n"
    + "".join(
        f"«n:{s}@{i}:{s}»,«t:{s}@{i}:2024-07-02»,«s:{s}@{i}:{15 * i // 60:02}:{15 * i % 60 + 14:02}:00»,«s:{s}@{i}:{i}»,3,"
        f"«v:{s}@{i}:{51 + i + k}»,«v:{s}@{i}:{170 + 3 * i + k}»\n"
        for i in range(8)
        for k, s in enumerate(("M25/1A", "A1/9B"))
    )
)
UTD19 = "day,interval,detid,flow,occ,error,city,speed\n" + "".join(
    f"«t:{v}@{i}:2015-10-20»,«s:{v}@{i}:{300 * i}»,«n:{v}@{i}:{v}»,«v:{v}@{i}:{120 + 11 * i + k}»,«v:{v}@{i}:0.{15 + i}»,"
    f"«v:{v}@{i}:0»,«n:{v}@{i}:zurich»,«v:{v}@{i}:{41 + i}»\n"
    for i in range(8)
    for k, v in enumerate(("K1D1", "K2D9"))
)


def _npz() -> bytes:
    stream = io.BytesIO()
    np.savez_compressed(stream, data=np.random.default_rng(0).random((6, 3, 3)))
    return stream.getvalue()


def _parquet() -> tuple[bytes, dict[bytes, tuple[str, str]]]:
    times = pd.date_range("2026-10-01", periods=12, freq="5min").astype("M8[us]")
    a, b = np.arange(12.0) + 0.125, np.arange(12.0) * 3 + 0.5
    frame, stream = pd.DataFrame({"time": times, "VDA1": a, "VDB2": b}), io.BytesIO()
    frame.to_parquet(stream, compression=None, index=False, use_dictionary=False, write_statistics=False)
    raw = times.to_numpy().astype("i8")
    known = {a.tobytes(): ("v", "VDA1@*"), b.tobytes(): ("v", "VDB2@*"), raw.tobytes(): ("t", "*@*")}
    return stream.getvalue(), known | {b"VDA1": ("n", "VDA1@*"), b"VDB2": ("n", "VDB2@*")}


def _h5() -> tuple[bytes, dict[bytes, tuple[str, str]]]:
    times = (
        (np.datetime64("2012-03-01T00:00") + np.arange(6) * np.timedelta64(5, "m"))
        .astype("M8[ns]")
        .astype("i8")
    )
    values, stream = np.arange(18.0).reshape(6, 3) + 31.25, io.BytesIO()
    with h5py.File(stream, "w") as file:
        group = file.create_group("df")
        group["axis0"], group["axis1"], group["block0_values"] = (
            np.array([b"VDA1", b"VDB2", b"VDC3"]),
            times,
            values,
        )
    return stream.getvalue(), {
        values.tobytes(): ("v", "*@*"), times.tobytes(): ("t", "*@*"), b"VDA1VDB2VDC3": ("n", "*@*"),
    }  # fmt: skip


_JSON, _XML = seed("", {}, "", JSON).data, seed("", {}, "", XML).data
SEMICOLON = {"time_zone": "Europe/Berlin", "interval": 3600, "date_column": "Tag", "hour_column": "Stunde", "vd_column": "Ort",
             "units": {"volume": "veh/h", "speed": "km/h"}, "columns": {"volume": "Menge", "speed": "v"}}  # fmt: skip
ZURICH = {"city": "zurich", "time_zone": "Europe/Zurich", "interval": 300, "features": ["volume", "occupancy"],
          "occupancy_unit": "fraction"}  # fmt: skip
LIVE, SHIFT = "taiwan_vdlive", {"feature": "volume", "unit": "veh", **TABLE}
SEEDS = {
    "json": seed(LIVE, {}, "a.json", JSON),
    "xml": seed(LIVE, {}, "a.xml", XML),
    "v1.1": seed("taiwan_v11", {"interval": 300}, "a.xml", V11),
    "m05a": seed("taiwan_m05a", {}, "TDCS_M05A_20240501_000000.csv", M05A, rows=True),
    "station": seed("pems_station", {}, "a.txt", STATION, rows=True),
    "export": seed("pems_export", {"features": ["volume", "speed"]}, "a.csv", EXPORT, rows=True),
    "wide": seed("wide_table", SHIFT, "a.csv", WIDE, rows=True),
    "long": seed("long_table", {**TABLE, "units": {"volume": "veh", "speed": "km/h"}}, "a.csv", LONG, rows=True),
    "semicolons": seed("long_table", SEMICOLON, "a.csv", SEMICOLONS, rows=True),
    "lanes": seed("long_table", {**TABLE, "units": {"volume": "veh", "speed": "km/h", "occupancy": "%"}, "sum_over": ["lane"]}, "a.csv", LANES, rows=True),
    "webtris": seed("webtris", {}, "a.csv", WEBTRIS, rows=True),
    "utd19": seed("utd19", ZURICH, "a.csv", UTD19, rows=True),
    "lines": seed(LIVE, {}, "a.jsonl", LINES, rows=True),
    "excel": Seed("wide_table", SHIFT, "a.xlsx", xlsx(data=[["time", "A", "B"], *([f"2026-10-01 00:{m:02}", m + 13, 2.5 * m] for m in MINUTES)])),
    "days": seed("day_rows", DAY_ROWS, "a.csv", DAYS, rows=True),
    "parquet": binary("wide_table", SHIFT, "a.parquet", *_parquet(), tick=10**6),
    "h5": binary("metr_la", {}, "a.h5", *_h5(), tick=10**9),
    "largest": binary("metr_la", {"feature": "volume"}, "a.h5", *_h5(), tick=10**9),
    "npz": Seed("pems_npz", {"start": "2016-07-01"}, "a.npz", _npz()),
    "json.gz": Seed(LIVE, {}, "a.json.gz", gzip.compress(_JSON, mtime=0)),
    "zip": Seed(LIVE, {}, "a.zip", zipped({"a.json": _JSON})),
    "zip in zip": Seed(LIVE, {}, "a.zip", zipped({"b.zip": zipped({"a.xml": _XML})})),
    "tgz": Seed(LIVE, {}, "a.tgz", tar({"a.json": _JSON})),
    "tar": Seed(LIVE, {}, "a.tar", tar({"a.json": _JSON}, "w"), skip=(range(512, 512 + len(_JSON)),)),
}  # fmt: skip
INSERTED = [b"0", b"9", b"-", b".", b",", b";", b"\n", b'"', b" ", b"{", b"}", b"[", b"]", b"<", b">", b"/", b"e9", b"\x00",
            b"\xff", b"NaN", b"null", b"-99", "國".encode(), b"\t", b":", b"'", b"\xef\xbb\xbf"]  # fmt: skip


@dataclass(frozen=True)
class Mutant:
    how: str
    data: bytes
    touched: tuple[tuple[str, str], ...]  # (role, cells) of the marks that it reaches
    later: int = 0  # seconds by which its times lie later, every one


def mutant(seed: Seed, random: random.Random) -> Mutant:
    """One accident, and what it touches."""
    data = seed.data
    how = random.choice(
        ["flip", "flip", "flip", "byte", "delete", "insert", "repeat", *["row", "swap"] * seed.rows]
    )
    how = "flip" if seed.fixed else how
    if any(role == "t" for _, _, role, _ in seed.marks) and random.random() < 0.1:
        return shifted(seed, random)
    at = random.randrange(len(data))
    while any(at in content for content in seed.skip):
        at = random.randrange(len(data))
    end, source = at + 1, range(0)
    match how:
        case "flip":
            data = data[:at] + bytes([data[at] ^ 1 << random.randrange(8)]) + data[end:]
        case "byte":
            data = data[:at] + random.choice(INSERTED) + data[end:]
        case "delete":
            end = at + random.choice([1, 2, 8, 40])
            data = data[:at] + data[end:]
        case "insert":
            data = data[:at] + random.choice(INSERTED) + data[at:]
        case "repeat":
            source = range(max(0, at - random.choice([1, 8, 40])), at)
            data = data[:at] + data[source.start : at] + data[at:]
        case "row" | "swap":  # whole rows: nothing is touched
            rows = data.splitlines(keepends=True)
            i = random.randrange(1, len(rows) - 1)
            if how == "swap":
                rows[i], rows[i + 1] = rows[i + 1], rows[i]
            else:
                rows.insert(random.choice([i, i + 1]), rows[i])
            return Mutant(how, b"".join(rows), ())
    reached = [
        (role, cells)
        for start, stop, role, cells in seed.marks
        if (start <= end and at <= stop) or (source and start < source.stop and source.start < stop)
    ]
    return Mutant(how, data, tuple(reached))


TIMES = ("%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M:%S", "%Y/%m/%d %H:%M:%S", "%Y/%m/%d %H:%M", "%m/%d/%Y %H:%M:%S",
         "%m/%d/%Y %H:%M", "%d.%m.%Y %H:%M", "%d/%m/%Y", "%Y-%m-%d")  # fmt: skip


def shifted(seed: Seed, random: random.Random) -> Mutant:
    """Every time moved by whole hours, or written with an offset that is or is not that of its zone, or both."""
    hours = random.choice([0, 0, -24, -12, -1, 1, 8, 24])
    if seed.tick:
        data = bytearray(seed.data)
        for start, end, role, _ in seed.marks:
            if role == "t":
                data[start:end] = (np.frombuffer(data[start:end], "i8") + 3600 * hours * seed.tick).tobytes()
        return Mutant(f"shift {hours} h", bytes(data), (), 3600 * hours)
    offset = random.choice([None, 0, 8, 9, -7, 11])
    zone = ZoneInfo(FORMATS[seed.format](format=seed.format, raw="x", **seed.settings).time_zone)
    data, last, later = b"", 0, set()
    for start, end, role, _ in seed.marks:
        if role == "t":
            text, seconds = _shifted(seed.data[start:end].decode(), hours, offset, zone)
            data, last = data + seed.data[last:start] + text.encode(), end
            later.add(seconds)
    (seconds,) = later
    return Mutant(f"shift {hours} h, offset {offset}", data + seed.data[last:], (), seconds)


def _shifted(text: str, hours: int, offset: int | None, zone: ZoneInfo) -> tuple[str, int]:
    """A time moved by ``hours`` and written with ``offset``, hours too; and by how many seconds it lies later then."""
    plain = text.removesuffix("+08:00")
    pattern = next(pattern for pattern in TIMES if _fits(plain, pattern))
    time = datetime.strptime(plain, pattern)
    own = time.replace(tzinfo=zone).utcoffset() // timedelta(hours=1)
    offset = 8 if offset is None and plain != text else offset
    moved = time + timedelta(hours=hours)
    if (moved.hour != time.hour and "%H" not in pattern) or (offset is not None and "%H" not in pattern):
        pattern += " %H:%M"
    written = moved.strftime(pattern) + (f"{offset:+03}:00" if offset is not None else "")
    return written, 3600 * (hours + (own - offset if offset is not None else 0))


def _fits(text: str, pattern: str) -> bool:
    try:
        return bool(datetime.strptime(text, pattern))
    except ValueError:
        return False
