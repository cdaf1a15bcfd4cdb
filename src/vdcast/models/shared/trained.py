"""A trained run: enough to forecast without the pipeline.

import vdcast
model = vdcast.Trained.load("runs/lstm-multi_vd/model.pt")
model.forecast(vdcast.read("data/detectors.h5"))  # a DataFrame: what comes after the last observation

torch and pandas take seconds to import: they come along with the method that needs them.
Shapes: S seeds, W windows, L lookback, H horizon, V detectors, K targets, P quantile levels.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from vdcast.data.detectors import Detectors
from vdcast.errors import InputError
from vdcast.forecasts.predictions import beside_observed
from vdcast.forecasts.quantiles import Quantiles, levels_of
from vdcast.params.sections import Run
from vdcast.params.times import minutes

if TYPE_CHECKING:
    import pandas as pd
    from torch import Tensor

    from vdcast.models.shared.forecaster import Forecaster
    from vdcast.models.shared.task import Task
    from vdcast.models.shared.windows import Windows


@dataclass(frozen=True, kw_only=True)
class Trained:
    """Weights, settings, and the task that they were trained for."""

    weights: dict[str, Tensor]  # (N, ...), N = seeds x Task.copies, seed-major
    run: dict[str, Any]  # params.Run, dumped
    task: Task
    margins: Tensor | None = None  # (S, H, V, K, P) of ``calibrated``, in units
    pools: Tensor | None = None  # (H, V, K, P // 2) which observations they come from, as in ``conformal``
    earlier: tuple[Trained, ...] = ()  # the same run in the folds of a walk forward before this one, the last

    @classmethod
    def load(cls, path: str | Path) -> Trained:
        """Read a model.pt; code inside a file is never executed. Raises InputError for any other file."""
        from vdcast.models.shared import model_file

        *earlier, last = model_file.read(Path(path))
        return cls(**last, earlier=tuple(cls(**each) for each in earlier))

    def save(self, path: Path) -> None:
        """Write ``path`` in one step, as a model.pt."""
        from vdcast.models.shared import model_file

        folds = [
            model_file.Fold(
                weights=each.weights, run=each.run, task=each.task, margins=each.margins, pools=each.pools
            )
            for each in self.folds
        ]
        model_file.write(path, folds)

    @property
    def settings(self) -> Run:
        """The run's settings as they were when it was trained."""
        return Run.of(self.run)

    @property
    def folds(self) -> tuple[Trained, ...]:
        """Each fold of a walk forward in order of time; of a single training, itself."""
        return (*self.earlier, replace(self, earlier=()))

    @property
    def one_seed(self) -> Trained:
        """The networks of the first seed alone: what a user would run."""
        seeds = self.run["train"]["seeds"]
        copies = len(next(iter(self.weights.values()))) // len(seeds)
        return replace(
            self,
            weights={name: value[:copies] for name, value in self.weights.items()},
            run=self.run | {"train": self.run["train"] | {"seeds": seeds[:1]}},
            margins=None if self.margins is None else self.margins[:1],
        )

    def forecast(self, recent: Detectors, device: str = "cpu") -> pd.DataFrame:
        """What comes after the last step of ``recent``: a row per VD, target and time, as ``frame_of`` has them.

        Raises InputError where ``recent`` is shorter than the lookback, or not of what the run was trained on.
        """
        from vdcast.forecasts.frame import frame_of

        window = self.next_window(recent)
        quantiles = self.quantiles(window, device)
        beside = beside_observed(
            quantiles.median, self.task.chosen(window), self.task.targets, self.task.length
        )
        ahead = replace(beside, quantiles=quantiles) if self.settings.train.quantiles else beside
        return frame_of(ahead).drop(columns="observed")

    def forecast_next(self, recent: Detectors, device: str = "cpu") -> np.ndarray:
        """Forecasts (S, H, V, K), in units, of the H steps after the last one of ``recent``. Raises as ``forecast``."""
        return self.forecast_all(self.next_window(recent), device)[:, 0]

    def quantiles_next(self, recent: Detectors, device: str = "cpu") -> dict[float, np.ndarray]:
        """The calibrated forecast (S, H, V, K) of each level, by level, as ``forecast_next`` gives the median.

        Raises InputError as ``forecast``, and where the run had no ``train.quantiles``.
        """
        if not self.settings.train.quantiles:
            raise InputError(
                f"run {self.run['name']} was trained for the median alone; set train.quantiles in params.yaml, "
                "e.g. to [0.1, 0.5, 0.9], and run `dvc repro`"
            )
        quantiles = self.quantiles(self.next_window(recent), device)
        return dict(zip(quantiles.levels, np.moveaxis(quantiles.calibrated[:, 0], -1, 0), strict=True))

    def next_window(self, recent: Detectors) -> Detectors:
        """The end of ``recent`` and H unknown steps after it: one window."""
        T, L, H = len(recent.timestamps), self.task.length, self.task.horizon
        if L > T:
            raise InputError(
                f"run {self.run['name']} looks back {minutes(L * self.task.interval)}; {recent.source} has "
                f"{minutes(T * self.task.interval)}"
            )
        unknown = np.full((H, *recent.values.shape[1:]), np.nan, np.float32)
        later = recent.timestamps[-1] + recent.interval * np.arange(1, H + 1)
        return replace(
            recent,
            values=np.concatenate([recent.values[-L:], unknown]),
            timestamps=np.concatenate([recent.timestamps[-L:], later]),
        )

    def forecast_all(self, part: Detectors, device: str = "cpu") -> np.ndarray:
        """Forecasts (S, W, H, V, K) float32, in units, for every window of ``part``."""
        return self.quantiles(part, device).median

    def quantiles(self, part: Detectors, device: str = "cpu") -> Quantiles:
        """Every level of every window of ``part``; without ``train.quantiles``, the median alone."""
        from vdcast.models.shared import inference

        windows, train = self.windows(part, device), self.settings.train
        raw = inference.raw(self.model(windows).to(device), self.task, windows, len(train.seeds))
        margins = (
            np.zeros((len(raw), *raw.shape[2:]), np.float32) if self.margins is None else self.margins.numpy()
        )
        return Quantiles(levels=levels_of(train.quantiles), raw=raw, margins=margins)

    def windows(self, part: Detectors, device: str = "cpu") -> Windows:
        """All windows of ``part``, scaled as in training. Raises InputError where it is not of what the run was trained on."""
        from vdcast.models.shared.windows import Windows

        self.task.check_fits(part, self.run["name"])
        present = set(part.vd_ids)
        if lacking := [vd for vd in self.task.vd_ids if vd not in present]:
            raise InputError(
                f"run {self.run['name']} was trained on VD {lacking[0]!r}; {part.source} lacks it"
            )
        return Windows(self.task, part, device=device)

    def model(self, windows: Windows) -> Forecaster:
        """The network with its weights, ready to forecast."""
        from vdcast.models.shared.forecaster import restored

        settings = self.settings
        levels = len(levels_of(settings.train.quantiles))
        return restored(settings.network, windows.sizes, self.weights, levels=levels)
