"""Appending, killing, repeating: the bytes of the table depend on the raw files alone."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

from vdcast.errors import InputError
from vdcast.ingest import taiwan_vdlive

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
    for report in ("quality.json", "quality.md"):
        assert (tmp_path / "step/quality" / report).read_text() == (
            tmp_path / "full/quality" / report
        ).read_text()


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


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="kills a process")
def test_a_kill_leaves_no_half_table_and_the_next_run_ends_the_same(tmp_path):
    pack(tmp_path / "raw", names(range(600)), "loose")
    root = Path(__file__).parents[2]
    document = yaml.safe_load((root / "params.yaml").read_text("utf-8"))
    document["data"] = {"format": "taiwan_vdlive", "raw": "raw"}
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(document))
    environment = {**os.environ, "PYTHONPATH": str(root / "src")}
    command = [sys.executable, "-m", "vdcast.ingest"]
    killed = 0
    for delay in (0.05, 0.3):
        process = subprocess.Popen(command, cwd=tmp_path, env=environment, start_new_session=True)
        while process.poll() is None and not list(tmp_path.glob(".scratch/ingest/*.sqlite")):
            time.sleep(0.01)
        time.sleep(delay)
        os.killpg(process.pid, signal.SIGKILL)
        killed += process.wait() == -signal.SIGKILL and not (tmp_path / "data/detectors.h5").exists()
    assert killed
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.startswith("data/detectors.h5: 600 steps x 6 detectors x 3 features from 600 files")
    run(tmp_path / "full", "taiwan_vdlive", tmp_path / "raw")
    full = (tmp_path / "full/detectors.h5").read_bytes()
    assert (tmp_path / "data/detectors.h5").read_bytes() == full


@pytest.mark.skipif(not hasattr(os, "fork"), reason="what is patched here reaches workers by fork")
def test_a_worker_that_dies_is_one_sentence(tmp_path, monkeypatch):
    pack(tmp_path / "raw", names(range(20)), "loose")
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1})
    monkeypatch.setattr(taiwan_vdlive, "parse", lambda *_: os._exit(1))
    with pytest.raises(InputError, match=r"reading 'VDLive_.*' to 'VDLive_.*' ended a process"):
        run(tmp_path, "taiwan_vdlive", tmp_path / "raw")
