"""``prepare.md``."""

from collections.abc import Sequence

import numpy as np

from vdcast.data.detectors import Prepared
from vdcast.escape import markdown
from vdcast.language import feature, in_words, say
from vdcast.params.times import minutes
from vdcast.prepare.amount import days
from vdcast.records.prepare import Preparation


def describe(folds: Sequence[Prepared], record: Preparation) -> str:
    """What was kept, what was dropped and why, and whether it is enough, as markdown; means are of the first fold."""
    prepared = folds[0]
    train = prepared.parts["train"]
    source = markdown(train.source)
    lines = [
        f"# {say('prepare.title')}",
        "",
        say("prepare.source", source=source, interval=minutes(train.interval), time_zone=train.time_zone),
        "",
    ]
    if record.amount.too_little:
        lines += [f"**{in_words(record.amount.too_little)}**", ""]
    lines += _head("part", "days", "from", "to", "missing")
    for n, fold in enumerate(folds, start=1):
        for name, part in fold.parts.items():
            said = say(f"prepare.part.{name}")
            said = say("prepare.part_of_fold", part=said, fold=n) if len(folds) > 1 else said
            first, last = (np.datetime64(int(t), "s") for t in part.timestamps[[0, -1]])
            missing = np.isnan(part.values).mean()
            lines.append(f"| {said} | {days(part):.1f} | {first} | {last} | {missing:.2%} |")
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
        f"- {say('prepare.reason', name=markdown(item.name), reason=markdown(in_words(item.reason)))}"
        for item in record.dropped
    ]
    return "\n".join(lines + (dropped or [say("prepare.nothing")])) + "\n"


def _head(*columns: str) -> list[str]:
    """The first two lines of a table."""
    titles = [say(f"prepare.head.{column}") for column in columns]
    return ["| " + " | ".join(titles) + " |", "|" + "---|" * len(columns)]
