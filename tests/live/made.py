"""A run with drawn weights, none of them zero: what it says is nonsense, and has to be said exactly."""

import torch

from tests.train.small import run_of, task_of
from vdcast.data import calendar
from vdcast.data.detectors import Detectors
from vdcast.models.shared.forecaster import build_seeded
from vdcast.models.shared.trained import Trained
from vdcast.models.shared.windows import Channels
from vdcast.params.modes import is_joint
from vdcast.params.networks import Network
from vdcast.params.sections import Prepare


def drawn(
    detectors: Detectors, settings: Prepare, network: Network, mode: str = "multi_vd", quantiles=()
) -> Trained:
    """Volume, 3 steps ahead from 6 steps of both features; two seeds."""
    task = task_of(detectors, settings, is_joint(mode))
    E = calendar.features(detectors.timestamps[:1], "UTC").shape[1]
    model = build_seeded(
        network,
        seeds=[seed for seed in (0, 1) for _ in range(task.groups)],
        channels=Channels(len(task.vd_ids) // task.groups, len(task.features), 1, E),
        length=task.length,
        horizon=task.horizon,
        levels=max(1, len(quantiles)),
    )
    torch.manual_seed(3)
    weights = {name: value + 0.05 * torch.randn_like(value) for name, value in model.state_dict().items()}
    run = run_of(network, mode, seeds=[0, 1], quantiles=list(quantiles))
    return Trained(weights=weights, run=run.model_dump(), task=task)
