"""What a failing disk does to what was parsed: found out and read again, never another table."""

import random
import shutil
import sqlite3

import pytest

from vdcast.errors import InputError
from vdcast.ingest import pipeline
from vdcast.ingest.spool import Damaged

from .raw import as_json, lane, put, run, utc, vd, vdlive

T = utc("2026-10-01T05:00:00+08:00")


@pytest.fixture
def parsed(tmp_path):
    """A folder of raw files, two sets of detectors and a bad one among them; their table; and what was kept."""
    for i in range(12):
        vds = [vd(f"VD-{k}", T + 60 * i, lane(40 + i + k, k, i % 5)) for k in range(3 + i % 2)]
        put(tmp_path / f"raw/{i:02}.json", as_json(vdlive(*vds)))
    put(tmp_path / "raw/bad.json", b"{")
    run(tmp_path, "taiwan_vdlive", tmp_path / "raw", on_bad_file="skip")
    (path,) = (tmp_path / "scratch").glob("*.sqlite")
    return path


def result(folder) -> tuple[bytes, bytes]:
    return (folder / "detectors.h5").read_bytes(), (folder / "quality.json").read_bytes()


def again(folder) -> tuple[bytes, bytes]:
    run(folder, "taiwan_vdlive", folder / "raw", on_bad_file="skip")
    return result(folder)


def flipped(data: bytes, random_: random.Random) -> bytes:
    """What a disk does: a bit, some bytes, a page of zeros, or of another place, or the end of the file missing."""
    at = random_.randrange(len(data))
    match random_.randrange(5):
        case 0 | 1:
            return data[:at] + bytes([data[at] ^ 1 << random_.randrange(8)]) + data[at + 1 :]
        case 2:
            return data[:at] + random_.randbytes(8) + data[at + 8 :]
        case 3:
            to, page = at // 4096 * 4096, random_.randrange(len(data) // 4096) * 4096
            other = random_.choice([bytes(4096), data[page : page + 4096]])
            return data[:to] + other + data[to + 4096 :]
        case 4:
            return data[:at]


def damage(path, seeds: range) -> tuple[set, int]:
    """The results over damaged copies of ``path``, and how often the damage was found out."""
    folder, whole = path.parents[1], path.read_bytes()
    shutil.copy(folder / "detectors.h5", folder / "before.h5")
    results, found = set(), 0
    for seed in seeds:
        for old in path.parent.iterdir():
            old.unlink()
        path.write_bytes(flipped(whole, random.Random(seed)))
        results.add(again(folder))
        found += path.read_bytes() != whole
    return results, found


def test_a_damaged_spool_gives_the_same_table(parsed, monkeypatch):
    monkeypatch.setattr("os.sched_getaffinity", lambda _: {0})
    before = result(parsed.parents[1])
    results, found = damage(parsed, range(30))
    assert results == {before} and found > 5


@pytest.mark.slow
def test_two_hundred_damaged_spools_give_the_same_table(parsed, monkeypatch):
    monkeypatch.setattr("os.sched_getaffinity", lambda _: {0})
    before = result(parsed.parents[1])
    results, _ = damage(parsed, range(100, 300))
    assert results == {before}


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE piece SET block = block + 1 WHERE rowid = 1",
        "UPDATE piece SET block = -5 WHERE rowid = 1",
        "UPDATE piece SET file = 2 WHERE rowid = 1",
        "UPDATE piece SET seq = 7 WHERE rowid = 1",
        "UPDATE piece SET data = (SELECT data FROM piece WHERE rowid = 5), mark = (SELECT mark FROM piece WHERE "
        "rowid = 5) WHERE rowid = 1",
        "DELETE FROM piece WHERE rowid = 1",
        "INSERT INTO piece SELECT * FROM piece WHERE rowid = 1",
        "UPDATE file SET first = first - 1 WHERE id = 1",
        "UPDATE file SET records = 99 WHERE id = 1",
        "UPDATE file SET counts = '{}', vdset = 2 WHERE id = 1",
        "UPDATE file SET error = 'another sentence' WHERE error NOT NULL",
        "UPDATE vdset SET ids = replace(ids, 'VD-1', 'VD-9')",
        "UPDATE vdset SET id = 3 - id + 10; UPDATE vdset SET id = id - 10",
        "DELETE FROM vdset",
        "DROP TABLE vdset",
        "DROP TABLE piece; CREATE TABLE piece (file INT)",
    ],
)
def test_whatever_is_changed_is_found_out(parsed, change, capsys):
    folder = parsed.parents[1]
    before = result(folder)
    with sqlite3.connect(parsed) as db:
        db.executescript(change)
    db.close()
    assert again(folder) == before
    assert f"'{parsed}' is damaged; what it held is read again" in capsys.readouterr().err


def test_a_disk_that_damages_what_was_just_written_is_one_sentence(parsed, monkeypatch):
    folder = parsed.parents[1]

    def fails(*_):
        raise Damaged("'x' is damaged; what it held is read again")

    monkeypatch.setattr(pipeline, "_ingest", fails)
    with pytest.raises(InputError, match="'x' is damaged; .* and was damaged again; is the disk sound"):
        run(folder, "taiwan_vdlive", folder / "raw")
