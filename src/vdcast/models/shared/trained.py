"""A trained run as one file, ``model.pt``: enough to forecast without the pipeline.

import vdcast
model = vdcast.Trained.load("runs/lstm-multi_vd/model.pt")
model.forecast(vdcast.read("data/detectors.h5"))  # a DataFrame: what comes after the last observation
"""

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from pickle import UnpicklingError

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from vdcast.data import profile, scale
from vdcast.data.covariates import Covariates
from vdcast.data.detectors import Detectors
from vdcast.data.files import Damaged, check_seal, replacing, seal
from vdcast.data.h5 import AGAIN, SCHEMA
from vdcast.errors import InputError, first_line
from vdcast.forecasts.frame import frame_of
from vdcast.forecasts.predictions import beside_observed
from vdcast.forecasts.quantiles import Quantiles, levels_of
from vdcast.models.shared.autoregression import Autoregression
from vdcast.models.shared.calibration import conformal
from vdcast.models.shared.forecaster import Forecaster, build
from vdcast.models.shared.neighbours import Neighbours
from vdcast.models.shared.task import Task
from vdcast.models.shared.windows import Batch, Windows, by_seed
from vdcast.params.modes import Sharing, sharing_of
from vdcast.params.networks import NETWORKS
from vdcast.params.sections import Run
from vdcast.params.times import minutes


class _Undrawn(TorchFunctionMode):
    """Weights that a file will give are not drawn first, which takes seconds for thousands of copies."""

    def __torch_function__(self, function, types, args=(), kwargs=None):
        if function in (Tensor.uniform_, Tensor.normal_, nn.init.uniform_, nn.init.kaiming_uniform_):
            return args[0] if args else kwargs["tensor"]
        return function(*args, **(kwargs or {}))


@dataclass(frozen=True, kw_only=True)
class Trained:
    """Weights, settings, and the task that they were trained for; its file holds plain tensors, numbers and text."""

    weights: dict[str, Tensor]  # (N, ...), N = seeds x Task.copies, seed-major
    run: dict  # params.Run, dumped
    task: Task
    margins: Tensor | None = None  # (S, H, V, K, P) of ``calibrated_on``, in units
    pools: Tensor | None = None  # (H, V, K, P // 2) which observations they come from, as in ``conformal``
    earlier: tuple[
        "Trained", ...
    ] = ()  # the same run in the folds of a walk forward before this one, the last

    @property
    def settings(self) -> Run:
        """The run's settings as they were when it was trained."""
        network = NETWORKS[self.run["model"]].model_validate(self.run["network"])
        return Run.model_validate({**self.run, "network": network})

    def windows(self, part: Detectors, device: str = "cpu") -> Windows:
        """All windows of ``part``, scaled as in training.

        Raises InputError where ``part`` lacks a detector or feature, or has another interval.
        """
        self._check(part, self.task.vd_ids)
        return Windows(self.task, part, device=device)

    def _check(self, part: Detectors, vd_ids: Sequence[str]) -> None:
        """Refuse a part that lacks one of these detectors or a feature, or has another interval."""
        for kind, needed, given in (
            ("VD", vd_ids, part.vd_ids),
            ("feature", self.task.features, part.features),
        ):
            present = set(given)
            if lacking := [name for name in needed if name not in present]:
                raise InputError(
                    f"run {self.run['name']} was trained on {kind} {lacking[0]!r}; {part.source} lacks it"
                )
        if part.interval != self.task.interval:
            raise InputError(
                f"run {self.run['name']} was trained on an interval of {minutes(self.task.interval)}; "
                f"{part.source} has {minutes(part.interval)}"
            )

    @property
    def folds(self) -> tuple["Trained", ...]:
        """Each fold of a walk forward in order of time; of a single training, itself."""
        return (*self.earlier, replace(self, earlier=()))

    @property
    def one_seed(self) -> "Trained":
        """The networks of the first seed alone: what a user would run."""
        seeds = self.run["train"]["seeds"]
        copies = len(next(iter(self.weights.values()))) // len(seeds)
        return replace(
            self,
            weights={name: value[:copies] for name, value in self.weights.items()},
            run=self.run | {"train": self.run["train"] | {"seeds": seeds[:1]}},
            margins=None if self.margins is None else self.margins[:1],
        )

    def elsewhere(self, history: Detectors) -> "Trained":
        """The same weights for the detectors of ``history``, whose scale and profile of the week come from it.

        A detector that it was not trained on has the mean of the embeddings; intervals are no longer calibrated.
        Raises InputError where weights belong to detectors, and where a forecast hears of neighbours.
        """
        if self.task.sharing is not Sharing.SHARED or self.task.neighbours:
            raise InputError(
                f"run {self.run['name']} of mode {self.run['mode']} forecasts the detectors that it was trained on and no "
                "others; a run in global_multi_vd can"
            )
        self._check(history, ())
        history = replace(history.select(history.vd_ids, self.task.features), covariates=self.task.covariates)
        mean, std = scale.of_values(history.values)
        place = {vd: v for v, vd in enumerate(self.task.vd_ids)}
        task = replace(
            self.task,
            vd_ids=history.vd_ids,
            mean=mean,
            std=std,
            profile=profile.of_part(history),
            time_zone=history.time_zone,
            untrained=tuple(vd for vd in history.vd_ids if vd not in place or vd in self.task.untrained),
        )
        known = self.weights["embedding.weight"]  # (N, V, D)
        rows = [known[:, place[vd]] if vd in place else known.mean(dim=1) for vd in history.vd_ids]
        weights = self.weights | {"embedding.weight": torch.stack(rows, dim=1)}
        return replace(self, task=task, weights=weights, margins=None, pools=None)

    def joined_by(self, history: Detectors) -> "Trained":
        """The same for its own detectors and those of ``history``, which it does not know, as ``elsewhere`` has them.

        Intervals of these are NaN, as nothing calibrates them. Raises InputError as ``elsewhere`` does.
        """
        new, own = self.elsewhere(history), self.task
        task = replace(
            own,
            vd_ids=own.vd_ids + new.task.vd_ids,
            mean=np.concatenate([own.mean, new.task.mean]),
            std=np.concatenate([own.std, new.task.std]),
            profile=np.concatenate([own.profile, new.task.profile], axis=1),
            untrained=own.untrained + new.task.untrained,
        )
        tables = [each.weights["embedding.weight"] for each in (self, new)]
        weights = self.weights | {"embedding.weight": torch.cat(tables, dim=1)}
        margins = self.margins
        if margins is not None:
            unknown = margins.new_full(
                (*margins.shape[:2], len(new.task.vd_ids), *margins.shape[3:]), torch.nan
            )
            unknown[..., margins.shape[-1] // 2] = 0  # the median is the forecast
            margins = torch.cat([margins, unknown], dim=2)
        return replace(self, task=task, weights=weights, margins=margins, pools=None)

    def model(self, windows: Windows) -> Forecaster:
        """The network with its weights, ready to forecast."""
        copies = len(next(iter(self.weights.values())))
        settings = self.settings
        with _Undrawn():
            model = build(
                settings.network,
                windows.sizes,
                copies=copies,
                levels=len(levels_of(settings.train.quantiles)),
            )
        model.load_state_dict(self.weights)
        return model.eval()

    def forecast(self, recent: Detectors, device: str = "cpu") -> pd.DataFrame:
        """What comes after the last step of ``recent``: a row per VD, target and time, as ``frame_of`` has them.

        Raises InputError where ``recent`` is shorter than the lookback, lacks a VD or feature, or has another interval.
        """
        window = self.next_window(recent)
        quantiles = self.quantiles(window, device)
        beside = beside_observed(
            quantiles.median, self.task.chosen(window), self.task.targets, self.task.length
        )
        ahead = replace(beside, quantiles=quantiles) if self.settings.train.quantiles else beside
        return frame_of(ahead).drop(columns="observed")

    def forecast_all(self, part: Detectors, device: str = "cpu") -> np.ndarray:
        """Forecasts (S, W, H, V, K) float32, in units, for every window of ``part``."""
        return self.quantiles(part, device).median

    @torch.no_grad()
    def quantiles(self, part: Detectors, device: str = "cpu") -> Quantiles:
        """Every level of every window of ``part``; without ``train.quantiles``, the median alone."""
        windows = self.windows(part, device)
        levels = self._in_units(windows, self.model(windows).to(device)).cpu().numpy()
        levels = levels.astype(np.float32)
        raw = np.moveaxis(levels, 0, -1)
        margins = (
            np.zeros((len(raw), *raw.shape[2:]), np.float32) if self.margins is None else self.margins.numpy()
        )
        return Quantiles(levels=levels_of(self.settings.train.quantiles), raw=raw, margins=margins)

    def _in_units(self, windows: Windows, answer: Callable[[Batch], Tensor]) -> Tensor:
        """(P, S, W, H, V, K) of every window, by ``answer`` to a batch, (N, B, H, Q, P) in scaled units."""
        S, device = len(self.settings.train.seeds), windows.values.device
        groups = torch.tensor(self.task.copies, device=device).repeat(S, 1)  # (N, G * S / N)
        scaled = torch.cat([answer(batch) for batch in windows.in_order(groups)], dim=1)
        scale, shift = (
            torch.from_numpy(each).to(device) for each in (self.task.target_std, self.task.target_mean)
        )
        return by_seed(scaled, S, groups.shape[1], len(self.task.vd_ids)) * scale + shift

    @torch.no_grad()
    def linear(self, part: Detectors) -> np.ndarray:
        """(S, W, H, V, K) in units: profile and autoregression alone, what it would say without its encoder."""
        windows = self.windows(part)
        autoregression = Autoregression(len(next(iter(self.weights.values()))), windows.sizes)
        prefix = "autoregression."
        autoregression.load_state_dict(
            {
                name.removeprefix(prefix): each
                for name, each in self.weights.items()
                if name.startswith(prefix)
            }
        )
        made = self._in_units(windows, lambda batch: (batch.base + autoregression(batch.recent))[..., None])
        return made[0].numpy()

    def calibrated_on(self, part: Detectors, device: str = "cpu") -> "Trained":
        """The same with the margins that ``part``, to which the weights were not fitted, asks for."""
        quantiles = self.quantiles(part, device)
        beside = beside_observed(
            quantiles.median, self.task.chosen(part), self.task.targets, self.task.length
        )
        margins, pools = conformal(quantiles.raw, beside.observed, quantiles.levels, self.task.target_std)
        return replace(self, margins=torch.from_numpy(margins), pools=torch.from_numpy(pools))

    def forecast_next(self, recent: Detectors, device: str = "cpu") -> np.ndarray:
        """Forecasts (S, H, V, K), in units, of the H steps after the last one of ``recent``.

        Raises InputError where ``recent`` has fewer steps than the lookback.
        """
        return self.forecast_all(self.next_window(recent), device)[:, 0]

    def quantiles_next(self, recent: Detectors, device: str = "cpu") -> dict[float, np.ndarray]:
        """The calibrated forecast (S, H, V, K) of each level, by level, as ``forecast_next`` gives the median.

        Raises InputError where ``recent`` is too short, and where the run had no ``train.quantiles``.
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

    def save(self, path: Path) -> None:
        """Write ``path`` in one step. Through a buffer: torch.save would embed the file's name in its bytes."""
        task = self.task
        content = {
            "schema": SCHEMA,
            "weights": self.weights,
            "run": self.run,
            "length": task.length,
            "horizon": task.horizon,
            **_statistics(task),
            "vd_ids": list(task.vd_ids),
            "features": list(task.features),
            "targets": list(task.targets),
            "units": list(task.units),
            "feature_units": list(task.feature_units),
            "interval": task.interval,
            "time_zone": task.time_zone,
            "margins": self.margins,
            "pools": self.pools,
            "neighbours": task.neighbours and task.neighbours.content(),
        }
        if self.earlier:
            content["earlier"] = [
                {"weights": each.weights, **_statistics(each.task)} for each in self.earlier
            ]
        if task.untrained:
            content["untrained"] = list(task.untrained)
        if task.covariates:
            content["covariates"] = {
                name: each.tolist() if each.dtype.kind == "U" else torch.from_numpy(each)
                for name, each in task.covariates.content().items()
            }
        buffer = io.BytesIO()
        torch.save(content, buffer)
        with replacing(path) as partial:
            partial.write_bytes(buffer.getbuffer())
            seal(partial)

    @classmethod
    def load(cls, path: str | Path) -> "Trained":
        """Read a model.pt; code inside a file is never executed. Raises InputError for any other file."""
        try:
            check_seal(Path(path))
            content = torch.load(path, weights_only=True, map_location="cpu")
            if content["schema"] != SCHEMA:
                raise KeyError("schema")
            task = Task(
                vd_ids=tuple(content["vd_ids"]),
                features=tuple(content["features"]),
                targets=tuple(content["targets"]),
                units=tuple(content["units"]),
                feature_units=tuple(content["feature_units"]),
                **_read_statistics(content),
                length=content["length"],
                horizon=content["horizon"],
                sharing=sharing_of(content["run"]["mode"]),
                interval=content["interval"],
                time_zone=content["time_zone"],
                neighbours=content["neighbours"] and Neighbours.of(content["neighbours"]),
                covariates=Covariates.of(
                    {name: np.asarray(each) for name, each in content["covariates"].items()}
                )
                if "covariates" in content
                else Covariates(),
                untrained=tuple(content.get("untrained", ())),
            )
            earlier = tuple(
                cls(weights=it["weights"], run=content["run"], task=replace(task, **_read_statistics(it)))
                for it in content.get("earlier", ())
            )
            these = {name: content[name] for name in ("weights", "run", "margins", "pools")}
            trained = cls(task=task, earlier=earlier, **these)
            _ = trained.settings  # those of an earlier version may lack one
            return trained
        except FileNotFoundError:
            raise InputError(f"model '{path}' does not exist; run `dvc repro` to train it") from None
        except Damaged as error:
            raise InputError(f"model '{path}' is damaged ({error}); {AGAIN}") from None
        except UnpicklingError:  # torch's text would advise to run what is in the file
            raise InputError(
                f"'{path}' is not a model of this version of vdcast: it is no file of weights, or holds more than "
                "weights; name a model.pt, such as `dvc repro` leaves in runs/<run>/"
            ) from None
        except (OSError, RuntimeError, ValueError, LookupError, TypeError, AttributeError, EOFError) as error:
            raise InputError(
                f"'{path}' is not a model of this version of vdcast ({first_line(error)}); name a model.pt, such as "
                "`dvc repro` leaves in runs/<run>/"
            ) from None


def _statistics(task: Task) -> dict:
    """What a task knows from its training part, for the file."""
    return {
        "mean": task.mean.tolist(),
        "std": task.std.tolist(),
        "profile": torch.from_numpy(task.profile),
    }


def _read_statistics(content: dict) -> dict:
    return {
        "mean": np.array(content["mean"]),
        "std": np.array(content["std"]),
        "profile": content["profile"].numpy(),
    }
