"""What the stage leaves, through its door."""

import shutil
import sys
from pathlib import Path

import pytest

from vdcast.layout import QUALITY
from vdcast.quality.__main__ import main
from vdcast.records import io

from .made import of_series, quality

ROOT = Path(__file__).parents[2]


@pytest.fixture
def door(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["quality"])
    shutil.copy(ROOT / "params.yaml", "params.yaml")


def test_it_leaves_words_and_pictures_beside_the_record(door, capsys):
    io.write(QUALITY, quality([of_series("A|<script>\n", "volume")]))
    main()
    text = QUALITY.with_suffix(".md").read_text("utf-8")
    assert "| A&#124;&#60;script&#62;&#92;x0a |" in text
    for name in ("coverage.png", "missing.png"):
        assert f"]({name})" in text
        assert QUALITY.with_name(name).read_bytes().startswith(b"\x89PNG")
    assert capsys.readouterr().out == "read reports/quality/quality.md; next: dvc repro\n"


def test_before_ingest_it_names_that_stage(door):
    with pytest.raises(SystemExit, match="run `dvc repro ingest`"):
        main()
