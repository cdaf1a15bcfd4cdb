from itertools import pairwise

import matplotlib.image
import numpy as np
import pandas as pd
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg

from tests.records import made
from vdcast.records.comparison import NoComparison
from vdcast.scores import figures
from vdcast.scores.names import GREYS


def series(days=4, error=1.0) -> pd.DataFrame:
    time = pd.date_range("2024-05-06", periods=24 * days, freq="h")
    observed = 20 + 10 * np.sin(np.arange(len(time)))
    return pd.DataFrame({"time": time, "observed": observed, "forecast": observed + error})


def drawn(path) -> bool:
    """Whether the picture holds more than its background."""
    return matplotlib.image.imread(path)[..., :3].std() > 0.01


def test_a_model_has_one_colour_and_a_baseline_is_grey():
    assert figures.style("lstm")["color"] != figures.style("xlstm")["color"]
    assert {figures.style(name)["color"] for name in GREYS} == {"0.55"}


def test_the_worst_day_is_the_one_with_the_largest_error(tmp_path, monkeypatch):
    table = series()
    table.loc[table.time.dt.day == 8, "forecast"] += 30
    table.loc[table.time.dt.day == 9, "observed"] = np.nan  # a day that nobody observed is no day at all
    titles = []
    monkeypatch.setattr(figures.Axes, "set", lambda self, **kw: titles.append(kw.get("title")))
    figures.days(tmp_path / "days.png", {"lstm": table}, "veh/h", 60)
    assert titles[0].startswith("Typical day: ") and "2024-05-09" not in titles[0]
    assert titles[1].startswith("Worst day: Wednesday 2024-05-08")


def test_nothing_observed_is_said_in_the_picture(tmp_path, monkeypatch):
    table = series()
    table["observed"] = np.nan
    said = []
    monkeypatch.setattr(figures.Axes, "text", lambda self, x, y, words, **_: said.append(words))
    figures.days(tmp_path / "days.png", {"lstm": table}, "veh/h", 60)
    assert said == ["No day of the test part has an observation and a forecast, 60 min ahead."]


def test_every_figure_is_drawn_and_twice_the_same_bytes(tmp_path):
    history = pd.DataFrame(
        {
            "epoch": [1, 2],
            "train_loss": [2.0, 1.0],
            "validation_loss": [2.0, 1.5],
            "validation_mae": [9.0, 8.0],
        }
    )
    horizons = pd.DataFrame({"horizon": [15, 30], "mae": [3.0, 4.0]})
    hours = pd.DataFrame({"hour": range(24), "mae": np.linspace(1, 5, 24)})
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        figures.learning_curves(
            tmp_path / folder / "curves.png", {"lstm": history, "xlstm": history}, "veh/h"
        )
        figures.error_by_horizon(
            tmp_path / folder / "by_horizon.png", {"lstm": horizons, "persistence": horizons}, "veh/h"
        )
        figures.error_by_hour(tmp_path / folder / "by_hour.png", {"xlstm": hours}, "veh/h")
        figures.days(
            tmp_path / folder / "days.png", {"lstm": series(), "xlstm": series(error=2)}, "veh/h", 60
        )
        scores = {"target_vd": {"lstm": made.scores(3.0, mae_sd=0.1), "xlstm": made.scores(None)}}
        modes = {
            "single_vd": NoComparison(mode="single_vd", problem="why"),
            **{f"mode {i}": made.comparison(scores=scores) for i in range(6)},  # more than there are markers
        }
        figures.cost(tmp_path / folder / "cost.png", modes)
        figures.scatter(tmp_path / folder / "scatter.png", {"lstm": series(), "xlstm": series()}, "veh/h", 60)
    for path in (tmp_path / "a").iterdir():
        assert drawn(path), path.name
        assert path.read_bytes() == (tmp_path / "b" / path.name).read_bytes(), path.name


@pytest.mark.parametrize("ratio", [1.05, 3, 60, 5000])
def test_costs_of_any_spread_have_labels_that_do_not_overlap(tmp_path, monkeypatch, ratio):
    """A logarithmic axis of less than a decade is labelled at its minor ticks, one label on the other."""
    figure = []
    monkeypatch.setattr(figures, "_save", lambda drawn, _: figure.append(drawn))
    spent = {"parameters": 39_621, "seconds": 5.2, "flops_per_window": 1_360_000, "latency_ms": 0.2}
    more = {name: ratio * value for name, value in spent.items()}
    mode = made.comparison(cost={"lstm": made.spent(**spent), "xlstm": made.spent(**more)})
    figures.cost(tmp_path / "cost.png", {"single_vd": mode})
    FigureCanvasAgg(figure[0]).draw()
    for axis in figure[0].axes:
        low, high = axis.get_xlim()
        at = [*axis.get_xticklabels(), *axis.get_xticklabels(minor=True)]
        shown = [label for label in at if label.get_text() and low <= label.get_position()[0] <= high]
        boxes = sorted((label.get_window_extent() for label in shown), key=lambda box: box.x0)
        assert boxes and all(left.x1 < right.x0 for left, right in pairwise(boxes))


def test_a_fan_chart_has_a_row_per_model_and_a_band_per_interval(tmp_path, monkeypatch):
    table = series(error=2.0)
    for column, offset in (("p5", -6), ("p25", -3), ("p50", 0), ("p75", 4), ("p95", 8)):
        table[column] = table.forecast + offset
    bands = []
    fill = figures.Axes.fill_between

    def noted(axis, x, low, high, **look):
        bands.append((look["label"], float(np.mean(high - low))))
        return fill(axis, x, low, high, **look)

    monkeypatch.setattr(figures.Axes, "fill_between", noted)
    figures.fan(tmp_path / "fan.png", {"lstm": table, "xlstm": table}, "veh/h", 60)
    assert drawn(tmp_path / "fan.png")
    assert bands == [("p5 to p95", pytest.approx(14)), ("p25 to p75", pytest.approx(7))] * 4
    bands.clear()
    figures.fan(tmp_path / "days.png", {"lstm": series()}, "veh/h", 60)
    assert drawn(tmp_path / "days.png") and not bands
