"""A run with drawn weights, none of them zero: what it says is nonsense, and has to be said exactly."""

import torch

from tests.train.small import run_of, task_of
from vdcast.data.detectors import Detectors
from vdcast.models.shared.forecaster import build_seeded
from vdcast.models.shared.trained import Trained
from vdcast.models.shared.windows import Windows
from vdcast.params.networks import Network
from vdcast.params.sections import Prepare


def drawn(
    detectors: Detectors,
    settings: Prepare,
    network: Network,
    mode: str = "multi_vd",
    quantiles=(),
    vds=(0, 1, 2),
) -> Trained:
    """Volume, 3 steps ahead from 6 steps of both features and what ``detectors`` know ahead; two seeds."""
    task = task_of(detectors, settings, mode, vds)
    model = build_seeded(
        network,
        Windows(task, detectors).sizes,
        seeds=[seed for seed in (0, 1) for _ in task.copies],
        levels=max(1, len(quantiles)),
    )
    torch.manual_seed(3)
    weights = {name: value + 0.05 * torch.randn_like(value) for name, value in model.state_dict().items()}
    run = run_of(network, mode, seeds=[0, 1], quantiles=list(quantiles))
    return Trained(weights=weights, run=run.model_dump(), task=task)
