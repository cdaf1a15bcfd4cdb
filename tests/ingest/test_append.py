"""Appending, killing, repeating: the bytes of the table depend on the raw files alone."""

import contextlib
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.disk import small_disk
from vdcast.errors import InputError
from vdcast.ingest import files
from vdcast.ingest.formats import taiwan_vdlive

from .raw import as_json, as_xml, lane, pack, put, run, utc, vd, vdlive

T = utc("2026-10-01T05:00:00+08:00")


def snapshot(i: int) -> bytes:
    """One of a series in which detectors come and go."""
    vds = [vd(f"VD-{k}", T + 60 * i, lane(40 + i % 7 + k, k, i % 5)) for k in range(6) if (i + k) % 4]
    return as_json(vdlive(*vds, updated=T + 60 * i + 50))


def names(numbers) -> dict[str, bytes]:
    return {f"VDLive_{i:04}.json": snapshot(i) for i in numbers}


@pytest.mark.parametrize("how", ["loose", "gz", "zip"])
@pytest.mark.parametrize("later", [range(20, 30), [25, 3, 21], []])
def test_appending_gives_the_bytes_of_a_full_ingest_and_reads_nothing_twice(
    tmp_path, how, later, monkeypatch
):
    first = [i for i in range(20) if i not in later]
    pack(tmp_path / "raw", names(first), how)
    run(tmp_path / "step", "taiwan_vdlive", tmp_path / "raw")
    pack(tmp_path / "raw", names([*first, *later] if how == "zip" else later), how)

    read = []
    original = taiwan_vdlive.parse
    with monkeypatch.context() as patched:  # forked workers would keep what they read to themselves
        patched.setattr(os, "sched_getaffinity", lambda _: {0})
        patched.setattr(
            taiwan_vdlive, "parse", lambda file, s: (read.append(file.name), original(file, s))[1]
        )
        run(tmp_path / "step", "taiwan_vdlive", tmp_path / "raw")
    assert sorted(name[-9:-5] if how != "gz" else name[-12:-8] for name in read) == sorted(
        f"{i:04}" for i in later
    )

    run(tmp_path / "full", "taiwan_vdlive", tmp_path / "raw")
    assert (tmp_path / "step/detectors.h5").read_bytes() == (tmp_path / "full/detectors.h5").read_bytes()
    assert (tmp_path / "step/quality.json").read_text() == (tmp_path / "full/quality.json").read_text()


def test_a_changed_and_a_removed_file_are_noticed(tmp_path):
    pack(tmp_path / "raw", names(range(6)), "loose")
    run(tmp_path / "step", "taiwan_vdlive", tmp_path / "raw")
    (tmp_path / "raw/VDLive_0005.json").unlink()
    only_here = vdlive(vd("NEW", T, lane(99, 1, 2)))
    put(tmp_path / "raw/VDLive_0000.json", as_json(only_here))
    table, _ = run(tmp_path / "step", "taiwan_vdlive", tmp_path / "raw")
    assert table.vd_ids[0] == "NEW" and len(table.timestamps) == 5
    run(tmp_path / "full", "taiwan_vdlive", tmp_path / "raw")
    assert (tmp_path / "step/detectors.h5").read_bytes() == (tmp_path / "full/detectors.h5").read_bytes()


@pytest.mark.parametrize("how", ["loose", "tar"])
@pytest.mark.parametrize("moved", [False, True])
def test_a_file_of_the_same_size_and_time_is_noticed(tmp_path, how, moved):
    """As `cp -p` and `rsync -a` leave them; written over in place, or moved there."""
    raw = tmp_path / "raw"

    def write(speed: int) -> None:
        document = as_json(vdlive(vd("A", T, lane(speed, 1, 2))))
        pack(raw, {"VDLive_0000.json": document}, how)

    write(40)
    (path,) = raw.iterdir()
    before = path.stat()
    first, _ = run(tmp_path / "step", "taiwan_vdlive", raw)
    kept = tmp_path / "kept"
    path.rename(kept)
    write(60)
    if not moved:
        kept.write_bytes(path.read_bytes())
        kept.rename(path)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    after = path.stat()
    assert (after.st_size, after.st_mtime_ns) == (before.st_size, before.st_mtime_ns)
    assert (after.st_ino != before.st_ino) == moved
    files._tar.cache_clear()  # as in a new process
    second, _ = run(tmp_path / "step", "taiwan_vdlive", raw)
    assert (first.values[..., 0].item(), second.values[..., 0].item()) == (40, 60)


def test_json_xml_and_every_packing_give_the_same_table(tmp_path):
    documents = [
        vdlive(*(vd(f"VD-{k}", T + 60 * i, lane(40 + k, k, i, None), lane(50, None, 3)) for k in range(3)))
        for i in range(5)
    ]
    tables = {}
    for how in ("loose", "gz", "zip", "tar", "tgz"):
        for write in (as_json, as_xml, lambda d: as_xml(d, namespace=None)):
            folder = tmp_path / f"{how}{len(tables)}"
            suffix = "json" if write is as_json else "xml"
            pack(folder / "raw", {f"{i}.{suffix}": write(d) for i, d in enumerate(documents)}, how)
            run(folder, "taiwan_vdlive", folder / "raw")
            tables[folder] = (folder / "detectors.h5").read_bytes()
    assert len(tables) == 15 and len(set(tables.values())) == 1


def test_one_core_and_many_give_the_same_table(tmp_path, monkeypatch):
    pack(tmp_path / "raw", names(range(40)), "loose")
    run(tmp_path / "many", "taiwan_vdlive", tmp_path / "raw")
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0})
    run(tmp_path / "one", "taiwan_vdlive", tmp_path / "raw")
    assert (tmp_path / "many/detectors.h5").read_bytes() == (tmp_path / "one/detectors.h5").read_bytes()


def test_a_damaged_spool_is_thrown_away(tmp_path):
    pack(tmp_path / "raw", names(range(3)), "loose")
    run(tmp_path, "taiwan_vdlive", tmp_path / "raw")
    before = (tmp_path / "detectors.h5").read_bytes()
    (spool,) = (tmp_path / "scratch").glob("*.sqlite")
    spool.write_bytes(b"not a database, and long enough to be looked at as one" * 10)
    run(tmp_path, "taiwan_vdlive", tmp_path / "raw")
    assert (tmp_path / "detectors.h5").read_bytes() == before


def test_the_first_bad_file_in_order_is_the_one_reported(tmp_path):
    pack(tmp_path / "raw", names(range(60)), "loose")
    for i in (17, 40):
        put(tmp_path / f"raw/VDLive_{i:04}.json", b"{")
    with pytest.raises(InputError, match="VDLive_0017"):
        run(tmp_path, "taiwan_vdlive", tmp_path / "raw")


KILLED = """
import itertools, os, runpy, signal
from vdcast.ingest import quality, spool

calls, owner, name = itertools.count(), {owner}, "{name}"
original = getattr(owner, name)

def call(*arguments):
    if next(calls) == {at}:
        os.kill(os.getpid(), signal.SIGKILL)
    return original(*arguments)

setattr(owner, name, call)
runpy.run_module("vdcast.ingest", run_name="__main__")
"""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="kills a process")
def test_a_kill_leaves_no_half_table_and_the_next_run_ends_the_same(tmp_path):
    """Killed while it parses (of 300 files), while it writes (of 3 blocks), and when a table was there before."""
    pack(tmp_path / "raw", names(range(300)), "loose")
    root = Path(__file__).parents[2]
    document = yaml.safe_load((root / "params.yaml").read_text("utf-8"))
    document["data"] = {"format": "taiwan_vdlive", "raw": "raw"}
    document["window"] = {"sequence_length": 20, "prediction_length": 4}
    document["evaluate"]["horizons"] = [1, 2, 4]
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(document))
    environment = {**os.environ, "PYTHONPATH": str(root / "src")}
    table = tmp_path / "data/detectors.h5"

    def start(*arguments: str) -> tuple[str, int]:
        process = subprocess.Popen(
            [sys.executable, *arguments],
            cwd=tmp_path,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            start_new_session=True,
        )
        try:  # the output ends when the last process that could write to it has: workers end with their parent
            return process.communicate(timeout=120)[0], process.returncode
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)

    def killed(owner: str, name: str, at: int) -> None:
        _, status = start("-c", KILLED.format(owner=owner, name=name, at=at))
        assert status == -signal.SIGKILL

    killed("spool.Spool", "add", 150)
    assert not table.exists()
    killed("quality.Tally", "add", 2)
    assert not table.exists()
    output, status = start("-m", "vdcast.ingest")
    assert status == 0
    assert output.startswith("data/detectors.h5: 300 steps x 6 detectors x 3 features from 300 files")
    run(tmp_path / "full", "taiwan_vdlive", tmp_path / "raw")
    full = (tmp_path / "full/detectors.h5").read_bytes()
    assert table.read_bytes() == full
    put(tmp_path / "raw/VDLive_0300.json", snapshot(300))
    killed("quality.Tally", "add", 2)
    assert table.read_bytes() == full


@pytest.mark.skipif(not hasattr(os, "fork"), reason="what is patched here reaches workers by fork")
def test_a_worker_that_dies_is_one_sentence(tmp_path, monkeypatch):
    pack(tmp_path / "raw", names(range(20)), "loose")
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)  # it would say how many workers there are
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1})
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)  # with 1 there is no worker
    monkeypatch.setattr(taiwan_vdlive, "parse", lambda *_: os._exit(1))
    with pytest.raises(InputError, match=r"reading 'VDLive_.*' to 'VDLive_.*' ended a process"):
        run(tmp_path, "taiwan_vdlive", tmp_path / "raw")


INGEST = """
import os, sys
from pathlib import Path
from vdcast.errors import one_sentence
from vdcast.ingest import pipeline, spool
from vdcast.ingest.formats import taiwan_vdlive
from vdcast.params.formats import FORMATS

def parse(file, settings, original=taiwan_vdlive.parse):
    with open("read", "a") as read:
        read.write(file.name + "\\n")
    return original(file, settings)

taiwan_vdlive.parse = parse
padding, compress = int(sys.argv[3]), spool.zlib.compress
spool.zlib.compress = lambda data, level: compress(data, level) + os.urandom(padding)
with one_sentence():
    settings = FORMATS["taiwan_vdlive"](format="taiwan_vdlive", raw=sys.argv[1])
    report = pipeline.ingest(settings, Path(sys.argv[2], "t.h5"), Path(sys.argv[2], "quality.json"), Path("scratch"))
"""


@pytest.mark.parametrize("room", [0, 1 << 20])
def test_a_full_disk_loses_no_file_that_was_parsed(tmp_path, room):
    """No room to open what is kept, or none to keep all of 5 MB more; what was kept before is not read again."""
    pack(tmp_path / "raw", names(range(4)), "loose")
    with small_disk(tmp_path / "small", 1 << 26) as disk:
        arguments = [str(tmp_path / "raw"), str(tmp_path), str(1 << 15)]
        ingest = [*disk.on(disk.folder), sys.executable, "-c", INGEST, *arguments]
        subprocess.run(ingest, check=True)
        (kept,) = disk.run("find", "scratch", "-name", "*.sqlite").split()
        before = (tmp_path / "t.h5").read_bytes()
        disk.resize((1 << 26) - disk.free() + room)
        pack(tmp_path / "raw", names(range(4, 150)), "loose")
        done = subprocess.run(ingest, capture_output=True, text=True, check=False)
        assert done.returncode == 1 and done.stderr == (
            f"vdcast: {kept}: No space left on device; make room and give the same command again, what is "
            "finished is kept\n"
        )
        assert (tmp_path / "t.h5").read_bytes() == before
        disk.resize(1 << 26)
        disk.run("rm", "read")
        subprocess.run(ingest, check=True)
        read = disk.run("cat", "read").split()
    assert read and not names(range(4)).keys() & set(read)
