"""``model.onnx`` and what it must be told, ``model.json``: written only if ONNX Runtime says what torch says.

Shapes: B windows, L lookback, H horizon, V detectors, F features, K targets, P levels.
"""

import contextlib
import hashlib
import io
import logging
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from vdcast.data.calendar import second_of_week
from vdcast.data.detectors import Detectors
from vdcast.data.files import replacing
from vdcast.errors import InputError, first_line
from vdcast.export.graph import Graph
from vdcast.forecasts.quantiles import levels_of
from vdcast.models.shared.device import one_thread
from vdcast.models.shared.task import Task
from vdcast.models.shared.trained import Trained
from vdcast.models.shared.windows import weather_of
from vdcast.records import io as records

OPSET = 20
WINDOWS = 32  # on which both are compared
TOLERANCE = 1e-4  # of a value, or of its deviation where that is larger
LARGEST = 2_000_000_000  # bytes of weights: protobuf, of which the file is made, ends at 2 GiB
Arrays = dict[str, np.ndarray]


def export(trained: Trained, table: Detectors, path: Path) -> None:
    """Write ``path`` and the JSON beside it; ``table`` has the task's detectors and features, and the windows to compare on.

    Raises InputError without the extra ``onnx``, for weights beyond ``LARGEST``, where ``table`` is too short for a window, and where the two differ.
    """
    try:
        import onnxruntime
        import onnxscript  # noqa: F401  # of which torch.onnx is made
    except ImportError:
        raise InputError("vdcast export needs the extra `onnx`: pip install 'vdcast[onnx]'") from None
    size = sum(weight.nbytes for weight in trained.weights.values())
    if size > LARGEST:
        raise InputError(
            f"run {trained.run['name']} has {size / 1e9:.1f} GB of weights; an ONNX file holds 2"
        )
    inputs = windows_of(table, trained)
    names = ["forecast", "quantiles"][: 1 if len(levels_of(trained.settings.train.quantiles)) == 1 else 2]
    program = _program(Graph(trained).eval(), inputs, names)
    with replacing(path) as partial:
        program.save(str(partial))
        session = onnxruntime.InferenceSession(str(partial))
        found = dict(zip(names, session.run(names, inputs), strict=True))
        check_same(found, _by_torch(trained, table), trained)
        digest = hashlib.sha256(partial.read_bytes()).hexdigest()
        records.publish(path.with_suffix(".json"), about(trained, names, digest))


def windows_of(table: Detectors, trained: Trained) -> Arrays:
    """The graph's inputs of every window of ``table``, as ``Graph`` names them."""
    task = trained.task
    L, both = task.length, task.length + task.horizon
    if len(table.timestamps) < both:
        raise InputError(
            f"{table.source} has {len(table.timestamps)} steps; a window to compare torch and ONNX Runtime on has {both}"
        )
    rows = np.arange(len(table.timestamps) - both + 1)[:, None] + np.arange(both)
    inputs = {
        "values": table.values[rows[:, :L]],
        "second_of_week": second_of_week(table.timestamps, table.time_zone)[rows],
    }
    known = task.covariates
    if known.plans:
        planned = [known.planned(name, table.timestamps) for name in known.plans]
        inputs["planned"] = np.stack(planned, axis=-1)[rows]
    if known.weather:
        _scaled, said = weather_of(task.chosen(table), L, task.horizon)
        inputs["weather"] = np.pad(known.weather.values, ((0, 1), (0, 0)), constant_values=np.nan)[said]
    return inputs


def check_same(found: Arrays, wanted: Arrays, trained: Trained) -> None:
    """Raises InputError where an output lies further from torch's than ``TOLERANCE``, or has NaN elsewhere."""
    std = trained.task.target_std  # (V, K)
    for name, ours in wanted.items():
        scale = np.maximum(np.abs(ours), std if name == "forecast" else std[..., None])
        nowhere = np.isnan(ours) & np.isnan(found[name])  # an interval that nothing calibrates
        difference = float(np.max(np.where(nowhere, 0, np.abs(found[name] - ours) / scale)))
        if not difference <= TOLERANCE:
            raise InputError(
                f"run {trained.run['name']}: ONNX Runtime's {name} differs from torch's by {difference:.1e} of its size, more "
                f"than {TOLERANCE:g}; nothing was written"
            )


def about(trained: Trained, outputs: list[str], digest: str) -> dict:
    """All that somebody without vdcast must know."""
    task = trained.task
    H, V, K = task.horizon, len(task.vd_ids), len(task.targets)
    levels = levels_of(trained.settings.train.quantiles)
    shapes = {"forecast": ["windows", H, V, K], "quantiles": ["windows", H, V, K, len(levels)]}
    return {
        "run": trained.run["name"],
        "model": trained.run["model"],
        "sha256": digest,
        "opset": OPSET,
        "inputs": _inputs(task),
        "outputs": {name: {"type": "float32", "shape": shapes[name]} for name in outputs},
        "length": task.length,
        "horizon": H,
        "interval": task.interval,
        "time_zone": task.time_zone,
        "vd_ids": task.vd_ids,
        "features": task.features,
        "feature_units": task.feature_units,
        "targets": task.targets,
        "units": task.units,
        "levels": levels,
        "mean": task.target_mean.tolist(),
        "std": task.target_std.tolist(),
    }


def _inputs(task: Task) -> dict[str, dict]:
    """What goes in, by name; what is known ahead of a run that takes it."""
    L, both = task.length, task.length + task.horizon
    V, F = len(task.vd_ids), len(task.features)
    inputs: dict[str, dict] = {
        "values": {"type": "float32", "shape": ["windows", L, V, F], "missing": "NaN"},
        "second_of_week": {
            "type": "int64",
            "shape": ["windows", both],
            "of": "the start of each step, local time",
        },
    }
    if plans := list(task.covariates.plans):
        inputs["planned"] = {
            "type": "bool",
            "shape": ["windows", both, len(plans)],
            "names": plans,
            "of": "whether each step lies in such a period",
        }
    if weather := task.covariates.weather:
        inputs["weather"] = {
            "type": "float32",
            "shape": ["windows", both, len(weather.kinds)],
            "names": list(weather.kinds),
            "missing": "NaN",
            "of": "each step, as it was last said by the end of the lookback",
        }
    return inputs


def _by_torch(trained: Trained, table: Detectors) -> Arrays:
    with one_thread():
        quantiles = trained.quantiles(table)
    forecast = {"forecast": quantiles.median.mean(axis=0)}
    return (
        forecast
        if len(quantiles.levels) == 1
        else forecast | {"quantiles": quantiles.calibrated.mean(axis=0)}
    )


def _program(graph: Graph, inputs: Arrays, outputs: list[str]):
    """The graph for any number of windows, translated."""
    two = np.resize(np.arange(len(inputs["values"])), 2)  # torch takes one for a constant
    some = {name: torch.from_numpy(each[two]) for name, each in inputs.items()}
    any_number = {name: {0: torch.export.Dim("windows")} for name in some}
    with torch.no_grad(), _quiet():
        exported = torch.export.export(graph, (), some, dynamic_shapes=any_number)
        decompositions = torch.export.default_decompositions()
        decompositions[torch.ops.aten.cummax.default] = running_max
        exported = exported.run_decompositions(decompositions)
        try:
            return torch.onnx.export(
                exported,
                dynamo=True,
                opset_version=OPSET,
                output_names=outputs,
                external_data=False,
                verbose=False,
            )
        except torch.onnx.OnnxExporterError as error:
            raise InputError(f"torch cannot export this run to ONNX ({first_line(error)})") from None


def running_max(x: Tensor, dim: int) -> tuple[Tensor, Tensor]:
    """``torch.cummax``, which ONNX lacks; of its places nobody asks."""
    steps = list(x.unbind(dim))
    for i in range(1, len(steps)):
        steps[i] = torch.maximum(steps[i], steps[i - 1])
    values = torch.stack(steps, dim)
    return values, torch.zeros_like(values, dtype=torch.long)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """What torch says of its own insides is nothing to the user."""
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        logging.disable(logging.WARNING)
        try:
            yield
        finally:
            logging.disable(logging.NOTSET)
