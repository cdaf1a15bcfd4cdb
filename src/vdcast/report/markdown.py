"""``report.md``."""

from collections.abc import Mapping

import pandas as pd

from vdcast.escape import markdown, prose
from vdcast.records.comparison import Comparison, NoComparison, Scores
from vdcast.records.summary import Verdict
from vdcast.scores import intervals
from vdcast.scores.names import LABELS
from vdcast.scores.tables import cost_markdown, further_targets
from vdcast.scores.words import all_of, seeds_in_words, sentence, shown

Modes = Mapping[str, Comparison]


def report_markdown(modes: Mapping[str, Comparison | NoComparison], verdict: Verdict) -> str:
    """``report.md``: the answer, a matrix of models and modes with baselines, what weakens it, cost, where to read on."""
    scored = {mode: it for mode, it in modes.items() if isinstance(it, Comparison)}
    lines = ["# LSTM against xLSTM", "", f"**{prose(verdict.overall.words)}**", ""]
    if not scored:
        return "\n".join(lines + _weaknesses(verdict))
    lines += [prose(verdict.losses), ""]
    lines += _matrices(scored, everywhere=len(scored) == len(modes))
    lines += _weaknesses(verdict)
    lines += _modes(verdict, next(iter(scored.values())).seeds)
    lines += _against_simpler(verdict)
    lines += _cost(scored)
    lines += further_targets(scored)
    lines += intervals.page_section(scored)
    lines += [f"![{mode}: typical and worst day](comparisons/{mode}/days.png)\n" for mode in scored]
    lines += ["## Read on", ""]
    lines += [
        f"- [{mode}](comparisons/{mode}/comparison.md): every cut, differences, curves" for mode in modes
    ]
    lines += ["- `runs/<run>/report.md`: one page per run, with what looks suspicious"]
    lines += ["- [the data](quality/quality.md) and [what was kept of it](prepare.md)", ""]
    lines += ["Made by `dvc repro`; every figure is of the test part, which no training has seen.", ""]
    return "\n".join(lines)


def _weaknesses(verdict: Verdict) -> list[str]:
    """What weakens the answer, a paragraph a kind."""
    if not verdict.weaknesses:
        return []
    said = [f"- {it.title}. {' '.join(map(prose, it.sentences))}" for it in verdict.weaknesses]
    return ["## What weakens the answer", "", *said, ""]


def _modes(verdict: Verdict, seeds: int) -> list[str]:
    lines = ["## Mode by mode", ""]
    for mode, each in verdict.modes.items():
        provisional = " (provisional)" if each.provisional else ""
        takes = f" To decide, it would take {each.takes}." if each.takes else ""
        lines += [
            f"- `{mode}`{provisional}: {prose(sentence(each.words))}{takes} {sentence(each.cost_words)}"
        ]
        lines += [f"  - {prose(sentence(row.words))}" for row in verdict.differences.get(mode, [])[1:]]
    same = [prose(verdict.same_vd), ""] if verdict.same_vd else []
    return [*lines, "", *same, f"{verdict.rule} {seeds_in_words(seeds)}", ""]


def _matrices(scored: Modes, everywhere: bool) -> list[str]:
    """The target VD, then all VDs; ``everywhere``: every mode was compared."""
    first = next(iter(scored.values()))
    same = everywhere and len(scored) > 1
    lines = [
        f"## {markdown(first.target)} of VD {markdown(first.target_vd)}, MAE in {markdown(first.unit)}",
        "",
        matrix(scored, "target_vd"),
        "",
        (
            f"{all_of(len(scored), 'modes').capitalize()} forecast the same origins of this VD. "
            if same
            else ""
        )
        + "Skill in brackets: 1 - MAE / MAE of the naive forecast "
        "that hindsight finds best. With ±: standard deviation over seeds. The ensemble mean is the mean of the seeds' "
        "forecasts.",
        "",
    ]
    wide = {mode: it for mode, it in scored.items() if "all_vds" in it.scores}
    if wide:
        titles = {mode: f"{mode} ({len(it.vds)} VDs)" for mode, it in wide.items()}
        lines += [
            f"## All VDs of a mode, MAE in {markdown(first.unit)}",
            "",
            matrix(wide, "all_vds", titles),
            "",
        ]
    return lines


def matrix(modes: Modes, scope: str, titles: Mapping[str, str] | None = None) -> str:
    """A line per model and baseline, a column per mode: MAE, and skill in brackets."""

    def cell(row: Scores) -> str:
        spread = f" ± {shown(row.mae_sd)}" if isinstance(row.mae_sd, float) else ""
        return f"{shown(row.mae)}{spread} ({shown(row.skill, '+.2f')})"

    columns = {
        (titles or {}).get(mode, mode): {LABELS[name]: cell(row) for name, row in it.scores[scope].items()}
        for mode, it in modes.items()
    }
    return pd.DataFrame(columns).to_markdown(disable_numparse=True)


def _against_simpler(verdict: Verdict) -> list[str]:
    """Each model against the simpler forecast that was best on the validation part."""
    said = [f"- `{mode}`: {prose(each)}" for mode, lines in verdict.against.items() for each in lines]
    return ["## Against simpler forecasts", "", *said, ""]


def _cost(scored: Modes) -> list[str]:
    runs = {
        f"{LABELS[model]}, {mode}": (it.scores["target_vd"][model], cost)
        for mode, it in scored.items()
        for model, cost in it.cost.items()
    }
    mae = {name: shown(scores.mae) for name, (scores, _) in runs.items()}
    return [
        "## Accuracy and what it cost",
        "",
        cost_markdown({name: cost for name, (_, cost) in runs.items()}, MAE=mae),
        "",
        "Parameters, operations (matrix products of one window) and milliseconds are of one seed's networks; seconds are "
        "of computing, for all seeds, summed over processes.",
        "",
        "![accuracy against cost](cost.png)",
        "",
    ]
