"""``prepare.md``."""

import numpy as np

from vdcast.data.detectors import Prepared
from vdcast.escape import markdown
from vdcast.language import feature, say
from vdcast.params.times import minutes
from vdcast.records.prepare import Preparation


def describe(prepared: Prepared, record: Preparation) -> str:
    """What was kept, what was dropped and why, and whether it is enough, as markdown."""
    train = prepared.parts["train"]
    source = markdown(train.source)
    lines = [
        f"# {say('prepare.title')}",
        "",
        say("prepare.source", source=source, interval=minutes(train.interval), time_zone=train.time_zone),
        "",
    ]
    if record.amount.too_little:
        lines += [f"**{record.amount.too_little}**", ""]
    lines += _head("part", "days", "from", "to", "missing")
    for name, part in prepared.parts.items():
        first, last = (np.datetime64(int(t), "s") for t in part.timestamps[[0, -1]])
        days, missing = record.amount.days[name], np.isnan(part.values).mean()
        lines.append(f"| {say(f'prepare.part.{name}')} | {days:.1f} | {first} | {last} | {missing:.2%} |")
    weeks = record.amount.weeks
    lines += ["", say(f"prepare.weeks.{'one' if weeks == 1 else 'many'}", number=weeks), ""]
    lines += _head("vd", "feature", "mean", "std", "unit")
    for v, vd in enumerate(train.vd_ids):
        for f, name in enumerate(train.features):
            mean, std = prepared.mean[v, f], prepared.std[v, f]
            lines.append(
                f"| {markdown(vd)} | {markdown(feature(name))} | {mean:.2f} | {std:.2f} | {markdown(train.units[f])} |"
            )
    lines += ["", f"## {say('prepare.dropped')}", ""]
    dropped = [
        f"- {say('prepare.reason', name=markdown(item.name), reason=markdown(item.reason))}"
        for item in record.dropped
    ]
    return "\n".join(lines + (dropped or [say("prepare.nothing")])) + "\n"


def _head(*columns: str) -> list[str]:
    """The first two lines of a table."""
    titles = [say(f"prepare.head.{column}") for column in columns]
    return ["| " + " | ".join(titles) + " |", "|" + "---|" * len(columns)]
