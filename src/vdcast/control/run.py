"""A run and its control from their files to what lies between them."""

from collections.abc import Sequence

import numpy as np

from vdcast.control.neighbourhood import neighbourhood
from vdcast.data import store
from vdcast.differences.components import relative_difference
from vdcast.differences.paired import defined, paired
from vdcast.differences.tally import Tally, tally
from vdcast.forecasts.predictions import check_same_windows
from vdcast.forecasts.store import read_predictions
from vdcast.layout import CONTROLS, PREPARED, RUNS
from vdcast.params.modes import Sharing, Social, sharing_of
from vdcast.params.sections import Params, Run
from vdcast.records import io
from vdcast.records.control import Control, Neighbourhood
from vdcast.records.training import Training
from vdcast.scores.words import cut_short, of_places


def control(run: Run, other: Run, settings: Params) -> None:
    """Write what lies between ``run`` and its control ``other``. Raises InputError where they are of other windows."""
    both = {each.name: read_predictions(RUNS / each.name / "predictions.h5") for each in (run, other)}
    check_same_windows(both)
    first, tallied = both[run.name], tally(both)
    shared_a, shared_b = (sharing_of(each.mode) is not Sharing.APART for each in (run, other))
    found = Control(
        model=run.model,
        mode=run.mode,
        without=other.mode,
        difference=paired(run.name, other.name, tallied, (shared_a, shared_b)),
        unit=first.units[0],
        vds=list(first.vd_ids),
        each=[defined(value) for value in of_each_vd(run.name, other.name, tallied).tolist()],
        provisional=any(unsettled(each) for each in (run, other)),
        neighbourhood=heard_of(first.vd_ids, settings.modes.neighbourhood(run.mode)),
    )
    io.write(CONTROLS / f"{run.name}.json", found)
    print(f"{run.name}: {measured(found)}; next, what it says: dvc repro report")


def measured(found: Control) -> str:
    """The difference, for a terminal, without an answer."""
    relative, other = found.difference.relative, found.difference.b
    if relative is None:
        return f"no observation that it and {other} have a forecast of"
    return f"error {abs(relative):.2%} {'lower' if relative < 0 else 'higher'} than that of {other}"


def heard_of(vds: Sequence[str], settings: Social | None) -> Neighbourhood | None:
    """Who hears of whom, of a run that hears of neighbours; of a walk forward, in all folds the same."""
    if not settings:
        return None
    part = store.read_prepared(PREPARED, parts=("validation",))[-1].parts["validation"]
    return neighbourhood(part.select(vds, part.features), settings)


def of_each_vd(a: str, b: str, tallied: Tally) -> np.ndarray:
    """(V,) relative difference of the errors, means over trainings; NaN where nothing was observed."""
    count = tallied.count.sum(axis=(0, 1))
    errors = (tallied.errors[name].mean(axis=1).sum(axis=(0, 1)) for name in (a, b))
    return np.where(count > 0, relative_difference(*errors)[0], np.nan)


def unsettled(run: Run) -> bool:
    """Whether another training of it might come out otherwise, and no interval knows by how much."""
    training = io.read(RUNS / run.name / "training.json", Training, f"train@{run.name}")
    lost = training.problem or not all(map(of_places, training.notes))
    return len(run.train.seeds) == 1 or bool(lost or cut_short(training))
