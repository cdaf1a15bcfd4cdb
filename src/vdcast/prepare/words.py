"""``prepare.md``."""

from collections.abc import Sequence

import numpy as np

from vdcast.data.detectors import Prepared
from vdcast.escape import markdown
from vdcast.params.times import minutes
from vdcast.prepare.amount import days
from vdcast.records.prepare import Preparation


def describe(folds: Sequence[Prepared], record: Preparation) -> str:
    """What was kept, what was dropped and why, and whether it is enough, as markdown; means are of the first fold."""
    prepared = folds[0]
    train = prepared.parts["train"]
    lines = [
        "# Prepared data",
        "",
        f"Source: {markdown(train.source)}. A value every {minutes(train.interval)}, {train.time_zone}.",
        "",
    ]
    if record.amount.too_little:
        lines += [f"**{record.amount.too_little}**", ""]
    lines += ["| Part | Days | From (UTC) | To (UTC) | Missing |", "|---|---|---|---|---|"]
    parts = {
        f"{name}, fold {n}" if len(folds) > 1 else name: part
        for n, fold in enumerate(folds, start=1)
        for name, part in fold.parts.items()
    }
    for name, part in parts.items():
        first, last = (np.datetime64(int(t), "s") for t in part.timestamps[[0, -1]])
        lines.append(f"| {name} | {days(part):.1f} | {first} | {last} | {np.isnan(part.values).mean():.2%} |")
    weeks = f"{record.amount.weeks} whole {'week' if record.amount.weeks == 1 else 'weeks'}"
    lines += ["", f"The training part has {weeks}: so often it sees every weekday."]
    lines += ["", "| VD | Feature | Mean (train) | Std (train) | Unit |", "|---|---|---|---|---|"]
    for v, vd in enumerate(train.vd_ids):
        for f, feature in enumerate(train.features):
            lines.append(
                f"| {markdown(vd)} | {markdown(feature)} | {prepared.mean[v, f]:.2f} | {prepared.std[v, f]:.2f} | {markdown(train.units[f])} |"
            )
    lines += ["", "## Dropped", ""]
    lines += [f"- {markdown(item.name)}: {markdown(item.reason)}" for item in record.dropped] or ["Nothing."]
    return "\n".join(lines) + "\n"
