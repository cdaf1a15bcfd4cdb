import json

import pytest

from vdcast.errors import InputError
from vdcast.records import io
from vdcast.records.prepare import Dropped, Preparation

RECORD = Preparation(
    asked=["a", "國"], kept=["國"], target_vd="國", dropped=[Dropped("a", "vd", "mean volume 1.00, under 5")]
)


def test_what_is_written_is_read(tmp_path):
    io.write(tmp_path / "reports/prepare.json", RECORD)
    assert io.read(tmp_path / "reports/prepare.json", Preparation, "prepare") == RECORD
    text = (tmp_path / "reports/prepare.json").read_text("utf-8")
    assert text.endswith("}\n") and '\n  "asked": [' in text and "國" in text
    assert json.loads(text)["dropped"] == [
        {"name": "a", "kind": "vd", "reason": "mean volume 1.00, under 5"},
    ]


def test_a_missing_file_names_the_stage_that_leaves_it(tmp_path):
    with pytest.raises(InputError, match=r"x\.json does not exist; run `dvc repro prepare`"):
        io.read(tmp_path / "x.json", Preparation, "prepare")


@pytest.mark.parametrize("text", ["", "{", "[]", '{"asked": []}', '{"asked": 3}', "\udcff"])
def test_a_damaged_file_is_one_sentence(tmp_path, text):
    (tmp_path / "x.json").write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(InputError, match=r"x\.json is damaged \(.*\); delete it and run `dvc repro prepare`"):
        io.read(tmp_path / "x.json", Preparation, "prepare")
