from vdcast.machines.dvc_cli import descendants


def test_all_that_needs_a_stage():
    edges = {("a", "b"), ("b", "c"), ("x", "c"), ("c", "d"), ("x", "y")}
    assert descendants({"b"}, edges) == {"b", "c", "d"}
    assert descendants({"y", "x"}, edges) == {"x", "y", "c", "d"}
    assert descendants(set(), edges) == set()
