"""Scores as people, programs and Prometheus read them.

Shapes: H horizon, V detectors, K targets.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv
from tabulate import tabulate

from vdcast.data.files import replacing
from vdcast.escape import terminal
from vdcast.live.record import SCORED
from vdcast.live.score import Scores
from vdcast.models.shared.task import Task

SHOWN = 10  # VDs in the table; the file has all


def tables(found: Mapping[str, Scores], task: Task) -> str:
    """MAE of the first target: by horizon for each period, and of the last one by VD, the worst beside the best simple one first."""
    unit = f"{task.targets[0]}, {task.units[0]}"
    lines = []
    for period, scores in found.items():
        n = scores.count[..., 0].sum(axis=1)
        rows = [
            [f"{(h + 1) * task.interval / 60:g} min", *(scores.mae(name, 1)[h, 0] for name in SCORED), n[h]]
            for h in range(task.horizon)
        ]
        lines += [f"MAE ({unit}) of the last {period}", "", _table("ahead", rows), ""]
    mae = np.stack([scores.mae(name, 0)[:, 0] for name in SCORED])  # (forecasts, V)
    ratio = mae[0] / mae[1:].min(axis=0)
    worst = [v for v in np.argsort(-ratio, kind="stable") if np.isfinite(ratio[v])][:SHOWN]
    rows = [[terminal(task.vd_ids[v]), *mae[:, v], scores.count[:, v, 0].sum()] for v in worst]
    title = f"By VD, over all horizons of the last {period}: the {len(worst)} worst of {len(task.vd_ids)}"
    return "\n".join([*lines, title, "", _table("VD", rows)])


def _table(first: str, rows: list[list]) -> str:
    return tabulate(
        rows, [first, *SCORED, "observations"], tablefmt="github", floatfmt=".3f", disable_numparse=[0]
    )


def write_csv(path: Path, found: Mapping[str, Scores], task: Task) -> None:
    """A row per period, target, VD and horizon with the MAE of each forecast; whole or not at all."""
    parts = []
    for period, scores in found.items():
        V, K, H = np.indices((len(task.vd_ids), len(task.targets), task.horizon)).reshape(3, -1)
        parts.append(
            pa.table(
                {
                    "period": [period] * len(V),
                    "target": pa.array(task.targets).take(pa.array(K)),
                    "unit": pa.array(task.units).take(pa.array(K)),
                    "vd": pa.array(task.vd_ids).take(pa.array(V)),
                    "minutes_ahead": (H + 1) * task.interval / 60,
                    "observations": scores.count[H, V, K],
                    **{name: pa.array(scores.mae(name)[H, V, K], from_pandas=True) for name in SCORED},
                }
            )
        )
    with replacing(path) as partial:
        pyarrow.csv.write_csv(pa.concat_tables(parts), partial)


def write_prometheus(path: Path, lines: Iterator[str]) -> None:
    """For the text collector of Prometheus' node exporter, which must never see half a file."""
    with replacing(path) as partial:
        partial.write_text("".join(f"{line}\n" for line in lines), "utf-8")


def prometheus(found: Mapping[str, Scores], task: Task, *, run: str, now: int, alarm: bool) -> Iterator[str]:
    """MAE by horizon over all VDs, and by VD over all horizons: one series for each VD and horizon would be too many."""
    yield from _gauge("vdcast_score_seconds", "When forecasts were scored, Unix time.")
    yield f"vdcast_score_seconds{_labels(run=run)} {now}"
    yield from _gauge(
        "vdcast_behind", "1 where the network has fallen behind the best simple forecast, else 0."
    )
    yield f"vdcast_behind{_labels(run=run)} {int(alarm)}"
    yield from _gauge("vdcast_mae", "Mean absolute error over all VDs, by minutes ahead.")
    yield from _series("vdcast_mae", found, task, run, by="minutes_ahead")
    yield from _gauge("vdcast_vd_mae", "Mean absolute error of a VD over all horizons.")
    yield from _series("vdcast_vd_mae", found, task, run, by="vd")


def _series(metric: str, found: Mapping[str, Scores], task: Task, run: str, *, by: str) -> Iterator[str]:
    minutes = [f"{(h + 1) * task.interval / 60:g}" for h in range(task.horizon)]
    axis, names = (1, minutes) if by == "minutes_ahead" else (0, task.vd_ids)
    for period, scores in found.items():
        for forecast in SCORED:
            for name, of_each in zip(names, scores.mae(forecast, axis), strict=True):
                for target, unit, mae in zip(task.targets, task.units, of_each, strict=True):
                    if np.isfinite(mae):
                        labels = {"run": run, "period": period, "forecast": forecast, "target": target}
                        yield f"{metric}{_labels(**labels, unit=unit, **{by: str(name)})} {mae:.6g}"


def _gauge(name: str, what: str) -> tuple[str, str]:
    return f"# HELP {name} {what}", f"# TYPE {name} gauge"


def _labels(**labels: str) -> str:
    """In braces, escaped as the text format asks."""
    escaped = {
        name: value.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")
        for name, value in labels.items()
    }
    return "{" + ",".join(f'{name}="{value}"' for name, value in escaped.items()) + "}"
