import numpy as np
import pandas as pd
import pytest

from tests.records import made
from vdcast.evaluate.run_report import suspicious

HISTORY = pd.DataFrame({"validation_loss": [0.5, 0.3, 0.31], "validation_mae": [5.0, 3.0, 3.1]})
TRAINING = made.training(epochs=3)
HORIZONS = pd.DataFrame({"horizon": [15.0, 30.0], "skill": [0.1, 0.2]})
OVERALL = pd.Series({"skill": 0.15, "mae": 3.2, "r2": 0.9})


def changed(**figures) -> pd.Series:
    return pd.Series(OVERALL.to_dict() | figures)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({}, None),
        (
            {"history": HISTORY.assign(validation_loss=[0.5, 0.3, 0.4])},
            "Overfitting: validation loss rose from 0.300",
        ),
        (
            {"training": made.training(epoch_limit=10, best_epoch=[10])},
            "Not converged: 1 of 1 networks were still improving",
        ),
        (
            {"horizons": HORIZONS.assign(skill=[0.1, -0.2])},
            "Worse than the best naive forecast on the target VD at 30",
        ),
        ({"overall": changed(skill=-0.1)}, "Worse than the best naive forecast over all its VDs"),
        ({"overall": changed(mae=9.0)}, "Test MAE 9.00 is far above validation MAE 3.00"),
        ({"overall": changed(r2=np.nan)}, "R2 is undefined"),
    ],
)
def test_what_looks_suspicious_is_said(changes, sentence):
    case = {"history": HISTORY, "training": TRAINING, "horizons": HORIZONS, "overall": OVERALL}
    found = suspicious(**(case | changes))
    assert (found == []) if sentence is None else (len(found) == 1 and sentence in found[0])
