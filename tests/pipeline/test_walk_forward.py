"""Two folds through all stages, in one process."""

import json

import numpy as np
import pytest

from tests import project
from vdcast import Trained
from vdcast.forecasts import store
from vdcast.layout import NAIVE

OTHERS = ("single_vd", "independent_multi_vd", "global_multi_vd")  # are left out
L, H, DAY = project.L, project.H, 24
CHANGES = {
    "train": {"seeds": [0, 1], "epochs": 1},
    "evaluate": {"folds": {"number": 2, "days": 3, "every": 4, "refit": True}},
    "modes": {
        mode: {"num_vds": 2} for mode in ("multi_vd", "independent_multi_vd", "global_multi_vd", "social")
    },
    "runs": dict.fromkeys(f"{model}-{mode}" for model in ("lstm", "xlstm") for mode in OTHERS),
    "comparisons": dict.fromkeys(OTHERS),
    "controls": dict.fromkeys(f"{model}-global_multi_vd" for model in ("lstm", "xlstm")),
}


@pytest.mark.slow
def test_test_days_of_all_folds_are_judged_together(tmp_path, monkeypatch):
    """Of 20 days the tests are days 14 to 16 and 18 to 20; a window crosses no border, so each loses a lookback."""
    monkeypatch.chdir(tmp_path)
    project.up_to_evaluate(tmp_path, project.counts("ab"), CHANGES)
    project.up_to_report()
    run = tmp_path / "runs/lstm-multi_vd"
    found = store.read_predictions(run / "predictions.h5")
    steps = (found.origins - found.origins[0]) // 3600
    windows = 3 * DAY - L - H + 1
    np.testing.assert_array_equal(steps, [*range(windows), *range(4 * DAY, 4 * DAY + windows)])
    naive = store.read_baselines(NAIVE)
    assert all(np.array_equal(each.origins, found.origins) for each in naive.values())

    first, last = Trained.load(run / "model.pt").folds
    assert not np.array_equal(first.task.mean, last.task.mean), "each has statistics of its own training part"
    assert json.loads((run / "training.json").read_text("utf-8"))["copies"] == 4
    mode = json.loads((tmp_path / "reports/comparisons/multi_vd/comparison.json").read_text("utf-8"))
    assert (mode["differences"][0]["days"], mode["windows"]) == (6, 2 * windows)
    assert "6 test days" in (tmp_path / "reports/report.md").read_text("utf-8")
