"""What comes from a data file reaches neither a shell nor a path."""

import pytest

from tests.pipeline.conftest import make_clone

pytestmark = pytest.mark.slow

HOSTILE = (
    "$(touch pwned)",
    "`touch pwned`",
    "; touch pwned",
    "../../pwned",
    "/pwned",
    "<script>pwned</script>",
)


def test_hostile_names_of_detectors_stay_names(tmp_path):
    """From raw file to comparison and report of a run; files appear where they always do, and no other."""
    made = []
    for kind, names in (("plain", "abcdef"), ("hostile", HOSTILE)):
        clone = make_clone(tmp_path / kind / "inner/clone")
        raw = clone.path / "data/raw/sample_counts.csv"
        head, rows = raw.read_text("utf-8").split("\n", 1)
        columns = head.split(",")
        columns[1 : 1 + len(names)] = list(names)
        raw.write_text(",".join(columns) + "\n" + rows, "utf-8")
        once = {"epochs": 1, "patience": 1, "seeds": [0]}
        clone.set({"prepare": {"vds": list(names), "min_mean": 0.0, "max_missing": 1.0}, "train": once})
        clone.run("dvc", "repro", "compare@multi_vd")
        inside = {
            str(path.relative_to(clone.path))
            for path in clone.path.rglob("*")
            if not path.is_relative_to(clone.path / ".dvc") and not path.is_relative_to(clone.path / ".git")
        }
        made.append(
            {path for path in inside if not path.startswith(".scratch") and "__pycache__" not in path}
        )
        assert not list(tmp_path.rglob("*pwned*"))
        outside = {str(path.relative_to(clone.path.parents[1])) for path in clone.path.parents[1].glob("*/*")}
        assert outside == {"inner/clone"}
    assert made[0] == made[1]
    text = (clone.path / "reports/quality/quality.json").read_text("utf-8")
    assert all(name in text for name in HOSTILE), "they did come through"
