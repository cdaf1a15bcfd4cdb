"""Figures as csv, for `dvc plots`."""

from collections.abc import Mapping
from pathlib import Path

from vdcast.forecasts.predictions import Predictions
from vdcast.scores.cuts import by_horizon, by_hour, over_time, score_tables


def write_csv(
    folder: Path,
    predictions: Predictions,
    *,
    baselines: Mapping[str, Predictions],
    target_vd: str,
    mape_floor: float,
) -> None:
    """The target VD's headline target by horizon, by hour and over time, as csv for `dvc plots`."""
    everyone = {name: each.of([target_vd]) for name, each in {"": predictions, **baselines}.items()}
    for name, cut in (("by_horizon", by_horizon), ("by_hour", by_hour)):
        rows = score_tables(everyone, cut(everyone[""]), mape_floor)[""]
        rows = rows.rename(columns={"horizon": "minutes"})
        rows.to_csv(folder / f"{name}.csv", index=False, float_format="%.6g")
    series = over_time(predictions, target_vd, predictions.targets[0])
    series.to_csv(folder / "target_vd.csv", index=False, float_format="%.6g")
