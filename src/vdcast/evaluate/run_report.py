"""One page per run: data, settings, curve, result, and what looks suspicious."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
from msgspec import structs

from vdcast.escape import markdown, prose
from vdcast.forecasts.predictions import Named, Predictions, of
from vdcast.language import feature, in_words, say
from vdcast.models.shared.task import Task
from vdcast.models.shared.trained import Trained
from vdcast.params.sections import Run
from vdcast.params.times import minutes
from vdcast.records import curves, io
from vdcast.records.cost import Cost
from vdcast.records.training import Training
from vdcast.scores import cuts, figures, intervals
from vdcast.scores.words import LATENCY_BATCH, cut_short, seeds_in_words, shown, significant

OVERFIT = 1.15  # validation loss at the end over its best
FORMAT = ",.4g"  # 1,904 observations, not 1.9e+03
LISTED = 12  # VDs, and copies
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
    """Write ``report.md``, ``curve.png`` and ``days.png`` into the run's ``folder``, beside what training and ``measure`` left there."""
    target, unit, run = predictions.targets[0], predictions.units[0], trained.settings
    training = io.read(folder / "training.json", Training, f"train@{run.name}")
    history = curves.read(run.name, training)
    figures.learning_curves(folder / "curve.png", {run.model: history}, unit)
    series = (intervals.fan_over_time if predictions.quantiles else cuts.over_time)(
        predictions, target_vd, target
    )
    ahead = trained.task.horizon * trained.task.interval / 60
    figures.fan(folder / "days.png", {run.model: series}, unit, ahead)

    everyone = {run.name: predictions, **baselines}
    one = of(everyone, [target_vd])
    horizons = _by_target(one, run.name, cuts.by_horizon(one[run.name]), mape_floor)
    overall = _by_target(everyone, run.name, cuts.overall(), mape_floor)
    warnings = [
        *([say("language.sentence", clause=training.problem)] if training.problem else []),
        *map(in_words, training.notes),
        *suspicious(history, training, horizons.loc[[target]], overall.loc[target]),
    ]
    lines = [f"# {run.name}", "", *(f"**{prose(warning)}**\n" for warning in warnings)]
    lines += _data(trained.task, training, len(predictions.origins))
    lines += _settings(run)
    lines += _training(training)
    lines += _forecasting(io.read(folder / "cost.json", Cost, f"evaluate@{run.name}"))
    lines += _result(target_vd, len(predictions.forecast), mape_floor, horizons)
    if predictions.quantiles:
        assert trained.pools is not None  # a run with quantiles was calibrated
        lines += intervals.run_section(one[run.name], run.model, trained.pools.numpy())
    if len(predictions.vd_ids) > 1:
        vds = _by_target(everyone, run.name, cuts.by_vd(predictions), mape_floor)
        lines += [f"## {say('evaluate.by_vd')}", "", in_figures(vds), ""]
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
    more = ["..."] if len(task.vd_ids) > LISTED else []
    return [
        f"## {say('evaluate.data')}",
        "",
        say(
            "evaluate.seen",
            number=len(task.vd_ids),
            vds=[*map(markdown, task.vd_ids[:LISTED]), *more],
            features=[markdown(feature(name)) for name in task.features],
            targets=[markdown(feature(name)) for name in task.targets],
            lookback=minutes(task.length * task.interval),
            horizon=minutes(task.horizon * task.interval),
            interval=minutes(task.interval),
            training=training.windows,
            test=windows,
        ),
        "",
    ]


def _settings(run: Run) -> list[str]:
    settings = {**run.network.model_dump(), **run.train.model_dump(exclude={"device"})}
    rows = [(key, json.dumps(value)) for key, value in settings.items() if value is not None]
    table = pd.DataFrame(rows, columns=[say("evaluate.key"), say("evaluate.value")])
    return [f"## {say('evaluate.settings')}", "", table.to_markdown(index=False), ""]


def _training(training: Training) -> list[str]:
    best = [str(epoch) if epoch else say("scores.none") for epoch in training.best_epoch[:LISTED]]
    spent = say(
        "evaluate.trained",
        parameters=training.parameters,
        copies=training.copies,
        epochs=training.epochs,
        best=best,
        seconds=training.seconds,
        device=training.device,
        memory=training.peak_memory_mb,
    )
    if training.kernel != "vanilla":
        spent += f" {say('evaluate.kernel', kernel=training.kernel)}"
    curve = f"![{say('evaluate.curve')}](curve.png)"
    return [f"## {say('evaluate.training')}", "", spent, "", curve, ""]


def _forecasting(cost: Cost) -> list[str]:
    known = {
        f"{of}_{name}": significant(each)
        for of, latency in (("one", cost.latency_ms), ("many", cost.latency_batch_ms))
        for name, each in structs.asdict(latency).items()
    }
    took = say("evaluate.took", windows=LATENCY_BATCH, device=cost.device, threads=cost.threads, **known)
    return [f"## {say('evaluate.forecasting')}", "", took, ""]


def _result(target_vd: str, seeds: int, mape_floor: float, horizons: pd.DataFrame) -> list[str]:
    read = say("evaluate.how_to_read", seeds=seeds_in_words(seeds), floor=f"{mape_floor:g}")
    return [
        f"## {say('evaluate.result', vd=markdown(target_vd))}",
        "",
        read,
        "",
        in_figures(horizons),
        "",
        f"![{say('evaluate.days')}](days.png)",
        "",
    ]


def in_figures(table: pd.DataFrame) -> str:
    """As markdown; what is undefined says so."""

    def figure(value) -> str:
        if isinstance(value, float):
            return shown(value if np.isfinite(value) else None, FORMAT)
        return f"{value:,}" if isinstance(value, int) else markdown(str(value))

    heads = {name: say(f"evaluate.head.{name}") for name in table.columns}
    said = table.map(figure).rename(index=lambda name: markdown(feature(name)), columns=heads)
    return said.rename_axis(say("evaluate.head.target")).to_markdown(disable_numparse=True)


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
        found.append(say("evaluate.not_converged", why=short))
    if last > OVERFIT * best:
        found.append(say("evaluate.overfitting", best=best, last=last))
    worse = horizons[horizons.skill < 0]
    if len(worse):
        found.append(say("evaluate.worse_at", minutes=[f"{minutes:g}" for minutes in worse.horizon]))
    if overall.skill < 0:
        found.append(say("evaluate.worse_over_all", skill=overall.skill))
    validation = history.validation_mae.min()
    if overall.mae > GAP * validation:
        found.append(say("evaluate.changed", test=overall.mae, validation=validation))
    if np.isnan(overall.r2) and np.isfinite(overall.mae):
        found.append(say("evaluate.r2_undefined"))
    return found
