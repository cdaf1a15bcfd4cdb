from pathlib import Path

import pytest
import yaml

from vdcast.errors import InputError
from vdcast.ray_runs import Ended, Task, combinations


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
