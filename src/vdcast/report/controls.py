"""What a mode, or what is known ahead, adds: runs beside their controls, by the rule of ``judge`` and as a family of their own."""

from collections.abc import Sequence

import numpy as np
from msgspec import structs

from vdcast.language import listed, say
from vdcast.params.sections import Params, Run
from vdcast.records.control import Control
from vdcast.records.summary import JudgedControl
from vdcast.report import words
from vdcast.report.judge import evidence, judged
from vdcast.scores.answers import holm, p_of
from vdcast.scores.names import label

# of all of them together, in which a page calls a difference that is none; few days and seeds make up to 5 % of it
CONTROLS_LEVEL = 0.04


def judged_controls(found: Sequence[Control], settings: Params) -> list[JudgedControl]:
    """In their order, at the levels of Holm."""
    levels = holm([p_of(evidence(it.difference)) for it in found], CONTROLS_LEVEL)
    return [_judged(it, level, settings) for it, level in zip(found, levels, strict=True)]


def _judged(it: Control, level: float, settings: Params) -> JudgedControl:
    row = it.difference
    of = words.Between(a=row.a, b=row.b, vds=it.vds, unit=it.unit)
    found = judged(row, level, of, settings.evaluate.margin)
    told = found.words
    if others := other_settings(settings.run(row.a), settings.run(row.b)):
        told = say("report.also_differ", said=told, settings=listed(others))
    known = structs.asdict(structs.replace(found, words=told))
    return JudgedControl(
        **known, model=it.model, mode=it.mode, without=it.without, provisional=it.provisional
    )


def other_settings(run: Run, control: Run) -> list[str]:
    """Those that the two runs differ in beside their mode, so that what it adds is not all that differs."""
    one, other = ({**each.network.model_dump(), **each.train.model_dump()} for each in (run, control))
    return [
        say("report.setting", name=name, value=str(value), other=str(other[name]))
        for name, value in one.items()
        if value != other[name]
    ]


def by_mode(controls: Sequence[JudgedControl]) -> dict[str, list[str]]:
    """What is added, by a mode or by covariates, in words, and the sentences on it, one or two a model."""
    found: dict[str, list[str]] = {}
    for it in controls:
        key = "report.of_mode_provisional" if it.provisional else "report.of_mode"
        said = [say("language.sentence", clause=it.words)] + (
            [say("report.to_decide", takes=it.takes)] if it.takes else []
        )
        told = say(key, mode=label(it.model), said=say("language.between").join(said))
        found.setdefault(say(f"report.adds.{'covariates' if of_covariates(it) else it.mode}"), []).append(
            told
        )
    return found


def gains(it: Control) -> list[dict[str, float]]:
    """Of VDs with so many neighbours: how many they are, mean and quartiles of their relative differences."""
    near = it.neighbourhood
    assert near is not None  # of a run that hears of neighbours
    heard = np.bincount(near.of, minlength=len(it.vds))
    relative = np.array(it.each, float)
    found = []
    for number in np.unique(heard[np.isfinite(relative)]):
        these = relative[(heard == number) & np.isfinite(relative)]
        low, high = np.percentile(these, [25, 75])
        row = {"near": number, "vds": len(these), "mean": these.mean(), "low": low, "high": high}
        found.append({name: float(f"{value:.4g}") for name, value in row.items()})
    return found


def of_covariates(it: JudgedControl) -> bool:
    """Whether its control is the same run without them."""
    return it.mode == it.without


def heading(controls: Sequence[JudgedControl]) -> str:
    key = "what_modes_and_covariates_add" if any(map(of_covariates, controls)) else "what_modes_add"
    return say(f"report.{key}")


def rule(margin: float, controls: Sequence[JudgedControl]) -> str:
    """How they are judged, and what a control of covariates is where there is one."""
    told = say("report.rule_of_controls", margin=words.share(margin))
    if not any(map(of_covariates, controls)):
        return told
    return say("language.between").join([told, say("report.rule_of_covariates")])
