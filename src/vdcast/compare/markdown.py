"""``comparison.md``."""

from vdcast.scores import intervals
from vdcast.scores.figures import LABELS
from vdcast.scores.tables import cost_table, cut_table, difference_table, further_targets, table
from vdcast.scores.words import DILEMMA, R2, seeds_in_words

CUTS = {  # as headings
    "horizon": "by minutes ahead",
    "vd": "one by one",
    "hour": "by local hour of the day",
    "day": "by kind of day",
    "peak": "in the peak ({peak}) and outside it",
    "congestion": "congested ({congested}) and in free flow",
    "missing": "by share of the input that was missing",
}


def as_markdown(summary: dict) -> str:
    """``comparison.md``."""
    lines = [f"# {summary['mode']}: LSTM against xLSTM", ""]
    if summary["problem"]:
        lines += [f"**No comparison: {summary['problem']}.**", ""]
    if "scores" not in summary:
        return "\n".join(lines)
    unit, vds = summary["unit"], len(summary["vds"])
    lines += [f"**{each}**\n" for each in (*summary["notes"], *summary["losses"])]
    lines += [
        f"{summary['target']} in {unit}; {summary['windows']} test windows. {seeds_in_words(summary['seeds'])} "
        f"MAPE over observations of at least {summary['mape_floor']:g}. Skill: 1 - MAE / MAE of the best naive forecast. {R2}",
        "",
        f"## Differences in MAE, {unit}, {'all VDs' if vds > 1 else 'VD ' + summary['target_vd']}",
        "",
        difference_table(summary["differences"]),
        "",
        "Interval and p hold for other days, VDs and seeds; the 95 % interval of the block bootstrap for other days and "
        "VDs, too narrow where there are few days; the Diebold-Mariano test on overlapping windows for none of "
        f"these, and too often sees a difference. Each p stands alone here; the verdict, corrected for all comparisons of all modes, is in [the report](../report.md). "
        f"'{LABELS[summary['best_naive']]}' is the naive forecast with the lowest MAE on these very observations: chosen with "
        "hindsight, it can only make it harder for a model to be called better.",
        "",
    ]
    titles = {"target_vd": f"VD {summary['target_vd']}", "all_vds": f"All {vds} VDs"}
    for scope, rows in summary["scores"].items():
        lines += [f"## {titles[scope]}", "", table(rows), ""]
    for scope, by_cut in summary["cuts"].items():
        for cut, heading in CUTS.items():
            if cut in by_cut:
                lines += [
                    f"## {titles[scope]} {heading.format(**summary)}: MAE, {unit}",
                    "",
                    cut_table(by_cut[cut], cut),
                    "",
                    *([f"Read with care: {DILEMMA}.", ""] if cut == "congestion" else []),
                ]
    lines += ["![error by horizon](by_horizon.png)", "", "![error by hour of day](by_hour.png)", ""]
    lines += further_targets({summary["mode"]: summary})
    lines += intervals.section(summary)
    lines += ["## Cost", "", cost_table(summary["cost"]), "", "![learning curves](curves.png)", ""]
    lines += ["## A typical day and the worst", "", "![typical and worst day](days.png)", ""]
    lines += ["![forecast against observation](scatter.png)", ""]
    return "\n".join(lines)
