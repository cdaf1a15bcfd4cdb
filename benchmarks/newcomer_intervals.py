"""What intervals hold of detectors that a run of ``global_multi_vd`` was not trained on: ``python benchmarks/newcomer_intervals.py``.

Every second detector of the sample is held out of a training with quantiles, then the other half, and taken on as `vdcast adapt`
does, from so many days before the test part: its intervals are calibrated on these days alone. Of the test part, the share of
observations within the interval, the mean width, and the same of the detectors that were trained on, calibrated on the validation
part. Nothing is chosen by it.
"""

import argparse
from dataclasses import dataclass

import numpy as np

from measure import table
from newcomers import before, last_days, trained
from sample import prepared
from vdcast.data.detectors import Prepared
from vdcast.forecasts.predictions import beside_observed
from vdcast.live.newcomers import joined_by
from vdcast.models.shared.calibration import calibrated
from vdcast.models.shared.trained import Trained

DAYS = (2, 3, 7, 14, 20)
LEVELS = [0.1, 0.5, 0.9]
PARTS = 2


@dataclass
class Held:
    """Observations of the first target."""

    within: float = 0.0
    width: float = 0.0
    count: int = 0

    def add(self, other: "Held") -> None:
        self.within += other.within
        self.width += other.width
        self.count += other.count


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--models", nargs="+", default=["lstm", "xlstm"])
    parser.add_argument("--quick", action="store_true", help="an epoch: whether it runs, and no figures")
    given = parser.parse_args()
    epochs = {"epochs": 1} if given.quick else {}
    data, rows = prepared(), []
    vds = data.parts["train"].vd_ids
    for model in given.models:
        held: dict[str, Held] = {}
        for k in range(PARTS):
            known = [vd for v, vd in enumerate(vds) if v % PARTS != k]
            run = trained(data, known, model, seeds=[0], quantiles=LEVELS, **epochs)
            for name, each in by_days(data, calibrated(run, data.parts["validation"]), vds[k::PARTS]).items():
                held.setdefault(name, Held()).add(each)
        rows += [
            {
                "model": model,
                "known of the VD": name,
                "within 80 %": f"{it.within / it.count:.3f}",
                "mean width": f"{it.width / it.count:.2f}",
            }
            for name, it in held.items()
        ]
    print("\n".join(table(rows)))


def by_days(data: Prepared, run: Trained, new: tuple[str, ...]) -> dict[str, Held]:
    """Of the detectors ``new``, from so many days, and last of those that ``run`` was trained on."""
    history = before(data, "test", new)
    found = {
        f"{days} days": held_of(joined_by(run, last_days(history, days)), data.parts["test"], new)
        for days in DAYS
    }
    return found | {"trained on it": held_of(run, data.parts["test"], run.task.vd_ids)}


def held_of(run: Trained, part, vds: tuple[str, ...]) -> Held:
    quantiles, task = run.quantiles(part), run.task
    v = [task.vd_ids.index(vd) for vd in vds]
    observed = beside_observed(quantiles.median, task.chosen(part), task.targets, task.length).observed
    low, high = (quantiles.calibrated[0][:, :, v, 0, i] for i in (0, -1))
    y = observed[:, :, v, 0]
    said = np.isfinite(y) & np.isfinite(high - low)
    inside = (low <= y) & (y <= high)
    return Held(float(inside[said].sum()), float((high - low)[said].sum()), int(said.sum()))


if __name__ == "__main__":
    main()
