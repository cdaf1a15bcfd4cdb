"""Each model against the simpler forecasts that it meets, measured."""

from collections.abc import Sequence

import numpy as np

from vdcast.compare.opponents import Opponent
from vdcast.differences.components import components
from vdcast.differences.paired import defined, observed
from vdcast.differences.tally import Tally
from vdcast.params.networks import MODELS
from vdcast.records.comparison import Line
from vdcast.scores.answers import standard_error


def lines(tallied: Tally, opponents: Sequence[Opponent], shared: tuple[bool, bool]) -> list[Line]:
    """Each model against each of ``opponents``, in their order."""
    return [_line(model, each, tallied, shared) for model in MODELS for each in opponents]


def _line(model: str, against: Opponent, tallied: Tally, shared: tuple[bool, bool]) -> Line:
    """On the days and VDs that were observed."""
    a, b = (tallied.errors[name][against.steps].sum(axis=0) for name in (model, against.simpler))
    a, b, count = observed(a, b, tallied.count[against.steps].sum(axis=0))
    known = count.size and np.isfinite(a).all() and np.isfinite(b).all()
    found = components(a, b, count, shared) if known else None
    error, df = (
        map(float, standard_error(found.variance, found.df)) if found and len(count) > 1 else (np.nan, np.nan)
    )
    return Line(
        model=model,
        simpler=against.simpler,
        place=against.place,
        label=against.label,
        relative=float(found.relative.mean()) if found else None,
        error=defined(error),
        df=defined(df),
        mae=_mae(a, count) if found else None,
        mae_simpler=_mae(b, count) if found else None,
        vds=count.shape[1],
        vds_ahead=int((found.relative < 0).sum()) if found else 0,
    )


def _mae(sums: np.ndarray, count: np.ndarray) -> float:
    return float(sums.mean(axis=0).sum() / count.sum())
