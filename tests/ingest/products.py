"""Files of another product, or of another interval, in place of the ones that each seed of `mutants.py` announces.

Each is well formed and of random numbers, and of none may a value be read.
"""

import io
import random
from collections.abc import Callable
from datetime import datetime, timedelta

import numpy as np

from . import mutants
from .raw import as_json, as_xml, lane, utc, v11, vd, vdlive
from .test_america import metr_la, npz

DAY = datetime(2024, 5, 1)
Product = tuple[str, bytes]  # a file's name and its content
ROWS = 24  # fewer do not tell how far apart they are


def _times(minutes: int, pattern: str, rows: int = ROWS) -> list[str]:
    return [(DAY + timedelta(minutes=minutes * i)).strftime(pattern) for i in range(rows)]


def _csv(header: str, rows: list[str]) -> bytes:
    return "".join(f"{row}\n" for row in ([header] if header else []) + rows).encode()


def m05a(random: random.Random) -> Product:
    """Another product by its name (travel times, trips); or counts alone, under the name of M05A."""
    number = random.choice("34678")
    time = _times(0, "%Y/%m/%d %H:%M", 1)[0]
    ends = ["01F0017N", "01F0005N"] if random.random() < 0.7 else ["01F0017N"]
    row = lambda kind: f"{time},{','.join(ends)},{kind},{random.randint(30, 190)}" + f",{random.randint(0, 90)}" * len(ends[1:])  # noqa: E731  # fmt: skip
    name = f"TDCS_M0{number}A" if len(ends) == 2 else "TDCS_M05A"
    return f"{name}_20240501_000000.csv", _csv("", [row(kind) for kind in (31, 32, 41, 42, 5)])


def station(random: random.Random) -> Product:
    """Hours or days, by their name or under none; or the lanes' raw half minutes."""
    minutes = random.choice([60, 1440])
    lanes = random.choice([2, 5, 8])
    named = random.choice(
        [{60: "d07_text_station_hour_2024_05", 1440: "d07_text_station_day_2024"}[minutes], "a"]
    )
    x = random.randint
    rows = [
        f"{t},{s},7,5,N,ML,0.5,10,100,{x(0, 6000)},0.0{x(1, 9)},{x(20, 70)}" + ",10,1,0.1,60,1" * lanes
        for t in _times(minutes, "%m/%d/%Y %H:%M:%S")
        for s in (715898, 715900)
    ]
    if random.random() < 0.3:
        named = "a"
        rows = [f"05/01/2024 00:{i // 2:02}:{i % 2 * 30:02},715898" + f",{x(0, 9)},0.{x(0, 9)},{x(20, 70)}" * lanes for i in range(60)]  # fmt: skip
    return f"{named}.txt", _csv("", rows)


def export(random: random.Random) -> Product:
    """Flows per hour, speeds alone, or occupancies; or hours under the header of five minutes."""
    header, minutes = random.choice(
        [
            ("Hour,Lane 1 Flow (Veh/Hour),Lane 1 Speed (mph)", 60),
            ("5 Minutes,Lane 1 Speed (mph),Lane 2 Speed (mph)", 5),
            ("5 Minutes,Lane 1 Flow (Veh/5 Minutes),Lane 1 Occ (%)", 5),
            ("5 Minutes,Flow (Veh/5 Minutes),Speed (mph)", 60),
        ]
    )
    rows = [
        f"{t},{random.randint(0, 70)},{random.randint(0, 70)}" for t in _times(minutes, "05/%d/2024 %H:%M")
    ]
    return "a.csv", _csv(header, rows)


def webtris(random: random.Random) -> Product:
    """Reports of other intervals; or the rows of UTD19."""
    if random.random() < 0.3:
        return "a.csv", utd19(random)[1]
    minutes = random.choice([5, 30, 60])
    rows = [
        f"A,2024-07-02,{(DAY + timedelta(minutes=minutes * (i + 1) - 1)):%H:%M}:00,{i},{random.randint(20, 70)},{random.randint(0, 999)}"
        for i in range(ROWS)
    ]
    return "a.csv", _csv("Site Name,Report Date,Time Period Ending,Time Interval,Avg mph,Total Volume", rows)


def utd19(random: random.Random) -> Product:
    """Another city, another interval; or minutes of the day for seconds."""
    city, step = random.choice([("basel", 300), ("zurich", 180), ("zurich", 900), ("zurich", 5)])
    rows = [f"2015-10-20,{step * i},K1,{random.randint(0, 900)},0.1,0,{city},50" for i in range(ROWS)]
    return "a.csv", _csv("day,interval,detid,flow,occ,error,city,speed", rows)


def live(random: random.Random) -> Product:
    """A snapshot of five minutes, one of the other standard, or one without a lane."""
    time = utc("2026-10-01T05:07:00+08:00")
    lanes = [lane(random.randint(20, 90), 5, random.randint(0, 30))]
    return random.choice(
        [
            ("a.json", as_json(vdlive(vd("VD-1", time, *lanes), updated=time, interval=300))),
            ("a.xml", as_xml(vdlive(vd("VD-1", time, *lanes), updated=time, interval=300))),
            ("a.xml", v11(("V1", 0, "2026/10/01 05:07:00", [("0", 86, 2, [14])]))),
            ("a.json", as_json(vdlive(vd("VD-1", time), updated=time))),
            ("a.jsonl", _csv("", [f'{{"VDID": "VD-1", "Speed": {random.randint(20, 90)}}}'] * 3)),
        ]
    )


def v11_(random: random.Random) -> Product:
    """A snapshot of one minute, or one of the later standard."""
    lanes = [("0", random.randint(20, 90), 2, [random.randint(0, 30)])]
    name = random.choice(["a.xml", "vd_value5_2350.xml"])
    one = v11(("V1", 0, "2015/03/31 23:50:00", lanes), interval=60)
    return random.choice([(name, one), ("vd_value_2350.xml", one), live(random)])


def wide(random: random.Random) -> Product:
    """Other intervals; or a long table."""
    minutes = random.choice([1, 2, 10, 15, 60])
    x = lambda: random.randint(0, 99)  # noqa: E731
    if random.random() < 0.3:
        rows = [f"{t},{v},{x()}" for t in _times(5, "%Y-%m-%d %H:%M") for v in "AB"]
        return "a.csv", _csv("time,vd,volume", rows)
    return "a.csv", _csv("time,A,B", [f"{t},{x()},{x()}" for t in _times(minutes, "%Y-%m-%d %H:%M", 60)])


def long(random: random.Random) -> Product:
    """Other intervals; rows per lane; or speeds that are none."""
    minutes, lanes, high = random.choice([(1, 1, 90), (15, 1, 90), (60, 1, 90), (5, 2, 90), (5, 1, 5000)])
    rows = [
        f"{t},{v},{lane},{random.randint(0, 99)},{random.randint(high // 2, high)}"
        for t in _times(minutes, "%Y-%m-%d %H:%M", 600)
        for v in "AB"
        for lane in range(lanes)
    ]
    return "a.csv", _csv("time,vd,lane,volume,speed", rows)


def days(random: random.Random) -> Product:
    """More columns than a day of the interval has, or fewer; or a row per lane."""
    columns, lanes = random.choice([(24, 1), (96, 1), (3, 1), (4, 2)])
    rows = [
        f"{day:02}/03/2024,{site},N,{lane}," + ",".join(str(random.randint(0, 99)) for _ in range(columns))
        for day in range(1, 9)
        for site in (11, 12)
        for lane in range(lanes)
    ]
    return "a.csv", _csv("Date,Site,Arm,Lane," + ",".join(f"V{i:02}" for i in range(columns)), rows)


def speeds_h5(random: random.Random) -> Product:
    """Flows; or hours."""
    minutes, high = random.choice([(5, 900), (60, 70)])
    return "a.h5", _table(random, minutes, high)


def flows_h5(random: random.Random) -> Product:
    """Other intervals."""
    return "a.h5", _table(random, random.choice([1, 15, 60]), 900)


def _table(random: random.Random, minutes: int, high: int) -> bytes:
    times = np.datetime64("2019-06-01T00:00") + np.arange(520) * np.timedelta64(minutes, "m")
    values = np.random.default_rng(random.randrange(99)).integers(1, high, (520, 2))
    stream = io.BytesIO()
    metr_la(stream, times, values.astype("f8"), np.array([b"1", b"2"]))
    return stream.getvalue()


def array(random: random.Random) -> Product:
    """Flows alone; four quantities; or the three in another order."""
    x = np.random.default_rng(random.randrange(99)).random((500, 3, 4)) * [900, 1, 70, 1]
    return "a.npz", npz(data=random.choice([x[..., :1], x, x[..., [2, 0, 1]], x[..., 0]]))


PRODUCTS: dict[str, Callable[[random.Random], Product]] = {
    "m05a": m05a, "station": station, "export": export, "webtris": webtris, "utd19": utd19, "json": live, "xml": live,
    "lines": live, "v1.1": v11_, "wide": wide, "long": long, "days": days, "h5": speeds_h5, "largest": flows_h5, "npz": array,
}  # fmt: skip
assert set(PRODUCTS) <= set(mutants.SEEDS)
