"""``vdcast.read`` and ``vdcast.Trained`` are the way to data and models; ``import vdcast`` alone costs nothing."""

import subprocess
import sys

import pytest

import vdcast
from tests.live.made import drawn

SCRIPT = """
import sys
import vdcast
heavy = {"torch", "numpy", "pandas", "pydantic", "h5py"}
assert not heavy & sys.modules.keys(), heavy & sys.modules.keys()
from vdcast import Trained, read
unasked = {"torch", "pandas", "scipy", "matplotlib"} & sys.modules.keys()
assert callable(read) and not unasked, unasked
trained = Trained.load(sys.argv[1])
assert "torch" in sys.modules and trained.task.vd_ids == ("VD-A", "VD-B", "VD-國")
"""


def test_data_and_models_take_torch_along_only_once_a_model_is_used(
    tmp_path, detectors, prepare_settings, small_lstm
):
    drawn(detectors, prepare_settings, small_lstm).save(tmp_path / "model.pt")
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, tmp_path / "model.pt"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_a_forecast_waits_for_nothing_that_it_does_not_use():
    unused = "{'scipy', 'matplotlib', 'sklearn', 'dvc', 'vdcast.ingest.tables', 'vdcast.report', 'torch._inductor'}"
    script = f"import sys\nfrom vdcast.live import issue, recent, record, source\nassert not (found := {unused} & sys.modules.keys()), found"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_a_search_takes_its_extra_along_only_once_it_is_asked_for():
    script = "import sys, vdcast.commands.search; assert not {'optuna', 'ruamel.yaml', 'torch'} & sys.modules.keys()"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_what_it_has_not_is_said_as_python_says_it():
    with pytest.raises(AttributeError, match="module 'vdcast' has no attribute 'Trainer'"):
        vdcast.Trainer  # noqa: B018


def test_a_shell_completes_what_is_not_fetched_yet():
    script = "import sys, vdcast; assert {'read', 'Trained'} <= {*dir(vdcast)} and 'numpy' not in sys.modules"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
