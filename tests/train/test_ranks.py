"""One run by two processes that torchrun starts, which talk over gloo, against one process."""

import os
import pickle
import subprocess
import sys

import torch

from tests.pipeline.conftest import ROOT
from tests.train.small import data, in_double, run_of
from vdcast.train.workers import fit

SCRIPT = """
import pickle
import torch
torch.set_default_dtype(torch.float64)
from vdcast.models.shared.device import deterministic
from vdcast.train import ranks
from vdcast.train.workers import fit

deterministic("cpu")
torch.set_num_threads(1)
with open("arguments", "rb") as file:
    arguments = pickle.load(file)
with ranks.together("cpu"):
    fitted = fit(*arguments)
    assert ranks.world() == 2
    torch.save((fitted.weights, fitted.figures, fitted.training), f"rank{ranks.rank()}.pt")
"""


def test_two_ranks_train_what_one_process_trains(network, detectors, prepare_settings, tmp_path):
    """Dropout, clipping, missing values, quantiles, early stopping and a last batch of one window included.

    In float64: the ranks add a batch's gradients in another order, and AdamW turns the rounding of a gradient near
    zero into a whole step. What is left of that after some hundred steps is far below the tolerance.
    """
    common = data(detectors, prepare_settings, False)
    network = network.model_copy(update={"batch_size": 31})
    assert len(common.train) % network.batch_size == 1, (
        "the last batch leaves the second rank without a window"
    )
    run = run_of(
        network, "independent_multi_vd", epochs=12, patience=1, seeds=[0, 1], quantiles=[0.1, 0.5, 0.9]
    )
    arguments = (run, in_double(common))
    torch.set_default_dtype(torch.float64)
    try:
        alone = fit(*arguments)
    finally:
        torch.set_default_dtype(torch.float32)

    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    (tmp_path / "script.py").write_text(SCRIPT, "utf-8")
    (tmp_path / "arguments").write_bytes(pickle.dumps(arguments))
    done = subprocess.run(
        [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "script.py"],
        cwd=tmp_path, env=os.environ | {"GLOO_SOCKET_IFNAME": "lo", "OMP_NUM_THREADS": "1", "PYTHONPATH": path},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    (first, figures, training), (second, _, _) = (torch.load(tmp_path / f"rank{i}.pt") for i in range(2))
    assert training == alone.training and min(training) < max(training), "a copy must stop early"
    for name, value in alone.weights.items():
        assert torch.equal(first[name], second[name]), name
        torch.testing.assert_close(first[name], value, rtol=1e-7, atol=1e-9, msg=name)
    torch.testing.assert_close(figures, alone.figures, rtol=1e-7, atol=1e-9)
