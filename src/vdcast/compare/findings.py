"""What weakens an answer: what was not observed, and how little there is."""

from collections.abc import Mapping, Sequence

from vdcast.language import say
from vdcast.records.comparison import CutRow, Note, Scores

FEW_DAYS = 5

ByName = Mapping[str, Sequence[CutRow]]  # of one cut
Cuts = Mapping[str, Mapping[str, ByName]]  # by scope and cut, as ``Comparison`` has them


def notes(scores: Mapping, by_cut: Cuts, *, naive: str, days: int, target_vd: str, seeds: int) -> list[Note]:
    """A sentence for everything that could not be judged, so that no gap in a table goes unexplained.

    What was observed is read off the figures of ``naive``, a baseline, which has them wherever there can be one.
    """
    vds = by_cut.get("all_vds", {}).get("vd", {}).get(naive, [])
    of_target = by_cut["target_vd"]
    gaps = _of_vds(vds, scores["target_vd"][naive], target_vd)
    if at := _empty(of_target["horizon"][naive]):
        gaps.append(say("compare.unobserved_ahead", vd=target_vd, minutes=at))
    if at := _empty(of_target["hour"][naive]):
        gaps.append(say("compare.unobserved_hours", vd=target_vd, hours=at))
    found = [Note("data", each) for each in gaps]
    if days < FEW_DAYS:
        few = f"compare.few_days.{'one' if days == 1 else 'many'}"
        found.append(Note("days", say(few, days=days)))
    if seeds == 1:
        found.append(Note("seeds", say("compare.one_seed")))
    return found


def _of_vds(vds: Sequence[CutRow], of_target: Scores, target_vd: str) -> list[str]:
    """On VDs that nobody observed, and on observations that do not vary; ``vds`` is empty where there is one VD."""
    found = []
    if silent := _empty(vds):
        found.append(say("compare.silent", vds=silent, others=len(vds) - len(silent)))
    constant = [_said(row.label) for row in vds if row.observations and row.r2 is None]
    if not vds and of_target.observations and of_target.r2 is None:
        constant = [target_vd]
    if constant:
        found.append(say("compare.constant", vds=constant))
    return found


def _empty(rows: Sequence[CutRow]) -> list[str]:
    """The labels without any observation."""
    return [_said(row.label) for row in rows if not row.observations]


def _said(label: float | str) -> str:
    return f"{label:g}" if isinstance(label, float) else str(label)
