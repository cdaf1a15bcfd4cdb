"""How fast ``ingest`` is, against the plain way, in one run: ``python benchmarks/ingest.py``.

Writes a day of one-minute VDLive snapshots of 3,000 VDs in the real schema (gzip, as they are published)
and, where ``../shared/data`` has the packed month of M05A, its 8,928 CSV files. The plain way is what one
writes first: a loop over the files with ``xml.etree`` / ``json`` / ``pandas.read_csv``, a pandas frame per
file aggregated from lanes to VDs, all frames concatenated at the end. It does less: no codes, no status,
no times, no grid, no quality report. Its rate does not depend on the number of files, so it is given
fewer. Each way runs in a process of its own; memory is the peak of that process, and of its largest worker.
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
        (vd["VDID"], lane["LaneID"], lane["Speed"], lane["Occupancy"], vehicle["Volume"])
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
        name = vd.find(f"{n}VDID").text
        for lane in vd.iter(f"{n}Lane"):
            number = int(lane.find(f"{n}LaneID").text)
            speed, occupancy = (int(lane.find(n + tag).text) for tag in ("Speed", "Occupancy"))
            for vehicle in lane.iter(f"{n}Vehicle"):
                rows.append((name, number, speed, occupancy, int(vehicle.find(f"{n}Volume").text)))
    return rows


def plain(kind: str, folder: Path, files: int) -> None:
    import pandas as pd

    frames = []
    for path in sorted(folder.iterdir())[:files]:
        if kind == "m05a":
            names = ["time", "from", "to", "type", "speed", "volume"]
            frame = pd.read_csv(path, header=None, names=names)
            frame["moved"] = frame.speed * frame.volume
            lanes = frame
            keys = ["from", "to"]
        else:
            rows = {"json": plain_rows_json, "xml": plain_rows_xml}[kind](path)
            frame = pd.DataFrame(rows, columns=["vd", "lane", "speed", "occupancy", "volume"])
            lanes = frame.groupby(["vd", "lane"]).agg(
                speed=("speed", "first"), occupancy=("occupancy", "first"), volume=("volume", "sum")
            )
            lanes["moved"] = lanes.speed * lanes.volume
            keys = ["vd"]
        groups = lanes.groupby(keys)
        out = groups.volume.sum().to_frame()
        out["speed"] = groups.moved.sum() / out.volume
        frames.append(out)
    pd.concat(frames)


# --- the measurement ------------------------------------------------------------------------------------


def ours(kind: str, folder: Path) -> None:
    from vdcast.ingest import pipeline
    from vdcast.params import FORMATS

    name = "taiwan_m05a" if kind == "m05a" else "taiwan_vdlive"
    work = folder.parent / f"{folder.name}-out"
    shutil.rmtree(work, ignore_errors=True)
    pipeline.ingest(
        FORMATS[name](format=name, raw=str(folder)), work / "t.h5", work / "quality", work / "scratch"
    )


def measure(way: str, kind: str, folder: Path, files: int) -> dict:
    """Run one way in a process of its own."""
    command = [sys.executable, __file__, "--run", way, kind, str(folder), str(files)]
    return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)


def run(way: str, kind: str, folder: str, files: str) -> None:
    start = time.perf_counter()
    if way == "plain":
        plain(kind, Path(folder), int(files))
    else:
        ours(kind, Path(folder))
    seconds = time.perf_counter() - start
    peak, worker = (
        resource.getrusage(who).ru_maxrss / 1024 for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    )
    print(json.dumps({"seconds": seconds, "mib": peak, "worker_mib": worker}))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--vds", type=int, default=3000)
    parser.add_argument("--snapshots", type=int, default=1440)
    parser.add_argument("--m05a-files", type=int, default=8928)
    parser.add_argument(
        "--plain-files", type=int, default=60, help="files that the plain way is timed on (M05A: 10 times)"
    )
    parser.add_argument("--kinds", nargs="+", default=["json", "xml", "m05a"])
    parser.add_argument("--run", nargs=4, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.run:
        run(*arguments.run)
        return
    print(f"{os.cpu_count()} cores; {arguments.vds} VDs\n")
    print("| files | way | files | seconds | files/s | ratio | peak MiB, main | largest worker |")
    print("|---|---|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as temporary:
        for kind in arguments.kinds:
            folder = Path(temporary) / kind
            if kind == "m05a":
                if not M05A.exists():
                    continue
                files, few = arguments.m05a_files, 10 * arguments.plain_files
                write_m05a(folder, files)
            else:
                files, few = arguments.snapshots, arguments.plain_files
                write_day(folder, kind, files, arguments.vds)
            few = min(few, files)
            slow, fast = measure("plain", kind, folder, few), measure("ours", kind, folder, files)
            base = few / slow["seconds"]
            for way, n, result in (("plain", few, slow), ("ingest", files, fast)):
                rate = n / result["seconds"]
                print(
                    f"| {kind} | {way} | {n} | {result['seconds']:.1f} | {rate:.1f} | {rate / base:.1f} | "
                    f"{result['mib']:.0f} | {result['worker_mib']:.0f} |",
                    flush=True,
                )
            shutil.rmtree(folder)


if __name__ == "__main__":
    main()
