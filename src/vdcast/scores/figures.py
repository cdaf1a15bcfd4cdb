"""The pictures of the reports. A model is a colour, everywhere; a baseline is grey."""

import itertools
from collections.abc import Mapping
from datetime import date
from pathlib import Path

import matplotlib.dates as mdates
import numpy as np
import pandas as pd
from matplotlib import rcParams
from matplotlib.axes import Axes
from matplotlib.figure import (
    Figure,
)  # and not pyplot, which is for windows on a screen and takes as long again to import
from matplotlib.ticker import EngFormatter, LogLocator, MaxNLocator, NullFormatter
from msgspec import UNSET

from vdcast.escape import plot
from vdcast.language import say
from vdcast.records.comparison import Comparison, NoComparison
from vdcast.scores.fonts import legible
from vdcast.scores.names import COLOURS, GREYS, label

MARKERS = "os^Dv"  # of modes

rcParams.update(
    {
        "figure.dpi": 120,
        "font.size": 9,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.grid": True,
        "grid.alpha": 0.3,
        "legend.frameon": False,
    }
)


def style(name: str) -> dict:
    """Colour, dash and label of a model, a baseline or the observation."""
    if name == "observed":
        return {"color": "black", "lw": 1.2, "label": label(name)}
    if name in GREYS:
        return {"color": "0.55", "ls": GREYS[name], "lw": 1.2, "label": label(name)}
    return {"color": COLOURS.get(name, "#009E73"), "lw": 1.6, "label": label(name)}


def panels(
    rows: int = 1, columns: int = 1, *, figsize: tuple[float, float], sharey: bool = False
) -> tuple[Figure, np.ndarray]:
    """A figure of so many inches and its axes (rows, columns)."""
    figure = Figure(figsize=figsize, layout="constrained")
    return figure, figure.subplots(rows, columns, sharey=sharey, squeeze=False)


@legible
def learning_curves(path: Path, histories: Mapping[str, pd.DataFrame], unit: str) -> None:
    """Left: loss in training (thin) and validation (thick). Right: MAE on the validation part, in units."""
    figure, ((loss, mae),) = panels(1, 2, figsize=(9, 3))
    for name, history in histories.items():
        look = style(name)
        loss.plot(history.epoch, history.validation_loss, **look)
        thin = {"lw": 0.8, "label": say("scores.picture.training", model=look["label"])}
        loss.plot(history.epoch, history.train_loss, **look | thin)
        mae.plot(history.epoch, history.validation_mae, **look)
    epoch = say("scores.picture.epoch")
    loss.set(xlabel=epoch, ylabel=say("scores.picture.loss"), title=say("scores.picture.loss_title"))
    mae.set(xlabel=epoch, ylabel=_mae(unit), title=say("scores.picture.validation_error"))
    loss.legend()
    _save(figure, path)


def _mae(unit: str) -> str:
    return say("scores.picture.mae", unit=plot(unit))


@legible
def error_by_horizon(path: Path, tables: Mapping[str, pd.DataFrame], unit: str) -> None:
    """MAE against how far ahead."""
    figure, ((axis,),) = panels(figsize=(5, 3.2))
    for name, table in tables.items():
        axis.plot(table.horizon, table.mae, marker="o", ms=3, **style(name))
    axis.set(
        xlabel=say("scores.picture.minutes_ahead"),
        ylabel=_mae(unit),
        title=say("scores.picture.by_horizon"),
        ylim=(0, None),
    )
    axis.legend()
    _save(figure, path)


@legible
def error_by_hour(path: Path, tables: Mapping[str, pd.DataFrame], unit: str) -> None:
    """MAE against the local hour of the day that was forecast."""
    figure, ((axis,),) = panels(figsize=(6, 3.2))
    for name, table in tables.items():
        axis.plot(table.hour, table.mae, **style(name))
    axis.set(
        xlabel=say("scores.picture.hour"),
        ylabel=_mae(unit),
        title=say("scores.picture.by_hour"),
        ylim=(0, None),
    )
    axis.set_xticks(range(0, 25, 3))
    axis.legend()
    _save(figure, path)


@legible
def days(path: Path, series: Mapping[str, pd.DataFrame], unit: str, ahead: float) -> None:
    """Forecast against observation, so many minutes ``ahead``, on a typical and on the worst day (by the mean error of all
    ``series``).
    """
    if not (chosen := _typical_and_worst(series)):
        return _no_day(path, ahead)
    figure, (axes,) = panels(1, 2, figsize=(9, 3), sharey=True)
    for axis, (kind, day) in zip(axes, chosen.items(), strict=True):
        _draw_day(axis, day, series)
        axis.set(title=_of_day(kind, day, ahead), xlabel=say("scores.picture.local_time"))
    axes[0].set_ylabel(plot(unit))
    axes[0].legend()
    _save(figure, path)


@legible
def fan(path: Path, series: Mapping[str, pd.DataFrame], unit: str, ahead: float) -> None:
    """A typical and the worst day again, a row per model: its forecast, and its intervals where it has some.

    The columns of a table after ``time``, ``observed`` and ``forecast`` are its quantiles, ascending.
    """
    if not (chosen := _typical_and_worst(series)):
        return _no_day(path, ahead)
    size = 9, 0.4 + 2.6 * len(series)
    figure, axes = panels(len(series), 2, figsize=size, sharey=True)
    for row, (name, table) in zip(axes, series.items(), strict=True):
        levels = [column for column in table.columns if column not in ("time", "observed", "forecast")]
        for axis, (kind, day) in zip(row, chosen.items(), strict=True):
            at = table.time.dt.date == day
            for low, high in zip(levels[: len(levels) // 2], levels[::-1], strict=False):
                band = dict(
                    color=style(name)["color"], alpha=0.2, lw=0, label=say("scores.range", low=low, high=high)
                )
                axis.fill_between(table.time[at], table[low][at], table[high][at], **band)
            _draw_day(axis, day, {name: table})
            axis.set(title=_of_day(kind, day, ahead))
        row[0].set_ylabel(plot(unit))
        row[0].legend()
    for axis in axes[-1]:
        axis.set_xlabel(say("scores.picture.local_time"))
    _save(figure, path)


def _typical_and_worst(series: Mapping[str, pd.DataFrame]) -> dict[str, date]:
    """The day of the median and of the largest mean error of all ``series``, of days that are nearly whole.

    Empty where no day has an observation and a forecast.
    """
    first = next(iter(series.values()))
    days = first.time.dt.date
    errors = [(table.forecast - first.observed).abs() for table in series.values()]
    error = pd.concat(errors, axis=1).sum(axis=1, min_count=1)  # of a model without forecast, nothing
    whole = days.map(days.value_counts()) >= 0.9 * days.value_counts().max()
    daily = error[whole].groupby(days[whole]).mean().dropna().sort_values()
    if daily.empty:
        return {}
    return {"typical": daily.index[(len(daily) - 1) // 2], "worst": daily.index[-1]}


def _of_day(kind: str, day: date, ahead: float) -> str:
    weekday = say(f"scores.weekday.{day.weekday()}")
    return say(f"scores.picture.{kind}", weekday=weekday, day=f"{day:%Y-%m-%d}", ahead=_ahead(ahead))


def _ahead(minutes: float) -> str:
    return say("scores.min_ahead", minutes=f"{minutes:,g}")


def _no_day(path: Path, ahead: float) -> None:
    """Says that there is nothing to draw."""
    figure, ((axis,),) = panels(figsize=(9, 1))
    axis.set_axis_off()
    axis.text(0.5, 0.5, say("scores.picture.no_day", ahead=_ahead(ahead)), ha="center")
    _save(figure, path)


def _draw_day(axis: Axes, day: date, series: Mapping[str, pd.DataFrame]) -> None:
    """Observation and forecasts of one day."""
    first = next(iter(series.values()))
    at = first.time.dt.date == day
    axis.plot(first.time[at], first.observed[at], **style("observed"))
    for name, table in series.items():
        axis.plot(table.time[at], table.forecast[at], **style(name))
    axis.xaxis.set_major_formatter(mdates.DateFormatter("%H:%M"))
    axis.xaxis.set_major_locator(mdates.HourLocator(byhour=range(0, 24, 6)))


@legible
def scatter(path: Path, series: Mapping[str, pd.DataFrame], unit: str, ahead: float) -> None:
    """Forecast against observation, a point per window."""
    figure, (axes,) = panels(1, len(series), figsize=(3.4 * len(series), 3.4), sharey=True)
    top = max(np.nanmax(table[["observed", "forecast"]].to_numpy()) for table in series.values())
    for axis, (name, table) in zip(axes, series.items(), strict=True):
        axis.plot([0, top], [0, top], color="0.6", lw=0.8)
        axis.scatter(table.observed, table.forecast, s=6, alpha=0.5, color=style(name)["color"])
        axis.set(
            title=say("scores.picture.of_model", model=label(name), ahead=_ahead(ahead)),
            xlabel=say("scores.picture.observed", unit=plot(unit)),
        )
    axes[0].set_ylabel(say("scores.picture.forecast", unit=plot(unit)))
    _save(figure, path)


@legible
def cost(path: Path, modes: Mapping[str, Comparison | NoComparison]) -> None:
    """MAE of the target VD against what it takes, a point per run."""
    what = ("parameters", "seconds", "flops_per_window", "latency_ms")
    figure, (axes,) = panels(1, len(what), figsize=(11, 3), sharey=True)
    for (mode, it), marker in zip(modes.items(), itertools.cycle(MARKERS)):
        if isinstance(it, NoComparison):
            continue
        for model, spent in it.cost.items():
            scores = it.scores["target_vd"][model]
            if scores.mae is None:
                continue
            spread = None if scores.mae_sd is UNSET else scores.mae_sd
            run = say("scores.picture.run", model=label(model), mode=mode)
            look = {"color": style(model)["color"], "label": run}
            for axis, key in zip(axes, what, strict=True):
                axis.errorbar(getattr(spent, key), scores.mae, spread, marker=marker, ms=5, ls="", **look)
        axes[0].set_ylabel(_mae(it.unit))
    for axis, key in zip(axes, what, strict=True):
        axis.set(xlabel=say(f"scores.picture.{key}"), xscale="log")
        _few_labels(axis)
    if axes[0].has_data():
        figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
    _save(figure, path)


@legible
def best_so_far(path: Path, curves: Mapping[str, list[tuple[float, float]]]) -> None:
    """The lowest error of the trials of a search against the CPU seconds that they took, a curve per model."""
    figure, ((axis,),) = panels(figsize=(6, 3.2))
    for name, points in curves.items():
        axis.plot(*np.array(points or np.empty((0, 2))).T, drawstyle="steps-post", marker=".", **style(name))
    axis.set(
        xlabel=say("scores.picture.seconds_of_trials"),
        ylabel=say("scores.picture.lowest"),
        title=say("scores.picture.search"),
    )
    axis.legend()
    _save(figure, path)


def _few_labels(axis: Axes) -> None:
    """Of a logarithmic x axis: by itself it labels minor ticks where it spans less than a decade, one on the other."""
    low, high = axis.get_xlim()
    subs = (1, 2, 5) if high < 100 * low else (1,)
    axis.xaxis.set_major_locator(MaxNLocator(3) if high < 4 * low else LogLocator(subs=subs))
    thousands = EngFormatter(sep="")  # 50k, 2M
    axis.xaxis.set_major_formatter(lambda value, _: f"{value:g}" if value < 1000 else thousands(value))
    axis.xaxis.set_minor_formatter(NullFormatter())


def _save(figure: Figure, path: Path) -> None:
    figure.savefig(path)
