"""What must be said before any figure: who loses to a simpler forecast, and what could not be judged."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from vdcast.params.networks import MODELS
from vdcast.records.comparison import CutRow, Scores
from vdcast.scores.names import LABELS
from vdcast.scores.words import decimals, listed

FEW_DAYS = 5

ByName = Mapping[str, Sequence[CutRow]]  # of one cut
Cuts = Mapping[str, Mapping[str, ByName]]  # by scope and cut, as ``Comparison`` has them


def notes(
    mode: str, scores: Mapping, by_cut: Cuts, *, naive: str, days: int, target_vd: str, seeds: int
) -> list[str]:
    """A sentence for everything that could not be judged, so that no gap in a table goes unexplained.

    What was observed is read off the figures of ``naive``, a baseline, which has them wherever there can be one.
    """
    vds = by_cut.get("all_vds", {}).get("vd", {}).get(naive, [])
    of_target = by_cut["target_vd"]
    found = _of_vds(vds, scores["target_vd"][naive], target_vd)
    if at := _empty(of_target["horizon"][naive]):
        found.append(
            f"VD {target_vd} has no observation {', '.join(at)} minutes ahead: nothing was scored there."
        )
    if at := _empty(of_target["hour"][naive]):
        found.append(
            f"VD {target_vd} has no observation at local hour {', '.join(at)}: nothing was scored there."
        )
    if days < FEW_DAYS:
        found.append(
            f"the test part has {days} {'day' if days == 1 else 'days'} with observations: on fewer than "
            f"{FEW_DAYS} only a very large difference can be shown."
        )
    if seeds == 1:
        found.append(
            "one seed was trained: another training might come out differently, and no interval knows by how much."
        )
    return [f"In {mode}, {each}" for each in found]


def _of_vds(vds: Sequence[CutRow], of_target: Scores, target_vd: str) -> list[str]:
    """On VDs that nobody observed, and on observations that do not vary; ``vds`` is empty where there is one VD."""
    found = []
    if silent := _empty(vds):
        found.append(
            f"VD {', '.join(silent)} has no valid observation in the test part: there is no figure of it, "
            f"and those of all VDs stand on the other {len(vds) - len(silent)}."
        )
    constant = [_said(row.label) for row in vds if row.observations and row.r2 is None]
    if not vds and of_target.observations and of_target.r2 is None:
        constant = [target_vd]
    if constant:
        found.append(
            f"the observations of VD {', '.join(constant)} do not vary in the test part: R2 is undefined."
        )
    return found


def _empty(rows: Sequence[CutRow]) -> list[str]:
    """The labels without any observation."""
    return [_said(row.label) for row in rows if not row.observations]


def _said(label: float | str) -> str:
    return f"{label:g}" if isinstance(label, float) else str(label)


def losses(mode: str, scores: Mapping, by_cut: Cuts, unit: str) -> list[str]:
    """A sentence for each model that a simpler forecast, any baseline, beats somewhere, saying where; these open every report."""
    whole = {
        {"target_vd": "on the target VD", "all_vds": "on all VDs"}[scope]: _known(rows)
        for scope, rows in scores.items()
    }
    horizons, vds = by_cut["target_vd"]["horizon"], by_cut.get("all_vds", {}).get("vd", {})
    found = []
    for model in MODELS:
        places: dict[str, list[str]] = {}  # by the baseline that is best there
        for where, mae in whole.items():
            if best := _lost_to(model, mae):
                places.setdefault(best, []).append(f"{where} (MAE {_against(mae, model, best)} {unit})")
        for said in (_at_horizons(model, horizons, unit), _at_vds(model, vds, unit) if vds else {}):
            for best, words in said.items():
                places.setdefault(best, []).append(words)
        if places:
            words = "; ".join(f"to {LABELS[best]} {listed(these)}" for best, these in places.items())
            found.append(f"In {mode}, {LABELS[model]} loses {words}.")
    return found


def _at_horizons(model: str, horizons: ByName, unit: str) -> dict[str, str]:
    """By the baseline that is best there, at which minutes ``model`` loses to it."""
    minutes = [_said(row.label) for row in horizons[model]]
    said = {}
    for best, lost in _lost_rows(model, horizons).items():
        most = f"most at {minutes[lost.worst]}, " if len(lost.rows) > 1 else ""
        said[best] = (
            f"on the target VD at {_spans(lost.rows, minutes)} minutes ({most}MAE {lost.against} {unit})"
        )
    return said


def _at_vds(model: str, vds: ByName, unit: str) -> dict[str, str]:
    """By the baseline that is best there, at how many VDs ``model`` loses to it."""
    names = [row.label for row in vds[model]]
    said = {}
    for best, lost in _lost_rows(model, vds).items():
        most = f"{'most at ' if len(lost.rows) > 1 else ''}{names[lost.worst]}"
        said[best] = f"at {len(lost.rows)} of {len(names)} VDs ({most}, MAE {lost.against} {unit})"
    return said


@dataclass(frozen=True)
class Lost:
    """Rows of a cut in which one baseline is best and a model does not beat it."""

    rows: list[int]
    worst: int  # the one in which the model's MAE is the largest multiple of the baseline's
    against: str


def _lost_rows(model: str, by_name: ByName) -> dict[str, Lost]:
    """By baseline, where ``model`` loses to it in a cut."""
    mae = [_known({name: rows[i] for name, rows in by_name.items()}) for i in range(len(by_name[model]))]
    lost: dict[str, list[int]] = {}
    for i, row in enumerate(mae):
        if best := _lost_to(model, row):
            lost.setdefault(best, []).append(i)
    worst = {
        best: max(rows, key=lambda i: mae[i][model] / max(mae[i][best], 1e-9)) for best, rows in lost.items()
    }
    return {
        best: Lost(rows, worst[best], _against(mae[worst[best]], model, best)) for best, rows in lost.items()
    }


def _known(rows: Mapping[str, Scores]) -> dict[str, float]:
    """MAE of everyone who has one."""
    return {name: row.mae for name, row in rows.items() if row.mae is not None}


def _lost_to(model: str, mae: Mapping[str, float]) -> str | None:
    """The baseline with the lowest MAE, if ``model`` does not beat it; None also where there is nothing to compare."""
    simpler = [name for name in mae if name.removesuffix("_ensemble") not in MODELS]
    if model not in mae or not simpler:
        return None  # as ``notes`` say
    best = min(simpler, key=lambda name: mae[name])
    return None if mae[model] < mae[best] else best


def _against(mae: Mapping[str, float], model: str, best: str) -> str:
    digits = decimals(mae[model], mae[best])
    return f"{mae[model]:.{digits}f} against {mae[best]:.{digits}f}"


def _spans(steps: list[int], minutes: list[str]) -> str:
    """Those ``steps`` in words, three or more in a row as one span."""
    runs = [[steps[0]]]
    for step in steps[1:]:
        if step == runs[-1][-1] + 1:
            runs[-1].append(step)
        else:
            runs.append([step])
    parts = []
    for run in runs:
        ends = [minutes[step] for step in run]
        parts += [f"{ends[0]} to {ends[-1]}"] if len(run) > 2 else ends
    return listed(parts)
