"""Whatever a file turns out to be: one sentence with its name, and no table."""

import gzip
import io
import json
import os
import tarfile
import warnings
import zipfile
from functools import partial

import numpy as np
import pytest

from vdcast.errors import InputError
from vdcast.ingest import files

from .raw import as_json, as_xml, lane, put, run, tar, utc, v11, vd, vdlive, zipped

T = utc("2026-10-01T05:07:00+08:00")
GOOD = vdlive(vd("A", T, lane(50, 1, 2)))
BOMB = gzip.compress(b"[" + bytes(150 << 20))
LAUGHS = b'<?xml version="1.0"?><!DOCTYPE l [<!ENTITY a "ha"><!ENTITY b "&a;&a;">]><VDLiveList><VDLives>&b;</VDLives></VDLiveList>'
OUTSIDE = b'<?xml version="1.0"?><!DOCTYPE l [<!ENTITY x SYSTEM "file:///etc/passwd">]><VDLiveList><VDLives><VDLive><VDID>&x;</VDID></VDLive></VDLives></VDLiveList>'


def changed(old: bytes, new: bytes, data: bytes = as_json(GOOD)) -> bytes:
    assert old in data
    return data.replace(old, new)


BAD = {
    "empty": (b"", "is empty"),
    "blank": (b"  \n", "is empty"),
    "html page": (b"<!DOCTYPE html><html><body>503</body></html>", "HTML page"),
    "text": (b"Service unavailable", "neither JSON nor XML"),
    "broken json": (as_json(GOOD)[:-9], "not valid JSON: Input data was truncated"),
    "big5 json": (as_json(vdlive(vd("內壢", T))).decode().encode("big5"), "not valid JSON"),
    "other schema": (
        b'{"Stations": []}',
        "no VDLive snapshot of the standard v2: Object missing required field `VDLives`",
    ),
    "a scalar list": (b'{"VDLives": [1, 2]}', r"Expected `object`, got `int` - at `\$.VDLives\[0\]`"),
    "lanes of another shape": (
        changed(b'"Lanes": [{', b'"Lanes": [[{').replace(b"}]}]}]", b"}]}]]}]"),
        r"no VDLive snapshot of the standard v2: .*LinkFlows\[0\].Lanes\[0\]",
    ),
    "words for numbers": (changed(b'"Speed": 50', b'"Speed": "fast"'), "Speed of A is 'fast', not a number"),
    "true for a number": (
        changed(b'"Speed": 50', b'"Speed": true'),
        r"got `bool` - at `\$.VDLives\[0\].LinkFlows\[0\].Lanes\[0\].Speed`",
    ),
    "no name": (changed(b'"VDID": "A"', b'"VDID": ""'), r"no VDLive snapshot .*VDID"),
    "a time that is none": (changed(b"2026-10-01T05", b"2026-10-41T05"), "time of A"),
    "another interval": (
        changed(b'"UpdateInterval": 60', b'"UpdateInterval": 300'),
        "snapshot per 300 s; set data.interval",
    ),
    "broken xml": (as_xml(GOOD)[:-9], "not well-formed XML"),
    "other xml": (b"<CCTVList/>", "its root is <CCTVList>"),
    "other xml inside": (changed(b"VDLive>", b"CMSLive>", as_xml(GOOD)), "has no VD in <VDLives>"),
    "xml of one list too many": (
        changed(b"<Vehicles>", b"<Vehicles><Vehicle/></Vehicles><Vehicles>", as_xml(GOOD)).replace(
            b"<Lanes>", b"<Lanes></Lanes><Lanes><Lane/></Lanes><Lanes>"
        ),
        "more than one list of <lane>",
    ),
    "xml of a value twice": (
        changed(b"<Speed>50", b"<Speed>49</Speed><Speed>50", as_xml(GOOD)),
        "XML of another schema: Duplicate value for field 'speed'",
    ),
    "xml in a strange encoding": (changed(b"UTF-8", b"punycode", as_xml(GOOD)), "in the encoding punycode"),
    "xml in another encoding than it says": (
        changed(b"UTF-8", b"big5", as_xml(vdlive(vd("內壢", T, lane(50, 1, 2))))),
        "not text in the encoding big5 that it declares",
    ),
    "xml without a time": (
        changed(b"DataCollectTime", b"CollectTime", as_xml(GOOD)),
        "not one of its 1 VDs has a time",
    ),
    "xml without an id": (changed(b"<VDID>A<", b"<VDID> <", as_xml(GOOD)), "VD number 1 has no id"),
    "words for numbers in xml": (
        changed(b"<Volume>2<", b"<Volume>two<", as_xml(GOOD)),
        "Volume of A is 'two', not a number",
    ),
    "lanes by another name": (changed(b'"Lanes"', b'"lanes"'), "healthy ones among them, and not one lane"),
    "json without a time": (changed(b"DataCollectTime", b"CollectTime"), "not one of its 1 VDs has a time"),
    "xml of another namespace": (
        changed(b"schema/", b"schema/v3/", as_xml(GOOD)),
        "its <VDLiveList> is of the namespace 'http://traffic.transportdata.tw/standard/traffic/schema/v3/', not of "
        "'http://traffic.transportdata.tw/standard/traffic/schema/'",
    ),
    "entities": (LAUGHS, "declares a DOCTYPE"),
    "external entities": (OUTSIDE, "declares a DOCTYPE"),
    "utf-16 entities": (
        LAUGHS.decode().replace('"1.0"', '"1.0" encoding="utf-16"', 1).encode("utf-16"),
        "declares a DOCTYPE",
    ),
    "truncated gzip": (gzip.compress(as_json(GOOD))[:-12], "truncated or damaged gzip"),
    "damaged gzip": (gzip.compress(as_json(GOOD))[:30] + b"xxxx" + gzip.compress(as_json(GOOD))[34:], "gzip"),
    "bomb": (BOMB, "decompression bomb"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_snapshot_stops_with_one_sentence_or_is_skipped_and_listed(tmp_path, name):
    data, sentence = BAD[name]
    put(tmp_path / "raw/a.json", as_json(GOOD))
    put(tmp_path / "raw/bad.json", data)
    with pytest.raises(InputError, match=sentence) as error:
        run(tmp_path, "taiwan_vdlive", tmp_path / "raw")
    assert str(error.value).startswith("'bad.json': ") and "\n" not in str(error.value)
    assert not (tmp_path / "detectors.h5").exists()
    table, report = run(tmp_path, "taiwan_vdlive", tmp_path / "raw", on_bad_file="skip")
    assert table.values[0, 0].tolist() == [50, 2, 1]
    assert [line.split(":")[0] for line in report["files"]["bad"]] == ["'bad.json'"]
    with pytest.raises(InputError, match=sentence):  # what was skipped once stops again
        run(tmp_path, "taiwan_vdlive", tmp_path / "raw")


def lying() -> bytes:
    """A zip whose headers say that its member is small."""
    big = zipped({"a.json": bytes(150 << 20)})
    return big.replace((150 << 20).to_bytes(4, "little"), (1000).to_bytes(4, "little"))


def twice() -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as file, warnings.catch_warnings(action="ignore"):
        for speed in (50, 60):
            file.writestr("a.json", as_json(vdlive(vd("A", T, lane(speed, 1, 2)))))
    return stream.getvalue()


@pytest.mark.parametrize(
    "data, sentence",
    [
        (zipped({"a.json": as_json(GOOD)})[:-10], "truncated or damaged zip"),
        (zipped({"../a.json": as_json(GOOD)}), "points outside its archive"),
        (zipped({"/a.json": as_json(GOOD)}), "points outside its archive"),
        (zipped({"a.json": bytes(150 << 20)}), "decompression bomb"),
        (lying(), "all.zip/a.json': is a damaged member"),
        (twice(), "holds this name twice"),
        (zipped({"readme.txt": b"x"}), "holds no file of format taiwan_vdlive"),
    ],
)
def test_a_bad_zip(tmp_path, data, sentence):
    put(tmp_path / "raw/all.zip", data)
    with pytest.raises(InputError, match=sentence):
        run(tmp_path, "taiwan_vdlive", tmp_path / "raw")
    assert sorted(p.name for p in tmp_path.iterdir() if p.is_dir()) == ["raw", "scratch"]


def special(kind: bytes, name: str = "a.json") -> bytes:
    """A tar whose only member is a link, or a device."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as file:
        member = tarfile.TarInfo(name)
        member.type, member.linkname = kind, "/etc/passwd"
        file.addfile(member)
    return stream.getvalue()


TWO = tar({"a.json": as_json(GOOD), "b.json": as_json(GOOD)}, "w")


@pytest.mark.parametrize(
    "data, sentence",
    [
        (tar({"a.json": as_json(GOOD)})[:-10], "all.tar': is a truncated or damaged gzip file"),
        (TWO[:1600], "all.tar': is a truncated or damaged tar archive"),  # inside the second member
        (TWO[:1024], "all.tar': is a truncated or damaged tar archive"),  # before it
        (TWO[:1034] + b"x" + TWO[1035:], "all.tar': is a truncated or damaged tar archive"),  # its header
        (b"no archive at all" * 100, "all.tar': is a truncated or damaged tar archive"),
        (tar({"../a.json": as_json(GOOD)}), "points outside its archive"),
        (tar({"/a.json": as_json(GOOD)}), "points outside its archive"),
        (special(tarfile.SYMTYPE), "is a link or a device"),
        (special(tarfile.LNKTYPE), "is a link or a device"),
        (special(tarfile.FIFOTYPE), "is a link or a device"),
        (tar({"a.json": bytes(150 << 20)}), "all.tar': .* decompression bomb"),
        (tar({"d/a.json": as_json(GOOD)[:-9]}), "all.tar/d/a.json': is not valid JSON"),
        (tar({"readme.txt": b"x"}), "holds no file of format taiwan_vdlive"),
    ],
)
def test_a_bad_tar(tmp_path, data, sentence):
    put(tmp_path / "raw/all.tar", data)
    with pytest.raises(InputError, match=sentence):
        run(tmp_path, "taiwan_vdlive", tmp_path / "raw")
    assert sorted(p.name for p in tmp_path.iterdir() if p.is_dir()) == ["raw", "scratch"]


def test_what_is_not_of_the_format_is_passed_over_and_listed(tmp_path):
    put(tmp_path / "raw/a.json", as_json(GOOD))
    put(tmp_path / "raw/readme.txt", b"hello")
    put(tmp_path / "raw/.DS_Store", b"x")
    put(tmp_path / "raw/day.zip", zipped({"VDLive_2.json": as_json(GOOD), "VDList.json": b"{}"}))
    _, report = run(tmp_path, "taiwan_vdlive", tmp_path / "raw", files="*[!t].json")
    assert report["files"] == {"read": 2, "bad": [], "passed_over": ["day.zip/VDList.json", "readme.txt"]}


def test_what_macos_adds_to_an_archive_is_left_alone_as_loose_dotfiles_are(tmp_path):
    members = {
        "VDLive_1.json": as_json(GOOD),
        "__MACOSX/._VDLive_1.json": b"\0\5\26\7",
        "d/.hidden/a.json": b"x",
    }
    put(tmp_path / "raw/a.zip", zipped(members))
    put(tmp_path / "raw/b.tar", tar({"./VDLive_2.json": as_json(GOOD), "._VDLive_2.json": b"\0\5"}, "w"))
    _, report = run(tmp_path, "taiwan_vdlive", tmp_path / "raw")
    assert report["files"] == {"read": 2, "bad": [], "passed_over": []}


def test_a_name_that_is_not_utf8_is_one_sentence(tmp_path):
    """Big5 names, loose and in a tar; where the file is not of the format it is passed over."""
    put(tmp_path / "raw/a.json", as_json(GOOD))
    big5 = os.fsencode(tmp_path / "raw") + "/國".encode("big5")
    for name in (b".json", b".doc"):
        with open(big5 + name, "wb") as file:
            file.write(as_json(GOOD))
    put(tmp_path / "raw/t.tar", tar({"\udca4x.json": as_json(GOOD)}, "w"))
    with pytest.raises(InputError, match=r"'\\udcb0\\udcea\.json': its name is not UTF-8; rename it"):
        run(tmp_path, "taiwan_vdlive", tmp_path / "raw")
    _, report = run(tmp_path, "taiwan_vdlive", tmp_path / "raw", on_bad_file="skip")
    assert report["files"]["passed_over"] == ["\\udcb0\\udcea.doc"]
    assert [line.partition(":")[0] for line in report["files"]["bad"]] == [
        "'\\udcb0\\udcea.json'",
        "'t.tar/\\udca4x.json'",
    ]


@pytest.mark.parametrize("kind", ["zip", "tar"])
def test_an_archive_that_changes_is_read_as_it_is_now(tmp_path, kind):
    """Whatever this process has read of it before; a member that went meanwhile is one sentence."""
    pack = zipped if kind == "zip" else partial(tar, mode="w")
    path = put(tmp_path / f"raw/a.{kind}", pack({"1.json": as_json(GOOD)}))
    (old,) = files.find(tmp_path / "raw", (".json",), "*")
    assert old.read() == as_json(GOOD)
    put(path, pack({"2.json": as_json(GOOD) + b" "}))
    (new,) = files.find(tmp_path / "raw", (".json",), "*")
    assert new.read() == as_json(GOOD) + b" "
    with pytest.raises(
        InputError, match=f"'a.{kind}/1.json': is no longer in its archive, which has changed"
    ):
        old.read()


def test_a_tar_too_large_to_be_read_as_a_whole(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "IN_MEMORY", 16 << 20)
    (tmp_path / "raw").mkdir()
    for name in ("loose.tar", "packed.tgz"):
        with (partial(gzip.open, compresslevel=1) if name.endswith("tgz") else open)(
            tmp_path / "raw" / name, "wb"
        ) as file:
            file.write(os.urandom(4 << 20))  # so that the limit is not on how far it expands
            file.truncate(20 << 20) if name == "loose.tar" else file.write(bytes(14 << 20))
        with pytest.raises(
            InputError,
            match=f"'{name}': is larger than 16 MiB, and can be read only as a whole; split it, or pack a zip",
        ):
            run(tmp_path, "taiwan_vdlive", tmp_path / "raw")
        (tmp_path / "raw" / name).unlink()


def test_raw_that_does_not_exist_or_is_empty(tmp_path):
    with pytest.raises(InputError, match="data.raw '.*nowhere' does not exist"):
        run(tmp_path, "taiwan_vdlive", tmp_path / "nowhere")
    (tmp_path / "raw").mkdir()
    with pytest.raises(InputError, match="holds no file of format taiwan_vdlive"):
        run(tmp_path, "taiwan_vdlive", tmp_path / "raw")


def test_one_wild_time_does_not_make_a_table_of_centuries(tmp_path):
    put(tmp_path / "raw/a.json", as_json(GOOD))
    put(tmp_path / "raw/b.json", as_json(vdlive(vd("A", utc("2076-10-01T05:07:00+08:00"), lane(50, 1, 2)))))
    with pytest.raises(
        InputError, match=r"run from 2026-.* to 2076-.*\('b.json'\).*remove the file whose time is wrong"
    ):
        run(tmp_path, "taiwan_vdlive", tmp_path / "raw")


def test_records_that_are_older_than_their_snapshot_are_stale(tmp_path):
    document = vdlive(vd("A", T, lane(50, 1, 2)), vd("B", T - 7200, lane(50, 1, 2)), updated=T + 60)
    put(tmp_path / "raw/a.json", as_json(document))
    table, report = run(tmp_path, "taiwan_vdlive", tmp_path / "raw")
    assert table.vd_ids == ("A", "B")  # a device that is dead in every file is not forgotten
    assert table.values[0, 0].tolist() == [50, 2, 1] and np.isnan(table.values[:, 1]).all()
    assert report["counts"] == {"records": 1, "stale": 1}
    assert [s["by_cause"] for s in report["series"] if s["vd"] == "B"] == [{"gap": 1.0}] * 3


def test_where_every_record_is_stale_the_sentence_says_so(tmp_path):
    put(tmp_path / "raw/a.json", as_json(vdlive(vd("A", T, lane(50, 1, 2)), updated=T + 7200)))
    with pytest.raises(InputError, match=r"hold no record at all \(1 are stale\)"):
        run(tmp_path, "taiwan_vdlive", tmp_path / "raw")


@pytest.mark.parametrize("how", [as_json, as_xml])
@pytest.mark.parametrize("clock", ["0001-01-01T00:00:00", "", None])
def test_a_vd_whose_clock_was_never_set_costs_its_own_record_alone(tmp_path, how, clock):
    never = vd("B", T, lane(50, 1, 2)) | {"DataCollectTime": clock}
    never = {k: v for k, v in never.items() if v is not None or how is as_json}
    put(tmp_path / "raw/a.json", how(vdlive(vd("A", T, lane(60, 3, 4)), never)))
    table, report = run(tmp_path, "taiwan_vdlive", tmp_path / "raw")
    assert table.vd_ids == ("A", "B")
    np.testing.assert_equal(table.values[0], [[60, 4, 3], [np.nan] * 3])
    assert report["counts"] == {"records": 1, "undated": 1}


@pytest.mark.parametrize("interval", [0, -1])
def test_an_update_interval_that_is_none_says_nothing(tmp_path, interval):
    put(tmp_path / "raw/a.json", as_json(vdlive(vd("A", T, lane(50, 1, 2)), interval=interval)))
    table, _ = run(tmp_path, "taiwan_vdlive", tmp_path / "raw")
    assert table.values[0, 0].tolist() == [50, 2, 1]


@pytest.mark.parametrize("values", [list(range(0, 60, 5)), [7] * 12], ids=["that differ", "that repeat"])
def test_an_interval_coarser_than_the_files_is_refused(tmp_path, values):
    """Of values that repeat no two records differ: 7 in each five minutes is 21 in a quarter of an hour, and not 7."""
    rows = "".join(f"2026-10-01 00:{5 * i:02},{value}\n" for i, value in enumerate(values))
    put(tmp_path / "raw.csv", "time,A\n" + rows)
    settings = {"time_zone": "UTC", "feature": "volume", "unit": "veh/15min"}
    with pytest.raises(
        InputError, match="8 of 12 records fall on an interval .* is data.interval = 900 s that of the files"
    ):
        run(tmp_path, "wide_table", tmp_path / "raw.csv", interval=900, **settings)
    table, _ = run(tmp_path, "wide_table", tmp_path / "raw.csv", interval=300, **settings)
    assert table.values[:, 0, 0].tolist() == values


def test_an_interval_coarser_than_that_of_bare_lists_is_refused(tmp_path):
    """They say nothing of their interval; 05:07 to 05:14, three in the first five minutes."""
    for i in range(8):
        snapshot = vdlive(vd("A", T + 60 * i, lane(50, 5, 3)))["VDLives"]
        put(tmp_path / f"raw/{i}.json", json.dumps(snapshot))
    with pytest.raises(
        InputError, match="6 of 8 records fall on .* is data.interval = 300 s that of the files"
    ):
        run(tmp_path, "taiwan_vdlive", tmp_path / "raw", interval=300)


def test_copies_are_no_other_interval_and_two_versions_of_the_data_are_refused(tmp_path):
    settings = {"time_zone": "UTC", "interval": 3600, "feature": "volume", "unit": "veh/h"}
    for name, more in (("copy", 0), ("revised", 1)):
        rows = "".join(f"2026-10-01 {h:02}:00,{h + more}\n" for h in range(24))
        put(tmp_path / f"{name}/raw/a.csv", "time,A\n" + rows)
        put(
            tmp_path / f"{name}/raw/b.csv",
            "time,A\n" + "".join(f"2026-10-01 {h:02}:00,{h}\n" for h in range(24)),
        )
    _, report = run(tmp_path / "copy", "wide_table", tmp_path / "copy/raw", **settings)
    assert report["counts"] == {"records": 48, "duplicates": 24}
    with pytest.raises(InputError, match="24 of 48 records differ .* holds two versions of the same data"):
        run(tmp_path / "revised", "wide_table", tmp_path / "revised/raw", **settings)


@pytest.mark.parametrize("apart", [True, False])
def test_lanes_of_one_name_are_refused_though_most_are_empty(tmp_path, apart):
    """Six lanes, in files of their own or not; vehicles in the first one alone, every second hour. The last would stand: 0."""
    lanes = [[7 * (lane == 0 and h % 2 == 0) for h in range(24)] for lane in range(6)]
    rows = [f"2026-10-01 {h:02}:00,A,{n}\n" for lane in lanes for h, n in enumerate(lane)]
    for k in range(6 if apart else 1):
        put(
            tmp_path / f"raw/{k}.csv",
            "time,vd,volume\n" + "".join(rows[24 * k : 24 * k + 24] if apart else rows),
        )
    with pytest.raises(InputError, match="12 of 144 records differ .* are of lanes"):
        run(
            tmp_path,
            "long_table",
            tmp_path / "raw",
            time_zone="UTC",
            interval=3600,
            units={"volume": "veh/h"},
        )


def test_v11_of_another_schema(tmp_path):
    for data, sentence in (
        (as_xml(GOOD), "its root is <VDLiveList>, not the <XML_Head>"),
        (v11(("", 0, "2015/03/31 23:50:00", [])), "VD number 1 has no id"),
        (v11(("A", 0, "", [("0", 1, 1, [1])])), "not one of its 1 VDs has a time"),
        (v11(("A", 0, "2015/03/31 23:50:00", [])), "healthy ones among them, and not one lane"),
        (v11(("A", 0, "2015/03/31 23:50:00", [("0", "x", 1, [1])])), "speed of A is 'x', not a number"),
        (v11(("A", 0, "2015/03/31 25:50:00", [("0", 1, 1, [1])])), "time of A"),
    ):
        put(tmp_path / "raw/a.xml", data)
        with pytest.raises(InputError, match=sentence):
            run(tmp_path, "taiwan_v11", tmp_path / "raw", interval=300)


def test_a_list_of_vds_that_is_none(tmp_path):
    put(tmp_path / "raw/a.json", as_json(GOOD))
    for data in (
        b"<html></html>",
        b'{"VDs": 5}',
        json.dumps({"VDs": [{"Name": 1}]}).encode(),
        b"<VDList/>",
        b"x",
    ):
        put(tmp_path / "raw/list", data)
        with pytest.raises(InputError, match="'list': "):
            run(tmp_path, "taiwan_vdlive", tmp_path / "raw", vd_list="list")


@pytest.mark.parametrize("name", ["nowhere.json", "../list.json", "/etc/hosts", "."])
def test_a_list_of_vds_that_does_not_lie_in_raw(tmp_path, name):
    """DVC watches data.raw, so a list that lies there cannot change unnoticed."""
    put(tmp_path / "raw/a.json", as_json(GOOD))
    put(tmp_path / "list.json", b'{"VDs": [{"VDID": "A"}]}')
    with pytest.raises(InputError, match=f"data.vd_list '{name}' is no file in the folder data.raw '.*raw'"):
        run(tmp_path, "taiwan_vdlive", tmp_path / "raw", vd_list=name)


def test_nothing_that_a_file_says_reaches_the_table_as_infinity(tmp_path):
    put(tmp_path / "raw/a.xml", changed(b"<Speed>50<", b"<Speed>1e999<", as_xml(GOOD)))
    table, _ = run(tmp_path, "taiwan_vdlive", tmp_path / "raw")
    assert np.isnan(table.values[0, 0, 0])


def test_when_every_file_is_bad_the_first_is_named(tmp_path):
    put(tmp_path / "raw/a.json", b"{")
    with pytest.raises(
        InputError, match="1 raw files hold no record at all: 1 bad files were skipped, the first is 'a.json'"
    ):
        run(tmp_path, "taiwan_vdlive", tmp_path / "raw", on_bad_file="skip")
