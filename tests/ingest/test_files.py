"""What lies in a folder of raw files beside plain files: pipes, links, archives in archives, damaged directories."""

import gzip
import io
import os
import random
import socket
import subprocess
import tarfile
import time
from pathlib import Path

import pytest

from vdcast.errors import InputError
from vdcast.ingest import files

from .raw import as_json, lane, put, run, tar, utc, vd, vdlive, zipped

T = utc("2026-10-01T05:07:00+08:00")
CASES = Path(__file__).parents[3] / "shared/cases"


def snapshot(i: int) -> bytes:
    return as_json(vdlive(vd("A", T + 60 * i, lane(50 + i, 1, 2))))


THREE = {f"{i}.json": snapshot(i) for i in range(3)}


def speeds(folder: Path, **settings) -> list[float]:
    table, _ = run(folder, "taiwan_vdlive", folder / "raw", **settings)
    return table.values[:, 0, 0].tolist()


@pytest.mark.parametrize("name", ["x.json", "x.tar", "x.zip", "x.json.gz"])
def test_a_pipe_is_never_opened(tmp_path, name):
    put(tmp_path / "raw/a.json", snapshot(0))
    os.mkfifo(tmp_path / "raw" / name)
    with pytest.raises(InputError, match=f"'{name}': is a pipe, a socket or a device, not a file"):
        run(tmp_path, "taiwan_vdlive", tmp_path / "raw")
    assert speeds(tmp_path, on_bad_file="skip") == [50]


def test_a_socket_and_an_endless_device_are_never_opened(tmp_path):
    with socket.socket(socket.AF_UNIX) as listener:
        (tmp_path / "raw").mkdir()
        listener.bind(str(tmp_path / "raw/x.tar"))
        (tmp_path / "raw/zero.json").symlink_to("/dev/zero")
        found = sorted(map(str, files.find(tmp_path / "raw", (".json",), "*")))
    assert [text.partition(":")[0] for text in found] == ["'x.tar'", "'zero.json'"]
    with pytest.raises(InputError, match="'zero': is a pipe, a socket or a device"):
        run(tmp_path, "taiwan_vdlive", "/dev/zero")


def test_what_is_not_of_the_format_may_be_anything(tmp_path):
    put(tmp_path / "raw/a.json", snapshot(0))
    os.mkfifo(tmp_path / "raw/log")
    (tmp_path / "raw/readme").symlink_to("nowhere")
    _, report = run(tmp_path, "taiwan_vdlive", tmp_path / "raw")
    assert report["files"]["passed_over"] == ["log", "readme"]


def test_a_link_that_leads_nowhere_and_a_linked_folder_are_named(tmp_path):
    """DVC does not look into linked folders, so a change there would go unnoticed."""
    put(tmp_path / "elsewhere/b.json", snapshot(1))
    put(tmp_path / "raw/a.json", snapshot(0))
    (tmp_path / "raw/gone.json").symlink_to("nowhere")
    (tmp_path / "raw/month").symlink_to("../elsewhere")
    found = sorted(str(f) for f in files.find(tmp_path / "raw", (".json",), "*") if isinstance(f, InputError))
    assert found[0] == "'gone.json': cannot be read (No such file or directory)"
    assert found[1].startswith("'month': is a link to a folder, in which DVC would notice no change")
    (tmp_path / "linked").symlink_to("elsewhere")  # data.raw itself may be one
    table, _ = run(tmp_path, "taiwan_vdlive", tmp_path / "linked")
    assert table.values[0, 0, 0] == 51


def test_folders_in_folders_without_end(tmp_path):
    here = os.getcwd()
    (tmp_path / "raw").mkdir()
    try:
        os.chdir(tmp_path / "raw")
        for _ in range(1200):
            os.mkdir("d")
            os.chdir("d")
        Path("a.json").write_bytes(snapshot(0))
        os.chdir(here)
        assert speeds(tmp_path) == [50]
    finally:
        os.chdir(here)
        subprocess.run(["rm", "-r", tmp_path / "raw"], check=True)  # Python's own way is a recursion


@pytest.mark.parametrize("outer", ["zip", "tar", "tgz"])
@pytest.mark.parametrize("inner", ["zip", "tar", "tgz"])
def test_an_archive_in_an_archive_is_read(tmp_path, outer, inner):
    def packed(kind, members):
        return zipped(members) if kind == "zip" else tar(members, "w:gz" if kind == "tgz" else "w")

    months = {f"d/{i}.{inner}": packed(inner, {"a.json": snapshot(i)}) for i in range(3)}
    put(tmp_path / f"raw/year.{outer}", packed(outer, months))
    table, report = run(tmp_path, "taiwan_vdlive", tmp_path / "raw")
    assert table.values[:, 0, 0].tolist() == [50, 51, 52]
    assert report["files"] == {"read": 3, "bad": [], "passed_over": []}


def test_archives_that_are_not_read_are_named_and_not_lost(tmp_path):
    put(tmp_path / "raw/deep.zip", zipped({"b.zip": zipped({"c.zip": zipped({"a.json": snapshot(0)})})}))
    with pytest.raises(InputError, match="'deep.zip/b.zip/c.zip': an archive in an archive in an archive"):
        run(tmp_path, "taiwan_vdlive", tmp_path / "raw")
    put(tmp_path / "raw/deep.zip", zipped({"a.json": snapshot(0), "b.7z": b"7z"}))
    with pytest.raises(InputError, match="'deep.zip/b.7z': is packed in a way that is not read"):
        run(tmp_path, "taiwan_vdlive", tmp_path / "raw")
    assert speeds(tmp_path, files="*.json") == [50]


def test_a_bomb_within_a_bomb(tmp_path):
    bomb = zipped({"a.json": bytes(150 << 20)})
    put(tmp_path / "raw/a.zip", zipped({"b.zip": bomb}))
    with pytest.raises(InputError, match=r"'a.zip/b.zip/a.json': .* decompression bomb"):
        run(tmp_path, "taiwan_vdlive", tmp_path / "raw")


def test_every_bit_of_a_zips_directory_is_looked_at(tmp_path):
    """Whichever is flipped: both files are read as they are, or the archive is refused; none gets lost."""
    two = {name: THREE[name] for name in ("0.json", "2.json")}
    whole = zipped(two)
    directory = range(whole.index(b"PK\1\2"), len(whole))
    path = put(tmp_path / "a.zip", whole)
    refused = 0
    for at in directory:
        for bit in range(8):
            path.write_bytes(whole[:at] + bytes([whole[at] ^ 1 << bit]) + whole[at + 1 :])
            try:
                found = list(files.find(path, (".json",), "*"))
                assert not (bad := [f for f in found if isinstance(f, InputError)]), bad
                content = {f.member: f.read() for f in found}
            except (AssertionError, InputError):
                refused += 1
            else:
                assert content == two, (at, bit)
    assert refused > 300


@pytest.mark.slow
def test_a_zip_of_more_members_than_two_bytes_count(tmp_path):
    names = [f"{i}.txt" for i in range(70_000)]
    path = put(tmp_path / "a.zip", zipped(dict.fromkeys(names, b"")))
    assert len(list(files.find(path, (".txt",), "*"))) == 70_000


def test_a_hundred_thousand_gzip_members_take_no_longer_than_their_bytes(tmp_path):
    member = gzip.compress(b"[]", mtime=0)
    path = put(tmp_path / "a.json.gz", member * 100_000 + bytes(100))
    (file,) = files.find(tmp_path, (".json",), "*")
    began = time.process_time()
    assert file.read() == b"[]" * 100_000
    assert time.process_time() - began < 2
    path.write_bytes(member * 3 + member[:-3])
    (file,) = files.find(tmp_path, (".json",), "*")
    with pytest.raises(InputError, match="truncated or damaged gzip"):
        file.read()


def test_gzip_members_of_any_size_come_out_whole(tmp_path):
    random_ = random.Random(0)
    parts = [random_.randbytes(random_.choice([1, 10, 1000, 1 << 16, 1 << 20])) for _ in range(30)]
    put(tmp_path / "a.json.gz", b"".join(gzip.compress(part) for part in parts))
    (file,) = files.find(tmp_path, (".json",), "*")
    assert file.read() == b"".join(parts)


def test_a_file_that_grew_since_it_was_listed_is_read_no_further_than_its_limit(tmp_path, monkeypatch):
    path = put(tmp_path / "a.json", b"[]")
    (file,) = files.find(tmp_path, (".json",), "*")
    monkeypatch.setattr(files, "ALWAYS", 1000)
    path.write_bytes(bytes(2000))
    with pytest.raises(InputError, match="'a.json': "):
        file.read()


def test_a_tar_member_of_impossible_size(tmp_path):
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.PAX_FORMAT) as archive:
        member = tarfile.TarInfo("a.json")
        member.pax_headers = {"size": str(10**30)}
        archive.addfile(member)
    put(tmp_path / "raw/a.tar", stream.getvalue())
    with pytest.raises(InputError, match="'a.tar': is a truncated or damaged tar archive"):
        run(tmp_path, "taiwan_vdlive", tmp_path / "raw")


@pytest.mark.skipif(not CASES.is_dir(), reason="the shared cases are not here")
@pytest.mark.parametrize("name", ["tar-pax-size", "zip-directory-bit"])
def test_the_shared_damaged_archives(tmp_path, name):
    with pytest.raises(InputError, match=r"is a truncated or damaged (tar|zip) archive"):
        run(tmp_path, "taiwan_vdlive", CASES / "damaged" / name)
