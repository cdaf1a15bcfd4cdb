import pytest

from vdcast import repro


def test_all_that_needs_a_stage():
    edges = {("a", "b"), ("b", "c"), ("x", "c"), ("c", "d"), ("x", "y")}
    assert repro.descendants({"b"}, edges) == {"b", "c", "d"}
    assert repro.descendants({"y", "x"}, edges) == {"x", "y", "c", "d"}
    assert repro.descendants(set(), edges) == set()


@pytest.mark.parametrize(
    ("threads", "slots", "gpus", "wanted"),
    [
        ("8", 3, [], [{"OMP_NUM_THREADS": "2"}] * 3),
        ("1", 2, [], [{"OMP_NUM_THREADS": "1"}] * 2),
        ("4", 2, ["0", "3"], [{"OMP_NUM_THREADS": "2", "CUDA_VISIBLE_DEVICES": gpu} for gpu in "03"]),
        ("4", 2, ["7"], [{"OMP_NUM_THREADS": "2", "CUDA_VISIBLE_DEVICES": "7"}] * 2),
    ],
)
def test_cpus_and_gpus_are_shared_out(monkeypatch, threads, slots, gpus, wanted):
    monkeypatch.setenv("OMP_NUM_THREADS", threads)
    assert [repro.share(slot, slots, gpus) for slot in range(slots)] == wanted


def test_gpus_that_the_user_hides_stay_hidden(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2,5")
    assert repro.visible_gpus() == ["2", "5"]
    for nothing in ("", "-1"):
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", nothing)
        assert repro.visible_gpus() == []
