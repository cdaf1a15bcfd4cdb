"""Everything on one page, verdict first: reports/<mode>/ -> reports/index.html, report.md, summary.json.

python -m vdcast.report
"""

from __future__ import annotations

import argparse
import json
from typing import TYPE_CHECKING

from vdcast.errors import InputError, one_sentence
from vdcast.layout import REPORTS

if TYPE_CHECKING:
    from vdcast import params

LISTED = 5  # of what was dropped


def main() -> None:
    argparse.ArgumentParser(prog="python -m vdcast.report", description=__doc__.split("\n")[0]).parse_args()
    with one_sentence():
        from vdcast import figures, page, params
        from vdcast.judge import verdict

        modes = {mode: read_comparison(mode) for mode in params.Modes.model_fields}
        judged = verdict(modes)
        judged["warnings"] += read_dropped(modes, params.load())
        (REPORTS / "summary.json").write_text(json.dumps(summarise(modes, judged), indent=2) + "\n", "utf-8")
        (REPORTS / "report.md").write_text(as_markdown(modes, judged), "utf-8")
        figures.cost(REPORTS / "cost.png", modes)
        scored = {mode: summary for mode, summary in modes.items() if "scores" in summary}
        if not scored:
            raise InputError(f"no mode could be compared; {REPORTS}/report.md says why")
        page.write(scored, judged)
        for mode, each in judged["modes"].items():
            print(f"{mode}: {each['words']}")
        print(
            f"open {page.PAGE} or read {REPORTS}/report.md; next: dvc plots show, or change a model: dvc exp run -S xlstm.num_blocks=8"
        )


def read_comparison(mode: str) -> dict:
    """What ``compare`` left. Raises InputError where it is missing or damaged."""
    path = REPORTS / mode / "comparison.json"
    try:
        return json.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        raise InputError(f"{path} does not exist; run `dvc repro compare@{mode}`") from None
    except json.JSONDecodeError as error:
        raise InputError(
            f"{path} is damaged ({error}); delete it and run `dvc repro compare@{mode}`"
        ) from None


def read_dropped(modes: dict[str, dict], settings: params.Params) -> list[str]:
    """What ``prepare`` dropped, as sentences; what the data held to begin with is read from the quality report."""
    from vdcast.page import read

    reasons = read(REPORTS / "prepare.md", "prepare").decode("utf-8").partition("## Dropped")[2]
    vds = settings.prepare.vds
    if vds == "all":
        series = json.loads(read(REPORTS / "quality" / "quality.json", "ingest"))["series"]
        vds = list(dict.fromkeys(it["vd"] for it in series))
    target_vd = next((it["target_vd"] for it in modes.values() if "scores" in it), None)
    return dropped_in_words(reasons, vds, settings.modes.target_vd_index, target_vd)


def dropped_in_words(reasons: str, vds: list[str], index: int, target_vd: str | None) -> list[str]:
    """Of what was asked for: which VDs and features no model has seen, and whether that moved the target VD.

    ``reasons`` are the lines "- name: why" of prepare.md, ``vds`` the ids asked for, in order, ``index`` is
    ``target_vd_index``, which counts those that were kept.
    """
    dropped = [line[2:].partition(": ") for line in reasons.splitlines() if line.startswith("- ")]
    if not dropped:
        return []
    named = [f"{name} ({why})" for name, _, why in dropped[:LISTED]]
    more = f" and {len(dropped) - LISTED} more" if len(dropped) > LISTED else ""
    found = [
        f"Dropped by prepare, for what the training part holds of it: {', '.join(named)}{more}; reports/prepare.md has "
        "the reasons."
    ]
    if target_vd is not None and vds[index] != target_vd:
        found.append(
            f"A VD that was dropped stood before the target VD: target_vd_index {index} is VD {target_vd}, not VD {vds[index]}."
        )
    return found


def summarise(modes: dict[str, dict], judged: dict) -> dict:
    """The verdict, then figures by mode and model: what `dvc metrics diff --targets reports/summary.json` compares."""
    return {
        "verdict": judged,
        **{
            mode: ({"problem": summary["problem"]} if summary["problem"] else {})
            | (_figures(summary) if "scores" in summary else {})
            for mode, summary in modes.items()
        },
    }


def _figures(summary: dict) -> dict:
    """Of one mode."""
    return {
        **summary["scores"],
        "by_horizon": {
            name: {f"{row['horizon']:g}min": row["mae"] for row in rows}
            for name, rows in summary["cuts"]["target_vd"]["horizon"].items()
        },
        "cost": summary["cost"],
        **({"quantiles": summary["quantiles"]["scores"]} if "quantiles" in summary else {}),
    }


def as_markdown(modes: dict[str, dict], judged: dict) -> str:
    """``report.md``: verdict, 2x3 matrix with baselines, cost, and where to read on."""
    from vdcast import intervals
    from vdcast.comparison import cost_table, further_targets, shown
    from vdcast.cuts import seeds_in_words
    from vdcast.figures import LABELS
    from vdcast.judge import sentence

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
    import pandas as pd

    from vdcast.comparison import shown
    from vdcast.figures import LABELS

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


if __name__ == "__main__":
    main()
