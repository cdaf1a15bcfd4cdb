"""The stage as a user runs it, on the embedded sample."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from vdcast.data import store

ROOT = Path(__file__).parents[2]


@pytest.fixture
def project(tmp_path):
    shutil.copy(ROOT / "params.yaml", tmp_path)
    shutil.copytree(ROOT / "data/raw", tmp_path / "data/raw")
    return tmp_path


def ingest(folder):
    return subprocess.run(
        [sys.executable, "-m", "vdcast.ingest"], cwd=folder, capture_output=True, text=True, check=True
    )


def test_sample_becomes_one_table_with_its_four_missing_hours_marked(project):
    ingest(project)
    table = store.read(project / "data/detectors.h5")
    assert table.values.shape == (2496, 22, 1)
    missing = np.isnan(table.values).all(axis=(1, 2))
    assert missing.sum() == 4
    assert np.isnan(table.values).sum() == 4 * 22
    report = json.loads((project / "reports/quality/quality.json").read_text("utf-8"))
    assert len(report["series"]) == 22


def test_the_same_input_gives_the_same_bytes(project):
    ingest(project)
    first = (project / "data/detectors.h5").read_bytes()
    ingest(project)
    assert (project / "data/detectors.h5").read_bytes() == first
