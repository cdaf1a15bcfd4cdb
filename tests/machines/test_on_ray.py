import io
import tarfile
import tempfile
from pathlib import Path

import pytest
import yaml

from vdcast.errors import InputError
from vdcast.machines.on_ray import Ended, Task, combinations, run_on_node, shares_of


def test_every_combination_of_a_sweep_has_its_settings():
    before = Path("params.yaml").read_text("utf-8")
    found = combinations(["lstm.hidden_size=6,10", "train.epochs=3"])
    assert [changes for changes, _ in found] == [
        ("lstm.hidden_size=6", "train.epochs=3"), ("lstm.hidden_size=10", "train.epochs=3"),
    ]  # fmt: skip
    for size, (_, text) in zip((6, 10), found, strict=True):
        wanted = yaml.safe_load(before)
        wanted["lstm"]["hidden_size"], wanted["train"]["epochs"] = size, 3
        assert yaml.safe_load(text) == wanted
    assert Path("params.yaml").read_text("utf-8") == before
    assert combinations([]) == [((), None)]


@pytest.mark.parametrize("change", ["lstm.nothing=3", "lstm.hidden_size=-1", "lstm"])
def test_a_wrong_change_is_refused_before_anything_runs(change):
    with pytest.raises(InputError):
        combinations([change])


@pytest.mark.parametrize(
    ("log", "reason"),
    [
        ("a\nvdcast: run x: no memory\nb\nvdcast: train@x failed with exit status 1, as said above", "run x: no memory"),
        ("Traceback\nvdcast: train@x failed with exit status 1, as said above", "train@x failed with exit status 1, as said above"),
        ("Killed\n", "Killed"),
        ("", "nothing"),
    ],
)  # fmt: skip
def test_the_reason_of_a_failure_is_the_stage_s_own_sentence(log, reason):
    assert Ended(True, log, "1.2.3.4").reason() == reason


def test_a_log_s_name_cannot_leave_its_folder():
    assert Task("train@x", changes=("data.raw=../../y",)).log.parent == Path(".scratch/logs")


def test_a_log_s_name_is_one_that_a_disk_takes():
    long = [Task("train@x", changes=tuple(f"lstm.hidden_size={i}" for i in range(n))) for n in (30, 31)]
    assert len({task.log for task in long}) == 2 and all(len(task.log.name) < 100 for task in long)


def test_what_a_node_found_trained_is_not_called_trained():
    task = Task("train@x")
    ran, found = Ended(False, "Running stage 'train@x':\n", "n"), Ended(False, "'train@x' is cached", "n")
    assert ran.row(task) == "train@x: trained on n"
    assert found.row(task) == "train@x: had been trained, as was found by n"
    assert (
        Ended(True, "Running stage 'train@x':\n", "n").row(task, "1/2") == "train@x, share 1/2: failed on n"
    )


@pytest.mark.parametrize(
    ("run", "shares", "wanted"),
    [
        ("lstm-independent_multi_vd", 1, []),
        ("lstm-independent_multi_vd", 4, ["1/4", "2/4", "3/4", "4/4"]),
        ("lstm-independent_multi_vd", 8, ["1/6", "2/6", "3/6", "4/6", "5/6", "6/6"]),
        ("lstm-single_vd", 8, ["1/3", "2/3", "3/3"]),
    ],
)
def test_a_training_is_cut_into_no_more_shares_than_it_has_stacks(run, shares, wanted, capsys):
    """Three seeds of ten detectors are six stacks of at most five on a CPU."""
    assert shares_of(Task(f"train@{run}"), shares, gpus=0) == wanted
    assert ("all it has, so it is cut into no more" in capsys.readouterr().out) == (0 < len(wanted) < shares)


def test_the_shares_of_a_sweep_are_those_of_its_settings():
    ((changes, settings),) = combinations(["train.seeds=[7]"])
    assert shares_of(Task("train@lstm-single_vd", settings, changes), 2, gpus=0) == []


JOB = """
import sys
from pathlib import Path
assert "secret" in Path(".dvc/config.local").read_text()
if "kept" in sys.argv[3]:
    Path("runs/x").mkdir(parents=True)
    Path("runs/x/model.pt").touch()
print("vdcast: said")
sys.exit("good" not in sys.argv[3])
"""
REMOTE = {"core": {"remote": "r"}, "remote": {"r": {"url": "s3://b", "secret_access_key": "secret"}}}


def on_node(tmp_path, monkeypatch, target: str) -> Ended:
    """A task of Ray in this process, with a job that says as its target how it ends."""
    pytest.importorskip("ray", reason="the extra vdcast[ray] is not installed")
    tar = io.BytesIO()
    with tarfile.open(fileobj=tar, mode="w") as archive:
        for name, text in (
            (".dvc/config", ""),
            ("src/vdcast/__init__.py", ""),
            ("src/vdcast/__main__.py", JOB),
        ):
            member = tarfile.TarInfo(name)
            member.size = len(text)
            archive.addfile(member, io.BytesIO(text.encode()))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return run_on_node(tar.getvalue(), REMOTE, Task(target), None, 1)


@pytest.mark.parametrize("target", ["good", "good-kept", "bad"])
def test_a_node_keeps_nothing_of_a_job_but_its_log(tmp_path, monkeypatch, target):
    ended = on_node(tmp_path, monkeypatch, target)
    assert (ended.failed, ended.log) == (target == "bad", "vdcast: said\n")
    assert list(tmp_path.iterdir()) == []


def test_a_result_that_the_remote_did_not_take_stays_without_the_keys(tmp_path, monkeypatch):
    assert on_node(tmp_path, monkeypatch, "bad-kept").failed
    (place,) = tmp_path.iterdir()
    assert (place / "runs/x/model.pt").exists() and not (place / ".dvc/config.local").exists()


def test_a_node_without_git_keeps_nothing(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", "")
    with pytest.raises(FileNotFoundError, match="git"):
        on_node(tmp_path, monkeypatch, "good")
    assert list(tmp_path.iterdir()) == []
