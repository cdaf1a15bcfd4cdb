"""A record comes back as it was; what is missing or damaged names the stage to run."""

import json
import zlib

import pytest

from tests.records import made
from vdcast.errors import InputError
from vdcast.language import Said
from vdcast.records import io
from vdcast.records.comparison import Comparison, NoComparison
from vdcast.records.prepare import Dropped, Preparation
from vdcast.records.training import Training


@pytest.mark.parametrize(
    ("record", "type"),
    [
        (made.training(best_epoch=[0, 3], validation_loss=[None, 0.25]), Training),
        (made.comparison(), Comparison | NoComparison),
        (NoComparison(mode="multi_vd", problem="why"), Comparison | NoComparison),
        (
            made.preparation(
                asked=["國道"],
                kept=[],
                target_vd="國道",
                dropped=[Dropped("a", "vd", Said("language.dropped.constant", {"feature": "國道"}))],
            ),
            Preparation,
        ),
    ],
)
def test_a_record_comes_back_as_it_was(tmp_path, record, type):
    path = tmp_path / "below" / "record.json"
    io.write(path, record)
    assert io.read(path, type, "prepare") == record
    text = path.read_text("utf-8")
    assert text.startswith('{\n  "') and text.endswith("\n}\n")
    assert [each.name for each in path.parent.iterdir()] == ["record.json"]


def test_figures_for_others_have_nothing_beside_them(tmp_path):
    io.publish(tmp_path / "metrics.json", {"volume": {"val_mae": 1.5, "val_rmse": float("nan")}})
    found = json.loads((tmp_path / "metrics.json").read_text("utf-8"))
    assert found == {"volume": {"val_mae": 1.5, "val_rmse": None}}


def test_what_is_not_finite_is_null(tmp_path):
    io.write(tmp_path / "record.json", made.scores(float("nan")))
    assert '"mae": null' in (tmp_path / "record.json").read_text()


def test_a_spread_that_a_single_seed_lacks_is_no_key_and_one_that_is_undefined_is_null(tmp_path):
    path = tmp_path / "record.json"
    io.write(path, made.scores(1.0))
    assert "mae_sd" not in path.read_text()
    io.write(path, made.scores(None, mae_sd=None))
    assert '"mae_sd": null' in path.read_text()


def test_a_key_of_a_later_version_is_no_error(tmp_path):
    path = tmp_path / "record.json"
    text = '{\n  "mode": "m",\n  "problem": "why",\n  "status": "not_compared",\n  "later": 1\n}\n'
    path.write_text(text[:-3] + f',\n  "crc32": "{zlib.crc32(text.encode()):08x}"\n}}\n')
    assert io.read(path, Comparison | NoComparison, "compare@m") == NoComparison(mode="m", problem="why")


def test_a_missing_file_names_the_stage_that_leaves_it(tmp_path):
    with pytest.raises(InputError, match=r"training.json does not exist; run `dvc repro train@a`$"):
        io.read(tmp_path / "training.json", Training, "train@a")


@pytest.mark.parametrize("content", [b"{", b"{}", b"\xff", b'{"problem": "\xff"}', b""])
def test_a_damaged_file_names_the_stage_that_leaves_it(tmp_path, content):
    (tmp_path / "training.json").write_bytes(content)
    with pytest.raises(
        InputError, match=r"training.json is damaged \(.+\); delete it and run `dvc repro train@a`$"
    ):
        io.read(tmp_path / "training.json", Training, "train@a")
