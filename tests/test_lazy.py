"""``vdcast.read`` and ``vdcast.Trained`` are the way to data and models; ``import vdcast`` alone costs nothing."""

import subprocess
import sys

import pytest

import vdcast

SCRIPT = """
import sys
import vdcast
heavy = {"torch", "numpy", "pandas", "pydantic", "h5py"}
assert not heavy & sys.modules.keys(), heavy & sys.modules.keys()
assert callable(vdcast.read) and "torch" not in sys.modules
from vdcast import Trained
assert "torch" in sys.modules and Trained.load
"""


def test_trained_takes_torch_along_only_once_it_is_asked_for():
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_a_search_takes_its_extra_along_only_once_it_is_asked_for():
    script = "import sys, vdcast.commands.search; assert not {'optuna', 'ruamel.yaml', 'torch'} & sys.modules.keys()"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_what_it_has_not_is_said_as_python_says_it():
    with pytest.raises(AttributeError, match="module 'vdcast' has no attribute 'Trainer'"):
        vdcast.Trainer  # noqa: B018
