"""A run with drawn weights, none of them zero: what it says is nonsense, and has to be said exactly."""

import numpy as np
import torch

from tests.train.small import run_of, task_of
from vdcast.data.covariates import HOLIDAY, Covariates, Weather
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


def known_ahead(detectors: Detectors) -> Covariates:
    """Two days in five are holidays and half of each is works, which alone is an input; rain is forecast six hours before, and observed after."""
    times, interval = detectors.timestamps, detectors.interval
    days = times[: len(times) // 24 * 24].reshape(-1, 24)
    holidays = np.concatenate([days[k::5, [0, -1]] for k in (1, 3)])
    holidays[:, 1] += interval
    issued = np.stack([times - 6 * interval, times + interval], axis=1).ravel()
    rain = np.random.default_rng(5).gamma(2.0, 3.0, (2 * len(times), 1)).astype(np.float32)
    rain[7::31] = np.nan
    return Covariates(
        plans={"works": holidays - [0, 12 * interval], HOLIDAY: holidays},
        inputs=("works",),
        weather=Weather(
            kinds=("rain",),
            time=np.repeat(times, 2),
            issued=issued,
            values=rain,
            mean=np.array([6.0]),
            std=np.array([4.0]),
            step=interval,
        ),
        tables={"plans": "works.csv", "weather": "rain.csv"},
    )
