"""``comparison.md``."""

from vdcast.escape import markdown, prose
from vdcast.language import feature, say
from vdcast.records.comparison import Comparison, NoComparison
from vdcast.scores import intervals
from vdcast.scores.names import label
from vdcast.scores.tables import (
    cost_markdown,
    cut_markdown,
    difference_markdown,
    further_targets,
    line_markdown,
    score_markdown,
)
from vdcast.scores.words import counted, seeds_in_words

CUTS = (
    "horizon",
    "vd",
    "hour",
    "day",
    "age",
    "peak",
    "congestion",
    "missing",
)  # in the order of their tables


def comparison_markdown(comparison: Comparison | NoComparison) -> str:
    """``comparison.md``."""
    lines = [f"# {say('compare.title', mode=comparison.mode)}", ""]
    if comparison.problem:
        lines += [f"**{say('compare.no_comparison', problem=prose(comparison.problem))}**", ""]
    if isinstance(comparison, NoComparison):
        return "\n".join(lines)
    lines += [f"**{prose(note.words)}**\n" for note in comparison.notes]
    lines += _differences(comparison)
    lines += _scores(comparison)
    lines += [_picture("by_horizon"), "", _picture("by_hour"), ""]
    lines += further_targets({comparison.mode: comparison})
    lines += intervals.section(comparison)
    cost = {label(model): spent for model, spent in comparison.cost.items()}
    lines += [f"## {say('compare.cost')}", "", cost_markdown(cost), "", _picture("curves"), ""]
    lines += [f"## {say('compare.days')}", "", _picture("days"), ""]
    lines += [_picture("scatter"), ""]
    return "\n".join(lines)


def _picture(name: str) -> str:
    return f"![{say(f'compare.picture.{name}')}]({name}.png)"


def _differences(it: Comparison) -> list[str]:
    """What was compared, and the differences with how to read them."""
    tested = say(
        "compare.tested",
        target=markdown(feature(it.target)),
        unit=markdown(it.unit),
        windows=it.windows,
        seeds=seeds_in_words(it.seeds),
        floor=f"{it.mape_floor:g}",
        r2=say("scores.r2"),
    )
    several = len(it.vds) > 1
    vds = counted(len(it.vds), "vds") if several else say("scores.vd", vd=markdown(it.target_vd))
    return [
        tested,
        "",
        f"## {say('compare.xlstm_against_lstm', vds=vds)}",
        "",
        difference_markdown(it.differences, it.unit),
        "",
        say("compare.how_to_read"),
        "",
        f"## {say('compare.against_simpler')}",
        "",
        line_markdown(it.lines),
        "",
        say("compare.opponents", naive=label(it.best_naive)),
        "",
    ]


def _scores(it: Comparison) -> list[str]:
    """The scores of each scope, then its cuts."""
    titles = {
        "target_vd": say("scores.vd", vd=markdown(it.target_vd)),
        "all_vds": say("scores.all_vds", number=len(it.vds)),
    }
    lines = []
    for scope, rows in it.scores.items():
        lines += [f"## {titles[scope]}", "", score_markdown(rows), ""]
    for scope, by_cut in it.cuts.items():
        for cut in CUTS:
            if cut in by_cut:
                said = say(f"compare.cut.{cut}", peak=it.peak, congested=prose(it.congested))
                unit = markdown(it.unit)
                head = say("compare.scope_and_cut", scope=titles[scope], cut=said, unit=unit)
                lines += [f"## {head}", "", cut_markdown(by_cut[cut], cut), ""]
            if cut in by_cut and cut == "congestion":
                lines += [say("compare.with_care", dilemma=say("scores.dilemma")), ""]
    return lines
