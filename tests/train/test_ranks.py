"""One run by two processes that torchrun starts, which talk over gloo, against one process."""

import os
import pickle
import subprocess
import sys

import torch

from tests.pipeline.conftest import ROOT
from tests.train.small import data, in_double, run_of
from vdcast.params.sections import Run
from vdcast.train.data import TrainingData
from vdcast.train.stack import draws_of_batch, draws_of_epoch
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
    trainings = pickle.load(file)
with ranks.together("cpu"):
    fitted = [fit(*each) for each in trainings]
    assert ranks.world() == 2
    torch.save([(each.weights, each.figures, each.training) for each in fitted], f"rank{ranks.rank()}.pt")
"""


def test_two_ranks_train_what_one_process_trains(network, detectors, prepare_settings, tmp_path):
    """Dropout, clipping, missing values, quantiles, early stopping and a last batch of one sample included.

    In float64: the ranks add a batch's gradients in another order, and AdamW turns the rounding of a gradient near
    zero into a whole step. What is left of that after some hundred steps is far below the tolerance.
    """

    def training(mode: str, vds: list[int], batch_size: int, epochs: int) -> tuple[Run, list[TrainingData]]:
        common = data(detectors, prepare_settings, mode, vds)
        small = network.model_copy(update={"batch_size": batch_size})
        levels = [0.1, 0.5, 0.9]
        run = run_of(small, mode, epochs=epochs, patience=1, seeds=[0, 1], quantiles=levels)
        draws = draws_of_epoch(common.train) % draws_of_batch(run, common.train.sizes)
        assert draws == 1, "the last batch leaves the second rank without a sample"
        return run, [in_double(common)]

    trainings = [
        training("independent_multi_vd", [0, 1, 2], 31, epochs=12),
        training("global_multi_vd", [0, 1], 43, epochs=2),
        training("social", [0, 1, 2], 93, epochs=2),
    ]
    torch.set_default_dtype(torch.float64)
    try:
        alone = [fit(*each) for each in trainings]
    finally:
        torch.set_default_dtype(torch.float32)

    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    (tmp_path / "script.py").write_text(SCRIPT, "utf-8")
    (tmp_path / "arguments").write_bytes(pickle.dumps(trainings))
    done = subprocess.run(
        [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "script.py"],
        cwd=tmp_path, env=os.environ | {"GLOO_SOCKET_IFNAME": "lo", "OMP_NUM_THREADS": "1", "PYTHONPATH": path},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert min(alone[0].training) < max(alone[0].training), "a copy must stop early"
    by_rank = [torch.load(tmp_path / f"rank{i}.pt") for i in range(2)]
    for expected, (first, figures, count), (second, _, _) in zip(alone, *by_rank, strict=True):
        assert count == expected.training
        for name, value in expected.weights.items():
            assert torch.equal(first[name], second[name]), name
            torch.testing.assert_close(first[name], value, rtol=1e-7, atol=1e-9, msg=name)
        torch.testing.assert_close(figures, expected.figures, rtol=1e-7, atol=1e-9)
