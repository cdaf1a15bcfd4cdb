"""``summary.json``: what `dvc metrics diff --targets reports/summary.json` compares."""

from collections.abc import Mapping

from vdcast.language import spoken
from vdcast.records.comparison import Comparison, NoComparison
from vdcast.records.summary import ModeFigures, Summary, Verdict


def summary_of(modes: Mapping[str, Comparison | NoComparison], verdict: Verdict) -> Summary:
    """The verdict, then figures by mode."""
    figures = {mode: _figures(it) for mode, it in modes.items()}
    return Summary(verdict=verdict, modes=figures, language=spoken())


def _figures(it: Comparison | NoComparison) -> ModeFigures:
    """Of one mode."""
    if isinstance(it, NoComparison):
        return ModeFigures(problem=it.problem)
    return ModeFigures(
        problem=it.problem,
        **it.scores,
        by_horizon={
            name: {f"{row.label:g}min": row.mae for row in rows}
            for name, rows in it.cuts["target_vd"]["horizon"].items()
        },
        cost=it.cost,
        quantiles=it.quantiles.scores if it.quantiles else {},
    )
