"""How fast ``ingest`` is, against the plain way, in one run: ``python benchmarks/ingest.py``.

Writes a day of one-minute VDLive snapshots of 3,000 VDs in the real schema (gzip, as they are published)
and, where ``../shared/data`` has the packed month of M05A, its 8,928 CSV files. The plain way is what one
writes first: a loop over the files with ``xml.etree`` / ``json`` / ``pandas.read_csv``, a pandas frame per
file aggregated from lanes to VDs, all frames concatenated at the end and written. It gives the same numbers
for these files, which is checked, but has next to no limits, no grid, no quality report, and trusts every file. Each
way runs in a process of its own; CPU seconds are of all of its processes, and memory is the peak of the process
and, for each core, of its largest worker. About 12 minutes on two cores.
"""

import argparse
import gzip
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ET
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np

NAMESPACE = "http://traffic.transportdata.tw/standard/traffic/schema/"
M05A = Path(__file__).parents[2] / "shared/data/taiwan_m05a_may2024/m05a_2024-05_raw.npz"
START = datetime(2026, 10, 1)
MAX_SPEED = 200.0  # km/h; the default of data.max_speed, which a few speeds of M05A exceed
DISTINCT = 12  # different snapshots; the day repeats them with other times


# --- the raw files -------------------------------------------------------------------------------------


def snapshot(rng: np.random.Generator, vds: int) -> dict:
    """One VDLive snapshot as its JSON has it; one VD in 20 reports an error and codes."""
    lives = []
    for i in range(vds):
        well = rng.random() > 0.05
        lanes = []
        for k in range(2 + i % 3):
            speed, occupancy = (int(rng.integers(40, 110)), int(rng.integers(0, 40))) if well else (-99, -99)
            vehicles = [
                {"VehicleType": kind, "Volume": int(rng.integers(0, 20)) if well else -99, "Speed": speed}
                for kind in "SLT"
            ]
            lane = {"LaneID": k, "LaneType": 1, "Speed": speed, "Occupancy": occupancy, "Vehicles": vehicles}
            lanes.append(lane)
        lives.append(
            {
                "VDID": f"VD-N1-S-{i / 10:.3f}-M-LOOP",
                "SubAuthorityCode": "NFB-CR",
                "LinkFlows": [{"LinkID": f"00001{i:08d}J", "Lanes": lanes}],
                "Status": 0 if well else 1,
                "DataCollectTime": "COLLECTED+08:00",
            }
        )
    head = {
        "UpdateTime": "UPDATED+08:00",
        "UpdateInterval": 60,
        "AuthorityCode": "NFB",
        "LinkVersion": "24.02.1",
    }
    return {**head, "VDLives": lives}


def as_xml(name: str, value) -> str:
    """The same in XML, where each list wraps its elements."""
    if isinstance(value, list):
        inner = "".join(as_xml(name[:-1], item) for item in value)
    elif isinstance(value, dict):
        inner = "".join(as_xml(key, item) for key, item in value.items())
    else:
        inner = str(value)
    return f"<{name}>{inner}</{name}>"


def write_day(folder: Path, kind: str, snapshots: int, vds: int) -> None:
    rng = np.random.default_rng(0)
    templates = []
    for _ in range(DISTINCT):
        document = snapshot(rng, vds)
        if kind == "json":
            text = json.dumps(document, separators=(",", ":"))
        else:
            root = as_xml("VDLiveList", document).replace(
                "<VDLiveList>", f'<VDLiveList xmlns="{NAMESPACE}">', 1
            )
            text = '<?xml version="1.0" encoding="UTF-8"?>' + root
        templates.append(text)
    folder.mkdir(parents=True)
    for minute in range(snapshots):
        at = START + timedelta(minutes=minute)
        text = templates[minute % DISTINCT].replace("COLLECTED", at.isoformat())
        text = text.replace("UPDATED", (at + timedelta(seconds=70)).isoformat())
        with gzip.open(folder / f"VDLive_{at:%Y%m%d_%H%M}.{kind}.gz", "wb", compresslevel=1) as file:
            file.write(text.encode())


def write_m05a(folder: Path, files: int) -> None:
    """The packed month as the CSV files that it was made of."""
    packed = np.load(M05A, allow_pickle=False)
    speed, volume = packed["speed"], packed["volume"]
    pairs = [pair.split(">") for pair in packed["pairs"].tolist()]
    heads = [f"{a},{b},{kind}," for a, b in pairs for kind in packed["vehicle_types"].tolist()]
    folder.mkdir(parents=True)
    for i, text in enumerate(packed["timestamps"].tolist()[:files]):
        at = datetime.fromisoformat(text)
        cells = zip(heads, speed[i].ravel().tolist(), volume[i].ravel().tolist(), strict=True)
        rows = "".join(f"{at:%Y/%m/%d %H:%M},{head}{s},{v}\n" for head, s, v in cells)
        (folder / f"TDCS_M05A_{at:%Y%m%d_%H%M%S}.csv").write_text(rows)


# --- the plain way --------------------------------------------------------------------------------------


def plain_rows_json(path: Path) -> list[tuple]:
    with gzip.open(path) as file:
        document = json.load(file)
    return [
        (
            vd["VDID"],
            vd["DataCollectTime"],
            vd["Status"],
            lane["LaneID"],
            lane["Speed"],
            lane["Occupancy"],
            vehicle["Volume"],
        )
        for vd in document["VDLives"]
        for link in vd["LinkFlows"]
        for lane in link["Lanes"]
        for vehicle in lane["Vehicles"]
    ]


def plain_rows_xml(path: Path) -> list[tuple]:
    with gzip.open(path) as file:
        root = ET.parse(file).getroot()
    n = f"{{{NAMESPACE}}}"
    rows = []
    for vd in root.iter(f"{n}VDLive"):
        name, when = vd.find(f"{n}VDID").text, vd.find(f"{n}DataCollectTime").text
        status = int(vd.find(f"{n}Status").text)
        for lane in vd.iter(f"{n}Lane"):
            number = int(lane.find(f"{n}LaneID").text)
            speed, occupancy = (int(lane.find(n + tag).text) for tag in ("Speed", "Occupancy"))
            for vehicle in lane.iter(f"{n}Vehicle"):
                volume = int(vehicle.find(f"{n}Volume").text)
                rows.append((name, when, status, number, speed, occupancy, volume))
    return rows


def plain_frame_vdlive(rows: list[tuple]):
    import pandas as pd

    columns = ["vd", "time", "status", "lane", "speed", "occupancy", "volume"]
    frame = pd.DataFrame(rows, columns=columns)
    numbers = ["speed", "occupancy", "volume"]
    frame[numbers] = frame[numbers].where((frame[numbers] != -99) & (frame[["status"]] == 0).to_numpy())
    frame["time"] = pd.to_datetime(frame.time).dt.floor("min")
    lanes = frame.groupby(["time", "vd", "lane"]).agg(
        speed=("speed", "first"),
        occupancy=("occupancy", "first"),
        volume=("volume", "max"),
        total=("volume", "sum"),
    )
    lanes["volume"] = lanes.total.where(lanes.volume.notna())
    lanes["weighted"] = lanes.speed * lanes.volume
    vds = lanes.groupby(["time", "vd"]).agg(
        weighted=("weighted", "sum"), volume=("volume", "sum"), occupancy=("occupancy", "mean")
    )
    vds["speed"] = vds.weighted / vds.volume.where(vds.volume > 0)
    vds["volume"] = vds.volume.where(vds.occupancy.notna())
    return vds[["speed", "volume", "occupancy"]]


def plain_frame_m05a(path: Path):
    import pandas as pd

    frame = pd.read_csv(path, header=None, names=["time", "from", "to", "type", "speed", "volume"])
    frame["time"] = pd.to_datetime(frame.time)
    frame["vd"] = frame["from"] + "-" + frame["to"]
    unknown = ((frame.speed == 0) | (frame.speed > MAX_SPEED)) & (frame.volume > 0)
    frame["weighted"] = (frame.speed * frame.volume).where(~unknown)
    frame["unknown"] = unknown
    vds = frame.groupby(["time", "vd"]).agg(
        weighted=("weighted", "sum"), volume=("volume", "sum"), unknown=("unknown", "any")
    )
    vds["speed"] = (vds.weighted / vds.volume.where(vds.volume > 0)).where(~vds.unknown)
    return vds[["speed", "volume"]]


def plain(kind: str, folder: Path):
    """All files as one frame (time, vd) x features, and that as an h5 of (T, V, F)."""
    import h5py
    import pandas as pd

    frames = []
    for path in sorted(folder.iterdir()):
        match kind:
            case "json":
                frames.append(plain_frame_vdlive(plain_rows_json(path)))
            case "xml":
                frames.append(plain_frame_vdlive(plain_rows_xml(path)))
            case "m05a":
                frames.append(plain_frame_m05a(path))
    table = pd.concat(frames).unstack("vd")
    with h5py.File(folder.parent / f"{kind}-plain.h5", "w") as file:
        for name in table.columns.get_level_values(0).unique():
            file[name] = table[name].to_numpy("f4")
            file[f"{name}-vd"] = table[name].columns.to_list()


# --- the measurement ------------------------------------------------------------------------------------


def ours(kind: str, folder: Path) -> None:
    from vdcast.ingest import pipeline
    from vdcast.params.formats import FORMATS

    name = "taiwan_m05a" if kind == "m05a" else "taiwan_vdlive"
    work = folder.parent / f"{folder.name}-out"
    shutil.rmtree(work, ignore_errors=True)
    pipeline.ingest(
        FORMATS[name](format=name, raw=str(folder)), work / "t.h5", work / "quality.json", work / "scratch"
    )


def measure(way: str, kind: str, folder: Path) -> dict:
    """Run one way in a process of its own."""
    command = [sys.executable, __file__, "--run", way, kind, str(folder)]
    return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)


def run(way: str, kind: str, folder: str) -> None:
    start = time.perf_counter()
    if way == "plain":
        plain(kind, Path(folder))
    else:
        ours(kind, Path(folder))
    seconds = time.perf_counter() - start
    usage = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    cpu = sum(u.ru_utime + u.ru_stime for u in usage)
    peak, worker = (u.ru_maxrss / 1024 for u in usage)
    workers = 0 if way == "plain" else len(os.sched_getaffinity(0))
    print(json.dumps({"seconds": seconds, "cpu": cpu, "mib": peak, "worker_mib": worker, "workers": workers}))


def total(way: dict) -> float:
    """MiB of the process and its workers, if all were at their peak at once."""
    return way["mib"] + way["workers"] * way["worker_mib"]


def check(kind: str, folder: Path) -> None:
    """Both ways must give the same numbers."""
    import h5py

    from vdcast.data import store

    table = store.read(folder.parent / f"{folder.name}-out" / "t.h5")
    with h5py.File(folder.parent / f"{kind}-plain.h5") as file:
        for f, name in enumerate(table.features):
            column = [table.vd_ids.index(vd) for vd in file[f"{name}-vd"].asstr()]
            plain = file[name][:]
            np.testing.assert_allclose(table.values[:, column, f], plain, rtol=1e-5, err_msg=name)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--vds", type=int, default=3000)
    parser.add_argument("--snapshots", type=int, default=1440)
    parser.add_argument("--m05a-files", type=int, default=8928)
    parser.add_argument("--kinds", nargs="+", default=["json", "xml", "m05a"])
    parser.add_argument("--unpack", type=Path, metavar="FOLDER", help="only write the M05A files, to FOLDER")
    parser.add_argument("--run", nargs=3, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.run:
        run(*arguments.run)
        return
    if arguments.unpack:
        write_m05a(arguments.unpack, arguments.m05a_files)
        return
    print(f"{os.cpu_count()} cores; {arguments.vds} VDs\n")
    print(
        "| files | way | seconds | files/s | ratio | CPU s | ratio per CPU s | MiB, main + workers | peak MiB | of the plain way |"
    )
    print("|---" * 10 + "|")
    with tempfile.TemporaryDirectory() as temporary:
        for kind in arguments.kinds:
            folder = Path(temporary) / kind
            if kind == "m05a":
                if not M05A.exists():
                    continue
                files = arguments.m05a_files
                write_m05a(folder, files)
            else:
                files = arguments.snapshots
                write_day(folder, kind, files, arguments.vds)
            slow, fast = measure("plain", kind, folder), measure("ours", kind, folder)
            check(kind, folder)
            for name, way in (("plain", slow), ("ingest", fast)):
                memory = f"{way['mib']:.0f}" + (
                    f" + {way['workers']} x {way['worker_mib']:.0f}" if way["workers"] else ""
                )
                print(
                    f"| {files:,} {kind} | {name} | {way['seconds']:.1f} | {files / way['seconds']:,.1f} | "
                    f"{slow['seconds'] / way['seconds']:.1f} | {way['cpu']:.1f} | {slow['cpu'] / way['cpu']:.1f} | "
                    f"{memory} | {total(way):,.0f} | {total(way) / total(slow):.2f} |",
                    flush=True,
                )
            shutil.rmtree(folder)


if __name__ == "__main__":
    main()
