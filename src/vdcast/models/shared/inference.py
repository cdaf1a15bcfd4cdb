"""Windows through a network and back into units.

Shapes: N copies of a network, S seeds, G groups, W windows, B of a batch, H horizon, V detectors, K targets,
Q output channels, P quantile levels.
"""

from collections.abc import Callable, Mapping

import numpy as np
import torch
from torch import Tensor, nn

from vdcast.models.shared.autoregression import Autoregression
from vdcast.models.shared.task import Task
from vdcast.models.shared.windows import Batch, Windows, by_seed


@torch.no_grad()
def raw(model: nn.Module, task: Task, windows: Windows, seeds: int, part: slice = slice(None)) -> np.ndarray:
    """(S, W, H, V, K, P) float32, in units: what ``model`` says of every window, or of ``part`` of them, before calibration."""
    levels = _in_units(task, windows, seeds, model, part).cpu().numpy().astype(np.float32)
    return np.moveaxis(levels, 0, -1)


@torch.no_grad()
def linear(weights: Mapping[str, Tensor], task: Task, windows: Windows) -> np.ndarray:
    """(S, W, H, V, K) in units: profile and autoregression alone, what a run would say without its encoder."""
    prefix = "autoregression."
    own = {name.removeprefix(prefix): each for name, each in weights.items() if name.startswith(prefix)}
    copies = len(next(iter(own.values())))
    autoregression = Autoregression(copies, windows.sizes)
    autoregression.load_state_dict(own)

    def answer(batch: Batch) -> Tensor:
        return (batch.base + autoregression(batch.recent))[..., None]

    return _in_units(task, windows, copies // len(task.copies), answer)[0].numpy()


def _in_units(
    task: Task,
    windows: Windows,
    seeds: int,
    answer: Callable[[Batch], Tensor],
    part: slice = slice(None),
) -> Tensor:
    """(P, S, W, H, V, K) of every window, or of ``part`` of them, by ``answer`` to a batch, (N, B, H, Q, P) in scaled units."""
    device = windows.values.device
    groups = torch.tensor(task.copies, device=device).repeat(seeds, 1)  # (N, G * S / N)
    scaled = torch.cat([answer(batch) for batch in windows.in_order(groups, part)], dim=1)
    scale, shift = (torch.from_numpy(each).to(device) for each in (task.target_std, task.target_mean))
    return by_seed(scaled, seeds, groups.shape[1], len(task.vd_ids)) * scale + shift
