"""``runs/<run>/history.csv``: the learning curves of a training, for `dvc plots` and for who reads its training.json."""

import pandas as pd

from vdcast.data.files import checksum
from vdcast.errors import InputError
from vdcast.layout import RUNS
from vdcast.records.training import Training


def read(run: str, training: Training) -> pd.DataFrame:
    """A row per epoch. Raises InputError where that is missing, or not what ``training`` was written with."""
    path = RUNS / run / "history.csv"
    try:
        found = checksum(path)
    except FileNotFoundError:
        raise InputError(f"{path} does not exist; run `dvc repro train@{run}`") from None
    if found != training.history:
        raise InputError(
            f"{path} is damaged (it is not what training.json beside it says); delete it and run `dvc repro train@{run}`"
        )
    return pd.read_csv(path)
