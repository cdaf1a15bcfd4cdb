"""The door of every stage: help at once, one sentence for a mistake."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
STAGES = ("ingest", "prepare", "train", "baselines", "evaluate", "compare", "control", "report")
HEAVY = ("torch", "pandas", "matplotlib", "xlstm", "scipy", "vl_convert", "pydantic", "h5py", "yaml")


def run(folder, *arguments):
    return subprocess.run(
        [sys.executable, *arguments], cwd=folder, capture_output=True, text=True, check=False, timeout=120
    )


@pytest.mark.parametrize("stage", STAGES)
def test_help_imports_nothing_heavy(tmp_path, stage):
    done = run(tmp_path, "-X", "importtime", "-m", f"vdcast.{stage}", "--help")
    assert done.returncode == 0 and f"python -m vdcast.{stage}" in done.stdout
    imported = set(re.findall(r"\|\s+(\w+)$", done.stderr, flags=re.MULTILINE))
    assert not imported & set(HEAVY)


@pytest.mark.parametrize(
    "arguments",
    [
        ["train", "x"],
        ["evaluate", "x"],
        ["compare", "multi_vd"],
        ["control", "x"],
        ["prepare"],
        ["ingest"],
        ["report"],
    ],
)
def test_outside_a_project_the_reader_is_told_where_to_go(tmp_path, arguments):
    stage, *rest = arguments
    done = run(tmp_path, "-m", f"vdcast.{stage}", *rest)
    assert done.returncode == 1 and done.stdout == ""
    assert (
        done.stderr.strip()
        == "vdcast: params.yaml does not exist here; run from the folder that holds dvc.yaml"
    )


def test_report_without_comparisons_names_the_stage_to_run(tmp_path):
    shutil.copy(ROOT / "params.yaml", tmp_path)
    done = run(tmp_path, "-m", "vdcast.report")
    assert done.returncode == 1
    missing = "reports/comparisons/single_vd/comparison.json"
    assert done.stderr.strip() == f"vdcast: {missing} does not exist; run `dvc repro compare@single_vd`"


def test_a_run_without_a_control_is_one_sentence(tmp_path):
    shutil.copy(ROOT / "params.yaml", tmp_path)
    done = run(tmp_path, "-m", "vdcast.control", "lstm-multi_vd")
    assert done.returncode == 1
    assert done.stderr.strip() == (
        "vdcast: run 'lstm-multi_vd' has no control in params.yaml; those that have: lstm-global_multi_vd, "
        "xlstm-global_multi_vd"
    )


def test_a_comparison_that_params_does_not_name_is_one_sentence(tmp_path):
    shutil.copy(ROOT / "params.yaml", tmp_path)
    done = run(tmp_path, "-m", "vdcast.compare", "both")
    assert done.returncode == 1
    assert done.stderr.strip() == (
        "vdcast: no comparison 'both' in params.yaml; its comparisons are: single_vd, multi_vd, "
        "independent_multi_vd, global_multi_vd"
    )
