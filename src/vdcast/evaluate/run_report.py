"""One page per run: data, settings, curve, result, and what looks suspicious."""

import json
from pathlib import Path

import numpy as np
import pandas as pd

from vdcast.forecasts.predictions import Naive, Predictions, of
from vdcast.models.shared.trained import Trained
from vdcast.scores import convergence, cuts, figures, intervals
from vdcast.scores.words import seeds_in_words

OVERFIT = 1.15  # validation loss at the end over its best
FORMAT = ",.4g"  # 1,904 observations, not 1.9e+03
GAP = 1.5  # test error over validation error


def write(
    folder: Path, trained: Trained, predictions: Predictions, naive: Naive, target_vd: str, mape_floor: float
) -> None:
    """Write ``report.md``, ``curve.png`` and ``days.png`` into the run's ``folder``, beside what training left there."""
    history = pd.read_csv(folder / "history.csv")
    training = json.loads((folder / "training.json").read_text("utf-8"))
    target, unit = predictions.targets[0], predictions.units[0]
    run, task = trained.settings, trained.task
    figures.learning_curves(folder / "curve.png", {run.model: history}, unit)

    series = (intervals if predictions.quantiles else cuts).over_time(predictions, target_vd, target)
    ahead = f"{task.horizon * task.interval / 60:g} min ahead"
    figures.fan(folder / "days.png", {run.model: series}, unit, ahead)

    everyone = {run.name: predictions, **naive}
    one = of(everyone, [target_vd])

    def rows(these: Naive, cut: cuts.Cut) -> pd.DataFrame:
        """Of every target, one below the other."""
        by_target = [
            cuts.tables(these, list(naive), cut, mape_floor, k)[run.name].assign(target=name)
            for k, name in enumerate(predictions.targets)
        ]
        return pd.concat(by_target, ignore_index=True).set_index("target")

    horizons = rows(one, cuts.by_horizon(one[run.name]))
    warnings = [f"{training['problem']}."] if training["problem"] else []
    warnings += training["notes"]
    warnings += suspicious(
        history,
        training,
        horizons.loc[[target]],
        rows(everyone, cuts.overall()).loc[target],
    )
    settings = {**run.network.model_dump(), **run.train.model_dump(exclude={"device"})}
    lines = [
        f"# {run.name}",
        "",
        *(f"**{warning}**\n" for warning in warnings),
        "## Data",
        "",
        f"{len(task.vd_ids)} VDs ({', '.join(task.vd_ids[:12])}{', ...' if len(task.vd_ids) > 12 else ''}), "
        f"inputs {', '.join(task.features)}, forecast {', '.join(task.targets)}; lookback {task.length} and "
        f"horizon {task.horizon} steps of {task.interval / 60:g} minutes. "
        f"{training['windows']} training windows, {len(predictions.origins)} test windows.",
        "",
        "## Settings",
        "",
        pd.DataFrame(
            [(key, json.dumps(value)) for key, value in settings.items()], columns=["key", "value"]
        ).to_markdown(index=False),
        "",
        "## Training",
        "",
        f"{training['parameters']:,} parameters in the networks of one seed; {training['copies']} networks trained, over all seeds; {training['epochs']} epochs "
        f"(best: {', '.join(str(epoch or 'none') for epoch in training['best_epoch'][:12])}), {training['seconds']:.0f} s of computing on {training['device']}, "
        f"peak memory {training['peak_memory_mb']:.0f} MB.",
        "",
        "![learning curve](curve.png)",
        "",
        f"## Result on the test part, VD {target_vd}",
        "",
        f"{seeds_in_words(len(predictions.forecast))} MAPE over observations of at least {mape_floor:g}; "
        "skill against the best naive forecast of the same horizon; R2 around each VD's own mean.",
        "",
        in_figures(horizons.rename(columns={"horizon": "minutes"})),
        "",
        "![typical and worst day](days.png)",
        "",
    ]
    if predictions.quantiles:
        lines += intervals.run_section(one[run.name], run.model, trained.pools.numpy())
    if len(predictions.vd_ids) > 1:
        lines += [
            "## By VD",
            "",
            in_figures(rows(everyone, cuts.by_vd(predictions))),
            "",
        ]
    (folder / "report.md").write_text("\n".join(lines), "utf-8")


def in_figures(table: pd.DataFrame) -> str:
    """As markdown; what is undefined says so."""

    def figure(value) -> str:
        if isinstance(value, float):
            return format(value, FORMAT) if np.isfinite(value) else "undefined"
        return f"{value:,}" if isinstance(value, int) else value

    return table.map(figure).to_markdown(disable_numparse=True)


def suspicious(
    history: pd.DataFrame,
    training: dict,
    horizons: pd.DataFrame,
    overall: pd.Series,
) -> list[str]:
    """What a careful reader would want to be told first, of the headline target."""
    found = []
    best, last = history.validation_loss.min(), history.validation_loss.iloc[-1]
    if cut_short := convergence.cut_short(training):
        found.append(f"Not converged: {cut_short}.")
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
