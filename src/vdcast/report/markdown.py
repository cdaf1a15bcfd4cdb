"""``report.md``."""

from collections.abc import Mapping

import pandas as pd

from vdcast.escape import markdown, prose
from vdcast.language import feature, say
from vdcast.records.comparison import Comparison, NoComparison, Scores
from vdcast.records.summary import Verdict
from vdcast.report import controls
from vdcast.scores import intervals
from vdcast.scores.names import label
from vdcast.scores.tables import cost_markdown, further_targets, mode_and_vds
from vdcast.scores.words import all_modes, seeds_in_words, sentence, shown

Modes = Mapping[str, Comparison]


def report_markdown(modes: Mapping[str, Comparison | NoComparison], verdict: Verdict) -> str:
    """``report.md``: the answer, a matrix of models and modes with baselines, what weakens it, cost, where to read on."""
    scored = {mode: it for mode, it in modes.items() if isinstance(it, Comparison)}
    lines = [f"# {say('report.title')}", "", f"**{prose(verdict.overall.words)}**", ""]
    if not scored:
        return "\n".join(lines + _weaknesses(verdict))
    lines += [prose(verdict.losses), ""]
    lines += _matrices(scored, everywhere=len(scored) == len(modes))
    lines += _weaknesses(verdict)
    lines += _modes(verdict, next(iter(scored.values())).seeds)
    lines += _controls(verdict)
    lines += _against_simpler(verdict)
    lines += _cost(scored)
    lines += further_targets(scored)
    lines += intervals.page_section(scored)
    lines += [f"![{say('report.days_of', mode=mode)}](comparisons/{mode}/days.png)\n" for mode in scored]
    lines += [f"## {say('report.read_on')}", ""]
    lines += [f"- {say('report.read_mode', mode=mode)}" for mode in modes]
    lines += [f"- {say('report.read_runs')}", f"- {say('report.read_data')}", ""]
    lines += [say("report.made_by"), ""]
    return "\n".join(lines)


def _weaknesses(verdict: Verdict) -> list[str]:
    """What weakens the answer, a paragraph a kind."""
    if not verdict.weaknesses:
        return []
    between = say("language.between")
    said = [
        f"- {say('language.sentence', clause=it.title)}{between}{between.join(map(prose, it.sentences))}"
        for it in verdict.weaknesses
    ]
    return [f"## {say('report.weakens')}", "", *said, ""]


def _modes(verdict: Verdict, seeds: int) -> list[str]:
    lines = [f"## {say('report.mode_by_mode')}", ""]
    between = say("language.between")
    for mode, each in verdict.modes.items():
        key = "report.of_mode_provisional" if each.provisional else "report.of_mode"
        said = [prose(sentence(each.words)), sentence(each.cost_words)]
        if each.takes:
            said.insert(1, say("report.to_decide", takes=each.takes))
        lines += [f"- {say(key, mode=f'`{mode}`', said=between.join(said))}"]
        lines += [f"  - {prose(sentence(row.words))}" for row in verdict.differences.get(mode, [])[1:]]
    same = [prose(verdict.same_vd), ""] if verdict.same_vd else []
    return [*lines, "", *same, between.join([verdict.rule, seeds_in_words(seeds)]), ""]


def _controls(verdict: Verdict) -> list[str]:
    """What a mode adds, a paragraph a mode."""
    if not verdict.controls:
        return []
    lines = [f"## {controls.heading(verdict.controls)}", ""]
    for title, told in controls.by_mode(verdict.controls).items():
        lines += [f"- {title}", *(f"  - {prose(each)}" for each in told)]
    return [*lines, "", controls.rule(verdict.margin, verdict.controls), ""]


def _matrices(scored: Modes, everywhere: bool) -> list[str]:
    """The target VD, then all VDs; ``everywhere``: every mode was compared."""
    first = next(iter(scored.values()))
    unit = markdown(first.unit)
    target = {"target": markdown(feature(first.target)), "vd": markdown(first.target_vd), "unit": unit}
    read = [say("report.how_to_read")]
    if everywhere and len(scored) > 1:
        read.insert(0, say("report.same_origins", modes=_capital(all_modes(len(scored)))))
    lines = [
        f"## {say('report.of_target_vd', **target)}",
        "",
        matrix(scored, "target_vd"),
        "",
        say("language.between").join(read),
        "",
    ]
    wide = {mode: it for mode, it in scored.items() if "all_vds" in it.scores}
    if wide:
        titles = {mode: mode_and_vds(mode, it) for mode, it in wide.items()}
        lines += [f"## {say('report.of_all_vds', unit=unit)}", "", matrix(wide, "all_vds", titles), ""]
    return lines


def _capital(words: str) -> str:
    return words[0].upper() + words[1:]


def matrix(modes: Modes, scope: str, titles: Mapping[str, str] | None = None) -> str:
    """A line per model and baseline, a column per mode: MAE, and skill in brackets."""

    def cell(row: Scores) -> str:
        spread = f" ± {shown(row.mae_sd)}" if isinstance(row.mae_sd, float) else ""
        return f"{shown(row.mae)}{spread} ({shown(row.skill, '+.2f')})"

    columns = {
        (titles or {}).get(mode, mode): {label(name): cell(row) for name, row in it.scores[scope].items()}
        for mode, it in modes.items()
    }
    return pd.DataFrame(columns).to_markdown(disable_numparse=True)


def _against_simpler(verdict: Verdict) -> list[str]:
    """Each model against the simpler forecast that was best on the validation part."""
    said = [
        f"- {say('report.of_mode', mode=f'`{mode}`', said=prose(each))}"
        for mode, lines in verdict.against.items()
        for each in lines
    ]
    return [f"## {say('report.against_simpler')}", "", *said, ""]


def _cost(scored: Modes) -> list[str]:
    runs = {
        say("scores.picture.run", model=label(model), mode=mode): (it.scores["target_vd"][model], cost)
        for mode, it in scored.items()
        for model, cost in it.cost.items()
    }
    mae = {name: shown(scores.mae) for name, (scores, _) in runs.items()}
    return [
        f"## {say('report.accuracy_and_cost')}",
        "",
        cost_markdown({name: cost for name, (_, cost) in runs.items()}, MAE=mae),
        "",
        say("report.what_cost_is"),
        "",
        f"![{say('report.picture_of_cost')}](cost.png)",
        "",
    ]
