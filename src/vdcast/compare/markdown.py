"""``comparison.md``."""

from vdcast.escape import markdown, prose
from vdcast.records.comparison import Comparison, NoComparison
from vdcast.scores import intervals
from vdcast.scores.names import LABELS
from vdcast.scores.tables import (
    cost_markdown,
    cut_markdown,
    difference_markdown,
    further_targets,
    line_markdown,
    score_markdown,
)
from vdcast.scores.words import DILEMMA, R2, seeds_in_words

CUTS = {  # as headings
    "horizon": "by minutes ahead",
    "vd": "one by one",
    "hour": "by local hour of the day",
    "day": "by kind of day",
    "age": "by age of the one training",
    "peak": "in the peak ({peak}) and outside it",
    "congestion": "congested ({congested}) and in free flow",
    "missing": "by share of the input that was missing",
}


def comparison_markdown(comparison: Comparison | NoComparison) -> str:
    """``comparison.md``."""
    lines = [f"# {comparison.mode}: LSTM against xLSTM", ""]
    if comparison.problem:
        lines += [f"**No comparison: {prose(comparison.problem)}.**", ""]
    if isinstance(comparison, NoComparison):
        return "\n".join(lines)
    lines += [f"**{prose(note.words)}**\n" for note in comparison.notes]
    lines += _differences(comparison)
    lines += _scores(comparison)
    lines += ["![error by horizon](by_horizon.png)", "", "![error by hour of day](by_hour.png)", ""]
    lines += further_targets({comparison.mode: comparison})
    lines += intervals.section(comparison)
    lines += ["## Cost", "", cost_markdown(comparison.cost), "", "![learning curves](curves.png)", ""]
    lines += ["## A typical day and the worst", "", "![typical and worst day](days.png)", ""]
    lines += ["![forecast against observation](scatter.png)", ""]
    return "\n".join(lines)


def _differences(it: Comparison) -> list[str]:
    """What was compared, and the differences with how to read them."""
    return [
        f"{markdown(it.target)} in {markdown(it.unit)}; {it.windows} test windows. {seeds_in_words(it.seeds)} "
        f"MAPE over observations of at least {it.mape_floor:g}. Skill: 1 - MAE / MAE of the best naive forecast. {R2}",
        "",
        "## xLSTM against LSTM, "
        + (f"{len(it.vds)} VDs" if len(it.vds) > 1 else f"VD {markdown(it.target_vd)}"),
        "",
        difference_markdown(it.differences, it.unit),
        "",
        "The difference is the mean over VDs of 2 (A - B) / (A + B); its interval holds for other days, VDs and trainings, "
        "and the shares say how much of its variance is whose. The block bootstrap and the Diebold-Mariano test are of the "
        "pooled difference, and decide nothing. Each interval stands alone here; the answer, which allows for all of them, is "
        "in [the report](../../report.md).",
        "",
        "## Against simpler forecasts",
        "",
        line_markdown(it.lines),
        "",
        "The simpler forecast is the one that was best on the validation part, over all horizons and at each: chosen before the "
        f"test part was seen. Skill is against '{LABELS[it.best_naive]}', the naive one with the lowest MAE on these very "
        "observations, which is harder to beat.",
        "",
    ]


def _scores(it: Comparison) -> list[str]:
    """The scores of each scope, then its cuts."""
    titles = {"target_vd": f"VD {markdown(it.target_vd)}", "all_vds": f"All {len(it.vds)} VDs"}
    lines = []
    for scope, rows in it.scores.items():
        lines += [f"## {titles[scope]}", "", score_markdown(rows), ""]
    for scope, by_cut in it.cuts.items():
        for cut, heading in CUTS.items():
            if cut in by_cut:
                said = heading.format(peak=it.peak, congested=prose(it.congested))
                lines += [
                    f"## {titles[scope]} {said}: MAE, {markdown(it.unit)}",
                    "",
                    cut_markdown(by_cut[cut], cut),
                    "",
                ]
            if cut in by_cut and cut == "congestion":
                lines += [f"Read with care: {DILEMMA}.", ""]
    return lines
