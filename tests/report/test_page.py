"""What the page says beside its charts (tests/pipeline/test_page.py opens it)."""

import subprocess

import pytest

from tests.quality.made import of_series
from vdcast.errors import InputError
from vdcast.report import page
from vdcast.report.inputs import read_bytes
from vdcast.report.provenance import commit


def git(folder, *arguments):
    identity = ["-c", "user.name=t", "-c", "user.email=t@t.invalid"]
    subprocess.run(["git", *identity, *arguments], cwd=folder, check=True, capture_output=True)


@pytest.fixture
def repository(tmp_path):
    git(tmp_path, "init", "-q")
    for name in ("params.yaml", "dvc.lock", "src/model.py"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("a: 1\n")
    git(tmp_path, "add", "-A")
    git(tmp_path, "commit", "-qm", "first")
    return tmp_path


def test_a_clean_tree_is_its_commit(repository):
    found = commit(repository)
    assert len(found["hash"]) == 40 and found["date"].count("-") == 2 and found["changed"] == []


def test_what_decides_the_numbers_and_is_in_no_commit_is_named(repository):
    (repository / "params.yaml").write_text("a: 2\n")
    (repository / "src/模型.py").write_text("new = True\n")
    assert commit(repository)["changed"] == ["params.yaml", "src/模型.py"]


def test_results_and_notes_do_not_mark_a_tree_as_changed(repository):
    (repository / "dvc.lock").write_text("written: while dvc repro runs\n")
    (repository / "notes.txt").write_text("mine\n")
    assert commit(repository)["changed"] == []


LOCKED = """
stages:
  ingest:
    deps:
    - {{path: data/raw/counts.csv, md5: {}}}
    - {{path: src/vdcast/ingest, md5: {}}}
"""


def test_raw_data_of_another_hash_than_in_the_commit_is_named(repository):
    lock = repository / "dvc.lock"
    lock.write_text(LOCKED.format("a", "b"))
    assert commit(repository)["changed"] == [], "the commit's lock knows of no raw data yet"
    git(repository, "commit", "-qam", "results")
    lock.write_text(LOCKED.format("a", "c"))
    assert commit(repository)["changed"] == [], "code is looked up in git"
    lock.write_text(LOCKED.format("d", "b"))
    assert commit(repository)["changed"] == ["data/raw/counts.csv"]
    lock.unlink()
    assert commit(repository)["changed"] == []


def test_outside_of_a_repository_there_is_no_commit(tmp_path):
    assert commit(tmp_path) is None


def test_a_missing_file_names_the_stage_that_leaves_it(tmp_path):
    with pytest.raises(InputError, match=r"coverage.png does not exist; run `dvc repro quality`"):
        read_bytes(tmp_path / "coverage.png", "quality")


def test_nothing_is_left_out_silently():
    data = {
        "vds": ["a", "b"],
        "minutes": [5.0, 10.0],
        "series": {"horizons": [0], "vds": [0, 1], "step": 0.1},
    }
    assert "VDs" not in page.thinned(data) and "at 1 of 2 horizons" in page.thinned(data)
    data["series"]["vds"] = [0]
    assert "carried for 1 of 2 VDs" in page.thinned(data)


def test_series_that_no_model_can_learn_from_are_named():
    series = [of_series(f"VD-{i}", "speed", verdict="constant" if i < 7 else "") for i in range(9)]
    assert page.suspicious(series) == [
        "7 series constant: VD-0 (speed), VD-1 (speed), VD-2 (speed), VD-3 (speed), VD-4 (speed) and 2 more."
    ]


@pytest.mark.parametrize(
    ("shown", "expected"),
    [
        (page._fixed(None), "undefined"),
        (page._signed(None), "undefined"),
        (page._percent(None), "undefined"),
        (page._thousands(None), "undefined"),
        (page._percent(0.0), "0"),
        (page._percent(0.0016, 2), "0.16%"),
        (page._thousands(1234.5), "1,234"),
    ],
)
def test_a_figure_that_is_undefined_says_so(shown, expected):
    assert shown == expected
