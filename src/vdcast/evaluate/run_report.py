"""One page per run: data, settings, curve, result, and what looks suspicious."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from vdcast.escape import markdown, prose
from vdcast.forecasts.predictions import Named, Predictions, of
from vdcast.models.shared.task import Task
from vdcast.models.shared.trained import Trained
from vdcast.params.sections import Run
from vdcast.params.times import minutes
from vdcast.records import io
from vdcast.records.training import Training
from vdcast.scores import cuts, figures, intervals
from vdcast.scores.words import cut_short, seeds_in_words

OVERFIT = 1.15  # validation loss at the end over its best
FORMAT = ",.4g"  # 1,904 observations, not 1.9e+03
GAP = 1.5  # test error over validation error


def write_run_report(
    folder: Path,
    trained: Trained,
    predictions: Predictions,
    *,
    baselines: Named,
    target_vd: str,
    mape_floor: float,
) -> None:
    """Write ``report.md``, ``curve.png`` and ``days.png`` into the run's ``folder``, beside what training left there."""
    target, unit, run = predictions.targets[0], predictions.units[0], trained.settings
    history = pd.read_csv(folder / "history.csv")
    training = io.read(folder / "training.json", Training, f"train@{run.name}")
    figures.learning_curves(folder / "curve.png", {run.model: history}, unit)
    series = (intervals.fan_over_time if predictions.quantiles else cuts.over_time)(
        predictions, target_vd, target
    )
    ahead = f"{minutes(trained.task.horizon * trained.task.interval)} ahead"
    figures.fan(folder / "days.png", {run.model: series}, unit, ahead)

    everyone = {run.name: predictions, **baselines}
    one = of(everyone, [target_vd])
    horizons = _by_target(one, run.name, cuts.by_horizon(one[run.name]), mape_floor)
    overall = _by_target(everyone, run.name, cuts.overall(), mape_floor)
    warnings = [
        *([f"{training.problem}."] if training.problem else []),
        *training.notes,
        *suspicious(history, training, horizons.loc[[target]], overall.loc[target]),
    ]
    lines = [f"# {run.name}", "", *(f"**{prose(warning)}**\n" for warning in warnings)]
    lines += _data(trained.task, training, len(predictions.origins))
    lines += _settings(run)
    lines += _training(training)
    lines += _result(target_vd, len(predictions.forecast), mape_floor, horizons)
    if predictions.quantiles:
        assert trained.pools is not None  # a run with quantiles was calibrated
        lines += intervals.run_section(one[run.name], run.model, trained.pools.numpy())
    if len(predictions.vd_ids) > 1:
        vds = _by_target(everyone, run.name, cuts.by_vd(predictions), mape_floor)
        lines += ["## By VD", "", in_figures(vds), ""]
    (folder / "report.md").write_text("\n".join(lines), "utf-8")


def _by_target(everyone: Named, run: str, cut: cuts.Cut, mape_floor: float) -> pd.DataFrame:
    """The run's scores for every target, one below the other."""
    by_target = [
        cuts.score_tables(everyone, cut, mape_floor, k)[run].assign(target=name)
        for k, name in enumerate(everyone[run].targets)
    ]
    return pd.concat(by_target, ignore_index=True).set_index("target")


def _data(task: Task, training: Training, windows: int) -> list[str]:
    """``windows`` are those of the test part."""
    return [
        "## Data",
        "",
        f"{len(task.vd_ids)} VDs ({_listed(task.vd_ids[:12])}{', ...' if len(task.vd_ids) > 12 else ''}), "
        f"inputs {_listed(task.features)}, forecast {_listed(task.targets)}; lookback "
        f"{minutes(task.length * task.interval)}, horizon {minutes(task.horizon * task.interval)}, a value every "
        f"{minutes(task.interval)}. "
        f"{training.windows} training windows, {windows} test windows.",
        "",
    ]


def _listed(names: Sequence[str]) -> str:
    return ", ".join(map(markdown, names))


def _settings(run: Run) -> list[str]:
    settings = {**run.network.model_dump(), **run.train.model_dump(exclude={"device"})}
    rows = [(key, json.dumps(value)) for key, value in settings.items()]
    table = pd.DataFrame(rows, columns=["key", "value"]).to_markdown(index=False)
    return ["## Settings", "", table, ""]


def _training(training: Training) -> list[str]:
    best = ", ".join(str(epoch or "none") for epoch in training.best_epoch[:12])
    return [
        "## Training",
        "",
        f"{training.parameters:,} parameters in the networks of one seed; {training.copies} networks trained, over all "
        f"seeds; {training.epochs} epochs (best: {best}), {training.seconds:.0f} s of computing on {training.device}, "
        f"peak memory {training.peak_memory_mb:.0f} MB.",
        "",
        "![learning curve](curve.png)",
        "",
    ]


def _result(target_vd: str, seeds: int, mape_floor: float, horizons: pd.DataFrame) -> list[str]:
    return [
        f"## Result on the test part, VD {markdown(target_vd)}",
        "",
        f"{seeds_in_words(seeds)} MAPE over observations of at least {mape_floor:g}; "
        "skill against the best naive forecast of the same horizon; R2 around each VD's own mean.",
        "",
        in_figures(horizons.rename(columns={"horizon": "minutes"})),
        "",
        "![typical and worst day](days.png)",
        "",
    ]


def in_figures(table: pd.DataFrame) -> str:
    """As markdown; what is undefined says so."""

    def figure(value) -> str:
        if isinstance(value, float):
            return format(value, FORMAT) if np.isfinite(value) else "undefined"
        return f"{value:,}" if isinstance(value, int) else markdown(str(value))

    return table.map(figure).rename(index=markdown).to_markdown(disable_numparse=True)


def suspicious(
    history: pd.DataFrame,
    training: Training,
    horizons: pd.DataFrame,
    overall: pd.Series,
) -> list[str]:
    """What a careful reader would want to be told first, of the headline target."""
    found = []
    best, last = history.validation_loss.min(), history.validation_loss.iloc[-1]
    if short := cut_short(training):
        found.append(f"Not converged: {short}.")
    if last > OVERFIT * best:
        found.append(
            f"Overfitting: validation loss rose from {best:.3f} to {last:.3f} before training stopped."
        )
    worse = horizons[horizons.skill < 0]
    if len(worse):
        at = ", ".join(f"{minutes:g}" for minutes in worse.horizon)
        found.append(f"Worse than the best naive forecast on the target VD at {at} minutes.")
    if overall.skill < 0:
        found.append(f"Worse than the best naive forecast over all its VDs (skill {overall.skill:.2f}).")
    validation = history.validation_mae.min()
    if overall.mae > GAP * validation:
        found.append(
            f"Test MAE {overall.mae:.2f} is far above validation MAE {validation:.2f}: has the traffic changed?"
        )
    if np.isnan(overall.r2) and np.isfinite(overall.mae):
        found.append("R2 is undefined: the observations of the test part do not vary.")
    return found
