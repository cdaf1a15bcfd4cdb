"""``report.md``."""

import pandas as pd

from vdcast.report.judge import sentence
from vdcast.scores import intervals
from vdcast.scores.figures import LABELS
from vdcast.scores.tables import cost_table, further_targets
from vdcast.scores.words import seeds_in_words, shown


def as_markdown(modes: dict[str, dict], judged: dict) -> str:
    """``report.md``: verdict, 2x3 matrix with baselines, cost, and where to read on."""
    scored = {mode: summary for mode, summary in modes.items() if "scores" in summary}
    lines = ["# LSTM against xLSTM", ""]
    lines += [f"**{each}**\n" for each in judged["warnings"]]
    if not scored:
        return "\n".join(lines)
    first = next(iter(scored.values()))
    unit, target_vd = first["unit"], first["target_vd"]
    if judged["unbeaten"]:
        lines += [judged["unbeaten"], ""]
    overall = judged["overall"]
    lines += [f"**{sentence(overall['words'])}** {sentence(overall['cost_words'])}", ""]
    lines += [
        f"- `{mode}`: {sentence(each['words'])} {sentence(each['cost_words'])}"
        for mode, each in judged["modes"].items()
    ]
    lines += ["", f"{judged['rule']} {seeds_in_words(first['seeds'])}", ""]
    lines += [f"## {first['target']} of VD {target_vd}, MAE in {unit}", "", matrix(scored, "target_vd"), ""]
    lines += [
        ("All three modes forecast the same origins of this VD. " if len(scored) == len(modes) else "")
        + "Skill in brackets: 1 - MAE / MAE of the naive forecast "
        "that hindsight finds best. With ±: standard deviation over seeds. The ensemble mean is the mean of the seeds' "
        "forecasts.",
        "",
    ]
    wide = {mode: summary for mode, summary in scored.items() if "all_vds" in summary["scores"]}
    if wide:
        titles = {mode: f"{mode} ({len(summary['vds'])} VDs)" for mode, summary in wide.items()}
        lines += [f"## All VDs of a mode, MAE in {unit}", "", matrix(wide, "all_vds", titles), ""]
    lines += ["## Against the naive forecast that hindsight finds best", ""]
    lines += [
        f"- `{mode}`: {sentence(row['words'])}"
        for mode, rows in judged["differences"].items()
        for row in rows[1:]
    ]
    runs = {
        f"{LABELS[model]}, {mode}": (summary["scores"]["target_vd"][model], cost)
        for mode, summary in scored.items()
        for model, cost in summary["cost"].items()
    }
    mae = {name: shown(scores["mae"]) for name, (scores, _) in runs.items()}
    lines += ["", "## Accuracy and what it cost", ""]
    lines += [cost_table({name: cost for name, (_, cost) in runs.items()}, MAE=mae), ""]
    lines += [
        "Parameters, operations (matrix products of one window) and milliseconds are of one seed's networks; seconds are "
        "of computing, for all seeds, summed over processes.",
        "",
        "![accuracy against cost](cost.png)",
        "",
    ]
    lines += further_targets(scored)
    lines += intervals.page_section(scored)
    lines += [f"![{mode}: typical and worst day]({mode}/days.png)\n" for mode in scored]
    lines += ["## Read on", ""]
    lines += [f"- [{mode}]({mode}/comparison.md): every cut, differences, curves" for mode in modes]
    lines += ["- `runs/<run>/report.md`: one page per run, with what looks suspicious"]
    lines += ["- [the data](quality/quality.md) and [what was kept of it](prepare.md)", ""]
    lines += ["Made by `dvc repro`; every figure is of the test part, which no training has seen.", ""]
    return "\n".join(lines)


def matrix(modes: dict[str, dict], scope: str, titles: dict[str, str] | None = None) -> str:
    """A line per model and baseline, a column per mode: MAE, and skill in brackets."""

    def cell(row: dict) -> str:
        spread = f" ± {shown(row['mae_sd'])}" if row.get("mae_sd") is not None else ""
        return f"{shown(row['mae'])}{spread} ({shown(row['skill'], '+.2f')})"

    columns = {
        (titles or {}).get(mode, mode): {
            LABELS[name]: cell(row) for name, row in summary["scores"][scope].items()
        }
        for mode, summary in modes.items()
    }
    return pd.DataFrame(columns).to_markdown(disable_numparse=True)
