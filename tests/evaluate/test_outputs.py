"""The figures of test.json."""

import numpy as np
import pytest

from vdcast.evaluate.outputs import headline
from vdcast.forecasts.predictions import beside_observed, of
from vdcast.scores import cuts


def test_headline_names_target_vd_all_vds_and_the_chosen_horizons(detectors):
    zero = np.zeros((2, 115, 2, 3, 1), np.float32)
    predictions = beside_observed(zero, detectors.rows(0, 120), ["volume"], 4)
    naive = {"persistence": predictions}
    figures = headline(predictions, naive, target_vd="VD-B", mape_floor=10.0, horizons=[2])
    alone = cuts.score_table(predictions.of(["VD-B"]), cuts.overall(), 10.0).iloc[0]
    assert figures["volume_mae"] == pytest.approx(alone.mae, abs=1e-5)
    whole = {f"volume_{metric}{scope}" for metric in ("mae", "skill") for scope in ("", "_all_vds")}
    assert set(figures) == whole | {"volume_mae_120min"}
    single = headline(
        predictions.of(["VD-B"]), of(naive, ["VD-B"]), target_vd="VD-B", mape_floor=10.0, horizons=[1]
    )
    assert not any(key.endswith("_all_vds") for key in single)
