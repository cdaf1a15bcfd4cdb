"""``prepare.md``."""

import numpy as np

from vdcast.data.detectors import Prepared
from vdcast.escape import markdown
from vdcast.params.times import minutes
from vdcast.records.prepare import Preparation


def describe(prepared: Prepared, record: Preparation) -> str:
    """What was kept, what was dropped and why, and whether it is enough, as markdown."""
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
    for name, part in prepared.parts.items():
        first, last = (np.datetime64(int(t), "s") for t in part.timestamps[[0, -1]])
        lines.append(
            f"| {name} | {record.amount.days[name]:.1f} | {first} | {last} | {np.isnan(part.values).mean():.2%} |"
        )
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
