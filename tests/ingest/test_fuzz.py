"""More than a thousand damaged files: each gives sound records or one sentence, soon."""

import copy
import gzip
import random
import signal

import numpy as np
import pandas as pd
import pytest

from vdcast.errors import InputError
from vdcast.ingest import assemble, files, pipeline
from vdcast.ingest.detector_lists import vd_info
from vdcast.ingest.records import OBSERVED
from vdcast.ingest.spool import BLOCK, Parsed, unpack
from vdcast.params.formats import FORMATS

from . import mutants
from .products import PRODUCTS
from .raw import as_json, as_xml, lane, put, run, tar, utc, v11, vd, vdlive, zipped
from .test_america import EXPORT, metr_la, npz, station_row
from .test_m05a import rows as m05a_rows

T = utc("2026-10-01T05:07:00+08:00")
LIVE = vdlive(
    vd("VD-1", T, lane(50, 5, 9, 2), lane(-99, -99, -99)), vd("VD-內壢", T, lane(90, 1, 0)), updated=T + 60
)
LIMITS = {"speed": (0, 200), "occupancy": (0, 100), "volume": (0, np.inf)}
TABLE = {"time_zone": "Asia/Taipei", "interval": 300}
WIDE = "time,A,B\n" + "".join(f"2026-10-01 00:{m:02},{m},{m * 2}.5\n" for m in range(0, 30, 5))
LONG = "time,vd,volume\n" + "".join(f"2026-10-01 00:{m:02},{v},{m}\n" for m in range(0, 20, 5) for v in "AB")


def h5_bytes(folder):
    times = np.datetime64("2012-03-01T00:00") + np.arange(20) * np.timedelta64(5, "m")
    metr_la(folder / "seed.h5", times, np.full((20, 3), 60.5), np.array([b"1", b"2", b"3"]))
    return (folder / "seed.h5").read_bytes()


def parquet_bytes(folder):
    times = pd.date_range("2026-10-01", periods=50, freq="5min")
    pd.DataFrame({"time": times, "A": np.arange(50.0), "B": 2.5}).to_parquet(folder / "seed.parquet")
    return (folder / "seed.parquet").read_bytes()


SEEDS = {
    "json": ("taiwan_vdlive", {}, "a.json", as_json(LIVE)),
    "xml": ("taiwan_vdlive", {}, "a.xml", as_xml(LIVE)),
    "json.gz": ("taiwan_vdlive", {}, "a.json.gz", gzip.compress(as_json(LIVE))),
    "zip": ("taiwan_vdlive", {}, "a.zip", zipped({"a.json": as_json(LIVE), "b.xml": as_xml(LIVE)})),
    "tar": ("taiwan_vdlive", {}, "a.tar", tar({"a.json": as_json(LIVE), "b.xml": as_xml(LIVE)}, "w")),
    "tgz": ("taiwan_vdlive", {}, "a.tgz", tar({"a.json": as_json(LIVE), "b.xml": as_xml(LIVE)})),
    "v1.1": (
        "taiwan_v11",
        {"interval": 300},
        "a.xml",
        v11(("V", 0, "2015/03/31 23:50:00", [("0", 86, 2, [14, 1])])),
    ),
    "m05a": (
        "taiwan_m05a",
        {},
        "a.csv",
        m05a_rows(("B", "A", [(95, 1)] * 5), ("C", "B", [(0, 0)] * 5)).encode(),
    ),
    "station": (
        "pems_station",
        {},
        "a.txt",
        station_row("05/01/2024 00:00:00", 715898, 100, 120, 0.05, 65).encode() * 3,
    ),
    "export": ("pems_export", {}, "a.csv", (EXPORT + "05/13/2024 00:00,10,30,60,50,2,100\n").encode()),
    "npz": ("pems_npz", {"start": "2016-07-01"}, "a.npz", npz(data=np.full((5, 3, 3), 0.5))),
    "h5": ("metr_la", {}, "a.h5", h5_bytes),
    "wide": ("wide_table", {**TABLE, "feature": "volume", "unit": "veh"}, "a.csv", WIDE.encode()),
    "parquet": ("wide_table", {**TABLE, "feature": "volume", "unit": "veh"}, "a.parquet", parquet_bytes),
    "long": ("long_table", {**TABLE, "units": {"volume": "veh"}}, "a.csv", LONG.encode()),
}
TOKENS = [
    b"",
    b"0",
    b"-99",
    b"1e999",
    b"1e39",  # finite in a file, not in the table
    b"3e38",  # and this one not when it is summed, or converted
    b"NaN",
    b"null",
    b"\x00",
    b"\xff\xfe",
    b"<",
    b">",
    b"{",
    b"]",
    b'"',
    b",",
    b"\n",
    b"&x;",
]
TOKENS += [
    "國".encode(),
    "國".encode("big5"),
    b"<!DOCTYPE html>",
    b"9" * 400,
    b"[" * 2000,
    b"true",
    b"2026-13-41T99:99:99",
]


def damage(data: bytes, random: random.Random) -> bytes:
    """One to three small accidents."""
    for _ in range(random.randint(1, 3)):
        at, length = random.randrange(len(data) + 1), random.choice([0, 1, 2, 8, 64, 500])
        match random.randrange(6):
            case 0:
                data = data[:at]
            case 1:
                data = data[:at] + data[at + length :]
            case 2:
                data = data[:at] + random.choice(TOKENS) + data[at + length :]
            case 3:
                data = data[:at] + bytes(random.randrange(256) for _ in range(length)) + data[at + length :]
            case 4:
                data = data[:at] + data[max(0, at - length) : at] * random.choice([2, 50]) + data[at:]
            case 5:
                end = random.randrange(len(data) + 1)
                data = data[: min(at, end)] + data[max(at, end) :] + data[min(at, end) : max(at, end)]
        data = data or b"\n"
    return data


def records(name, settings, folder):
    """Every value and cause that the files in ``folder`` give."""
    module, grid = pipeline.format_of(settings), assemble.grid(settings.interval, settings.time_zone)
    width = len(module.features(settings))
    for file in files.find(folder, module.SUFFIXES, "*"):
        if isinstance(file, InputError):
            raise file
        if isinstance(file, str):
            continue
        parsed = Parsed()
        pieces = list(pipeline.parse(settings, file, grid, parsed))
        assert parsed.records == sum(piece.records for piece in pieces)
        for piece in pieces:
            _, vd, _, cause, values = unpack(piece.data, piece.records, width)
            assert vd.max() < len(parsed.vd_ids)
            yield cause, values


@pytest.mark.parametrize("seed", SEEDS)
def test_a_hundred_damaged_files(tmp_path, seed):
    name, extra, filename, data = SEEDS[seed]
    data = data(tmp_path) if callable(data) else data
    settings = FORMATS[name](format=name, raw=str(tmp_path / "raw"), **extra)
    features = [feature for feature, _ in pipeline.format_of(settings).features(settings)]
    path = put(tmp_path / "raw" / filename, data)
    assert list(records(name, settings, tmp_path / "raw")), "the undamaged file must be read"
    random_ = random.Random(seed)
    refused = 0
    signal.signal(signal.SIGALRM, lambda *_: pytest.fail("a damaged file hangs"))
    for _ in range(100):
        path.write_bytes(damage(data, random_))
        signal.alarm(60)
        try:
            for cause, values in records(name, settings, tmp_path / "raw"):
                assert cause.max() <= 6
                np.testing.assert_array_equal(np.isnan(values), cause != OBSERVED)
                assert not np.isinf(values).any()
                for f, feature in enumerate(features):
                    seen = values[:, f][cause[:, f] == OBSERVED]
                    low, high = LIMITS[feature]
                    assert ((seen >= low) & (seen <= high)).all()
        except InputError as error:
            refused += 1
            text = str(error)
            assert text.startswith("'a.") and "\n" not in text and len(text) < 400, text
        finally:
            signal.alarm(0)
    assert refused > 10


@pytest.mark.parametrize("seed", ["json", "xml", "json.gz", "zip", "tgz", "v1.1", "npz"])
def test_a_file_cut_anywhere_is_refused(tmp_path, seed):
    """A closing bracket, or a checksum, is missing wherever it is cut."""
    name, extra, filename, data = SEEDS[seed]
    data = data(tmp_path) if callable(data) else data
    settings = FORMATS[name](format=name, raw=str(tmp_path / "raw"), **extra)
    path = put(tmp_path / "raw" / filename, data)
    for end in range(0, len(data), max(1, len(data) // 60)):
        path.write_bytes(data[:end])
        with pytest.raises(InputError):
            list(records(name, settings, tmp_path / "raw"))


@pytest.mark.parametrize("seed", ["m05a", "station", "export", "wide", "long"])
def test_rows_cut_anywhere_give_whole_rows_or_are_refused(tmp_path, seed):
    """No bracket closes a CSV, but a line break ends it: no number is ever one that was cut short.

    In plain tables that line break may be missing, so there it is counted.
    """
    name, extra, filename, data = SEEDS[seed]
    settings = FORMATS[name](format=name, raw=str(tmp_path / "raw"), **extra)
    module, grid = pipeline.format_of(settings), assemble.grid(settings.interval, settings.time_zone)
    path = put(tmp_path / "raw" / filename, data)
    (whole,) = files.find(tmp_path / "raw", module.SUFFIXES, "*")
    read = 0
    for end in range(1, len(data)):
        path.write_bytes(data[:end])
        parsed = Parsed()
        try:
            list(pipeline.parse(settings, whole, grid, parsed))
        except InputError:
            continue
        read += 1
        assert data[end - 1] == ord("\n") or (seed in ("wide", "long") and parsed.counts["unended"] == 1)
    assert read > 0 or seed == "export"  # of its header and one row, nothing but the whole is a table


LISTS = {
    "json": '{"VDs": [{"VDID": "A", "PositionLon": 121.5, "DetectionLinks": [{"LinkID": "1", "LaneNum": 2}]}]}',
    "xml": "<VDList><VDs><VD><VDID>A</VDID><DetectionLinks><DetectionLink><LaneNum>2</LaneNum></DetectionLink>"
    "</DetectionLinks><PositionLon>121.5</PositionLon></VD></VDs></VDList>",
    "csv": "VDID,PositionLon,RoadName,LaneNum\r\nA,121.5,台9線,2\r\n",
}


@pytest.mark.parametrize("kind", LISTS)
def test_a_hundred_damaged_lists_of_vds(tmp_path, kind):
    random_ = random.Random(kind)
    path = tmp_path / "list"
    for _ in range(100):
        path.write_bytes(damage(LISTS[kind].encode(), random_))
        try:
            info = vd_info(path, ["A", "B"])
        except InputError as error:
            assert str(error).startswith("'list': ") and "\n" not in str(error)
        else:
            assert info["lanes"].shape == (2,) and not np.isinf(info["lon"]).any()


# --- values are right, or one sentence: of the mutants of `mutants.py` each that is read is compared with the whole file

Cells = dict[tuple[str, int, int], float]  # of detector, time, feature: what was observed


def table_of(seed: mutants.Seed, folder, data: bytes) -> tuple[Cells, set, int]:
    """What a file says, the later of two values standing; which records it has; and how many were dropped and counted.

    Raises InputError.
    """
    settings = FORMATS[seed.format](format=seed.format, raw=str(folder), **seed.settings)
    module, grid = pipeline.format_of(settings), assemble.grid(settings.interval, settings.time_zone)
    width = len(module.features(settings))
    (folder / seed.name).write_bytes(data)
    cells, there, dropped = {}, set(), 0
    for file in files.find(folder, module.SUFFIXES, "*"):
        if isinstance(file, InputError):
            raise file
        if isinstance(file, str):
            continue
        parsed = Parsed()
        for piece in list(pipeline.parse(settings, file, grid, parsed)):
            step, vd, late, cause, values = unpack(piece.data, piece.records, width)
            names = list(parsed.vd_ids)
            for row, k in enumerate(vd.tolist()):
                at = names[k], grid.time(piece.block * BLOCK + int(step[row])) + int(late[row])
                there.add(at)
                for f in np.flatnonzero(cause[row] == OBSERVED).tolist():
                    cells[*at, f] = values[row, f].item()
        dropped += sum(parsed.counts[name] for name in ("stale", "undated", "nonexistent"))
    return cells, there, dropped


class Truth:
    """What the whole file says, and what of it hangs on each mark."""

    def __init__(self, seed: mutants.Seed, folder):
        self.cells, self.there, _ = table_of(seed, folder, seed.data)
        times = sorted({time for _, time in self.there})
        self.row = {time: i for i, time in enumerate(times)}

    def later(self, seconds: int) -> "Truth":
        """What it says where all times are later."""
        other = copy.copy(self)
        other.cells = {(vd, time + seconds, f): value for (vd, time, f), value in self.cells.items()}
        other.there = {(vd, time + seconds) for vd, time in self.there}
        return other

    def of(self, marks) -> set:
        """The records that hang on marks ``VD@row``."""
        patterns = [cells.rpartition("@")[::2] for _, cells in marks]
        return {
            (vd, time)
            for vd, time in self.there
            if any(name in ("*", vd) and row in ("*", str(self.row[time])) for name, row in patterns)
        }


def lie(truth: Truth, mutant: mutants.Mutant, cells: Cells, there: set, dropped: int) -> str:
    """What a mutant that was read says that no byte of it does; empty where all of it is right.

    A value may differ where the bytes of its own record were touched. A record whose time or name was touched may lie
    elsewhere, over another one too. Nothing else may be new, other, or gone without a record that says why.
    """
    if mutant.later:
        truth = truth.later(mutant.later)
    touched = truth.of(mutant.touched)
    moved = truth.of([mark for mark in mutant.touched if mark[0] in "tsn"])
    wrong = {at[:2] for at, value in cells.items() if at[:2] not in touched and truth.cells.get(at) != value}
    if len(wrong) > len(moved):
        return f"other values at {sorted(wrong)[:3]}"
    if len(lost := truth.there - there - touched) > dropped:
        return f"no record at {sorted(lost)[:3]}"
    return ""


def fuzz(tmp_path, name: str, seeds: range) -> None:
    if name == "excel":
        pytest.importorskip("python_calamine")
    seed = mutants.SEEDS[name]
    truth = Truth(seed, tmp_path)
    assert truth.cells
    read, lies = 0, []
    signal.signal(signal.SIGALRM, lambda *_: pytest.fail("a damaged file hangs"))
    for number in seeds:
        mutant = mutants.mutant(seed, random.Random(f"{name} {number}"))
        signal.alarm(60)
        try:
            found = table_of(seed, tmp_path, mutant.data)
        except InputError as error:
            text = str(error)
            assert "\n" not in text and len(text) < 500, text
            continue
        finally:
            signal.alarm(0)
        read += 1
        if what := lie(truth, mutant, *found):
            lies.append(f"{number} {mutant.how} {mutant.touched}: {what}")
    # h5 and parquet have no checksum: a bit of what says where numbers lie, or what they are, makes others of them
    unheard = len(seeds) // 100 if seed.fixed else 0
    assert len(lies) <= unheard, f"{len(lies)} of {len(seeds)}:\n" + "\n".join(lies[:10])
    assert read or name in ("npz", "json.gz", "tgz", "zip", "zip in zip", "tar", "excel")


@pytest.mark.parametrize("name", mutants.SEEDS)
def test_what_is_read_of_a_mutant_is_right(tmp_path, name):
    fuzz(tmp_path, name, range(30))


def swap(tmp_path, name: str, seeds: range) -> None:
    """Ingest other products, as wholes: what is wrong with one may show only when all of it is laid on the grid."""
    seed, read = mutants.SEEDS[name], []
    for number in seeds:
        file, data = PRODUCTS[name](random.Random(f"{name} {number}"))
        folder = tmp_path / str(number)
        put(folder / "raw" / file, data)
        try:
            run(folder, seed.format, folder / "raw", **seed.settings)
        except InputError as error:
            assert "\n" not in str(error) and len(str(error)) < 500, error
        else:
            read.append((number, file, data[:200]))
    assert not read, f"{len(read)} of {len(seeds)}: {read[:3]}"


@pytest.mark.parametrize("name", PRODUCTS)
def test_another_product_is_not_read(tmp_path, name):
    swap(tmp_path, name, range(6))


@pytest.mark.slow
@pytest.mark.parametrize("name", PRODUCTS)
def test_no_other_product_is_read(tmp_path, name):
    swap(tmp_path, name, range(1000, 1000 + 30))


@pytest.mark.slow
@pytest.mark.parametrize("name", mutants.SEEDS)
def test_what_is_read_of_ten_thousand_mutants_is_right(tmp_path, name):
    fuzz(tmp_path, name, range(1000, 1000 + 10_200 // len(mutants.SEEDS)))
