import pickle
import subprocess
import sys

import h5py
import numpy as np
import pytest

from tests.disk import small_disk
from vdcast.data import store
from vdcast.data.detectors import Detectors, Prepared
from vdcast.data.mapped import Mapped
from vdcast.errors import InputError


def equal(a: Detectors, b: Detectors) -> bool:
    arrays = np.array_equal(a.values, b.values, equal_nan=True) and np.array_equal(a.timestamps, b.timestamps)
    names = ("vd_ids", "features", "units", "interval", "time_zone", "source")
    return arrays and all(getattr(a, name) == getattr(b, name) for name in names)


def test_what_is_written_is_read_and_twice_the_same_bytes(tmp_path, detectors):
    store.write(tmp_path / "a.h5", detectors)
    store.write(tmp_path / "b.h5", detectors)
    assert equal(store.read(tmp_path / "a.h5"), detectors)
    assert (tmp_path / "a.h5").read_bytes() == (tmp_path / "b.h5").read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.h5", "b.h5"]


def test_read_prepared_reads_only_the_parts_asked_for(tmp_path, detectors):
    parts = {name: detectors.rows(10 * i, 10 * i + 10) for i, name in enumerate(store.PARTS)}
    profile, own_day_out = (np.random.rand(n, 3, 2).astype("f4") for n in (7 * 24, 10))
    whole = Prepared(
        parts=parts,
        mean=np.zeros((3, 2)),
        std=np.ones((3, 2)),
        profile=profile,
        own_day_out=own_day_out,
        targets=("volume",),
    )
    store.write_prepared(tmp_path / "p.h5", [whole])
    (got,) = store.read_prepared(tmp_path / "p.h5", parts=("train", "validation"))
    np.testing.assert_array_equal(got.profile, profile)
    np.testing.assert_array_equal(got.own_day_out, own_day_out)
    (test,) = store.read_prepared(tmp_path / "p.h5", parts=("test",))
    assert test.own_day_out is None and np.array_equal(test.profile, profile)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(store, "memory_bytes", lambda: 1000)
        mapped = store.read_prepared(tmp_path / "p.h5", parts=("train",))[0].own_day_out
    assert isinstance(mapped, Mapped) and np.array_equal(mapped, own_day_out)
    assert list(got.parts) == ["train", "validation"]
    assert equal(got.parts["validation"], parts["validation"])
    assert got.targets == ("volume",)


def test_folds_are_read_in_order_and_each_has_its_own_parts(tmp_path, detectors):
    def fold(n: int) -> Prepared:
        parts = {name: detectors.rows(10 * i, 10 * i + 10 + n) for i, name in enumerate(store.PARTS)}
        profile, out = np.zeros((7 * 24, 3, 2), "f4"), np.zeros((10 + n, 3, 2), "f4")
        statistics = {"mean": np.full((3, 2), n), "std": np.ones((3, 2)), "profile": profile}
        return Prepared(parts=parts, own_day_out=out, targets=("volume",), **statistics)

    store.write_prepared(tmp_path / "p.h5", [fold(n) for n in range(12)])
    found = store.read_prepared(tmp_path / "p.h5", parts=("test",))
    assert [each.mean[0, 0] for each in found] == list(range(12)), "in order of number, not of name"
    assert all(equal(each.parts["test"], fold(n).parts["test"]) for n, each in enumerate(found))


def test_a_missing_a_foreign_and_a_truncated_file_are_one_sentence_each(tmp_path, detectors):
    with pytest.raises(InputError, match="does not exist; run `dvc repro`"):
        store.read(tmp_path / "none.h5")
    (tmp_path / "text.h5").write_text("not h5", "utf-8")
    with pytest.raises(InputError, match="is not a readable h5 file"):
        store.read(tmp_path / "text.h5")
    with h5py.File(tmp_path / "foreign.h5", "w") as file:
        file["df/block0_values"] = np.zeros(3)
    with pytest.raises(InputError, match="does not follow vdcast's schema"):
        store.read(tmp_path / "foreign.h5")
    store.write(tmp_path / "whole.h5", detectors)
    content = (tmp_path / "whole.h5").read_bytes()
    (tmp_path / "cut.h5").write_bytes(content[: len(content) // 2])
    with pytest.raises(InputError, match="is not a readable h5 file"):
        store.read(tmp_path / "cut.h5")


def test_a_failed_write_leaves_the_old_file_and_no_partial_one(tmp_path, detectors, monkeypatch):
    path = tmp_path / "a.h5"
    store.write(path, detectors)
    before = path.read_bytes()

    def full(*args, **kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(h5py.Group, "create_dataset", full)
    with pytest.raises(OSError, match="No space left"):
        store.write(path, detectors)
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["a.h5"]


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"vd_ids": ("a", "a", "b")}, "vd_ids are not unique"),
        ({"interval": 60}, "timestamps are not 60 s apart"),
        ({"units": ("veh/h",)}, "1 units for 2 features"),
        ({"values": np.zeros((480, 3, 2))}, "values are float64, not float32"),
    ],
)
def test_a_table_that_contradicts_itself_is_refused(detectors, change, sentence):
    fields = {name: getattr(detectors, name) for name in detectors.__dataclass_fields__} | change
    with pytest.raises(InputError, match=sentence):
        Detectors(**fields)


def test_select_takes_detectors_and_features_in_the_order_asked(detectors):
    chosen = detectors.select(["VD-國", "VD-A"], ["speed"])
    assert chosen.vd_ids == ("VD-國", "VD-A") and chosen.units == ("km/h",)
    np.testing.assert_array_equal(chosen.values[:, 0, 0], detectors.values[:, 2, 1])


@pytest.mark.parametrize("steps", [1, 7, 100, 1000])
def test_a_table_written_block_by_block_is_the_table(tmp_path, detectors, steps):
    T = len(detectors.timestamps)
    empty = detectors.rows(0, 0)
    blocks = (detectors.values[i : i + steps] for i in range(0, T, steps))
    store.write_blocks(tmp_path / "blocks.h5", empty, detectors.timestamps, blocks)
    store.write(tmp_path / "whole.h5", detectors)
    assert (tmp_path / "blocks.h5").read_bytes() == (tmp_path / "whole.h5").read_bytes()


def test_blocks_that_do_not_fill_the_table_leave_no_file(tmp_path, detectors):
    with pytest.raises(ValueError, match="blocks hold 5 rows for 480 timestamps"):
        store.write_blocks(
            tmp_path / "t.h5", detectors.rows(0, 0), detectors.timestamps, [detectors.values[:5]]
        )
    assert not list(tmp_path.iterdir())


@pytest.fixture
def small_memory(monkeypatch):
    monkeypatch.setattr(store, "memory_bytes", lambda: 1000)


def test_a_table_larger_than_its_share_of_memory_is_mapped(tmp_path, detectors, small_memory):
    store.write(tmp_path / "t.h5", detectors)
    mapped = store.read(tmp_path / "t.h5")
    assert isinstance(mapped.values, Mapped) and equal(mapped, detectors)
    chosen = mapped.select(["VD-B", "VD-國"], ["speed"]).rows(7, 300)
    assert isinstance(chosen.values, Mapped)  # a view: neither copy nor read
    np.testing.assert_array_equal(chosen.values, detectors.values[7:300, 1:, 1:])


def test_a_map_is_pickled_by_its_place(tmp_path, detectors, small_memory):
    store.write(tmp_path / "t.h5", detectors)
    values = store.read(tmp_path / "t.h5").values
    for view in (values, values[7:300, 1:, 1:], values[:, 2:3], values.reshape(480, 1, 6)):
        sent = pickle.dumps(view)
        assert len(sent) < 1000 < view.nbytes
        np.testing.assert_array_equal(pickle.loads(sent), view)
    for computed in (values[:, [2, 0]], values + 1):
        sent = pickle.dumps(computed)
        assert len(sent) > computed.nbytes  # it lies in memory, and is sent whole
        np.testing.assert_array_equal(pickle.loads(sent), computed)


FILL = """
import sys
import numpy as np
from vdcast.data import store
from vdcast.data.detectors import Detectors
from vdcast.errors import one_sentence

T, V = int(sys.argv[1]), 100
empty = Detectors(
    values=np.empty((0, V, 1), "f4"), timestamps=np.empty(0, "i8"), vd_ids=tuple(map(str, range(V))),
    features=("volume",), units=("veh",), interval=60, time_zone="UTC", source="a test",
)
with one_sentence():
    blocks = (np.ones((1000, V, 1), "f4") for _ in range(T // 1000))
    store.write_blocks("table.h5", empty, 60 * np.arange(T), blocks)
"""


@pytest.mark.parametrize("steps", [3000, 30_000])
def test_a_full_disk_is_said_and_leaves_no_file(tmp_path, steps):
    """Found out as the file is closed, or earlier: HDF5 crashes at the end of a process that gave up on a file."""
    with small_disk(tmp_path / "small", 1 << 20) as disk:
        fill = [*disk.on(tmp_path / "small"), sys.executable, "-c", FILL, str(steps)]
        done = subprocess.run(fill, capture_output=True, text=True, check=False)
        assert done.returncode == 1 and done.stderr == (
            "vdcast: table.h5: No space left on device; make room and give the same command again, what is "
            "finished is kept\n"
        )
        assert disk.run("ls", "-A") == ""
        disk.resize(1 << 26)
        assert subprocess.run(fill, check=True).returncode == 0
