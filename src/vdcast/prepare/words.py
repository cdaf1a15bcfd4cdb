"""``prepare.md``."""

import numpy as np

from vdcast.data.detectors import Prepared
from vdcast.escape import markdown
from vdcast.params.times import minutes
from vdcast.records.prepare import Dropped


def describe(prepared: Prepared, dropped: list[Dropped]) -> str:
    """What was kept, what was dropped and why, as markdown."""
    train = prepared.parts["train"]
    lines = [
        "# Prepared data",
        "",
        f"Source: {markdown(train.source)}. A value every {minutes(train.interval)}, {train.time_zone}.",
        "",
    ]
    lines += ["| Part | Steps | From (UTC) | To (UTC) | Missing |", "|---|---|---|---|---|"]
    for name, part in prepared.parts.items():
        first, last = (np.datetime64(int(t), "s") for t in part.timestamps[[0, -1]])
        lines.append(
            f"| {name} | {len(part.timestamps)} | {first} | {last} | {np.isnan(part.values).mean():.2%} |"
        )
    lines += ["", "| VD | Feature | Mean (train) | Std (train) | Unit |", "|---|---|---|---|---|"]
    for v, vd in enumerate(train.vd_ids):
        for f, feature in enumerate(train.features):
            lines.append(
                f"| {markdown(vd)} | {markdown(feature)} | {prepared.mean[v, f]:.2f} | {prepared.std[v, f]:.2f} | {markdown(train.units[f])} |"
            )
    lines += ["", "## Dropped", ""]
    lines += [f"- {markdown(item.name)}: {markdown(item.reason)}" for item in dropped] or ["Nothing."]
    return "\n".join(lines) + "\n"
