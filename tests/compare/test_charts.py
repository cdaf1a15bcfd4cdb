"""What a comparison leaves for the page, against figures worked out by hand."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from tests.forecasts.small import NAN, models, naive
from vdcast.compare.charts import charts_of, telling_series
from vdcast.forecasts.quantiles import Quantiles
from vdcast.records.charts import Curve, History

HISTORY = pd.DataFrame(
    [[1, 0.5, 0.25, NAN]], columns=["epoch", "train_loss", "validation_loss", "validation_mae"]
)


def made(predictions) -> tuple:
    baselines = naive(predictions["lstm"].vd_ids)
    return baselines, charts_of(predictions, baselines, dict.fromkeys(predictions, HISTORY))


def test_errors_are_means_over_what_is_valid():
    _, charts = made(models())
    assert charts.vds == ["a", "b"] and charts.minutes == [60.0, 120.0] and charts.interval is None
    errors = charts.errors["xlstm"]
    pooled = pytest.approx((4 * 1 + 3 * 5) / 7, rel=1e-3)  # no mean of means
    assert errors.overall.all == [pooled] and errors.overall.each == [[1.0], [5.0]]
    assert errors.by_horizon == Curve([3.0, 2.333], [[1.0, 1.0], [5.0, 5.0]])
    assert errors.by_hour.each[1][:4] == [5.0, 5.0, None, None], "the only value of VD b at 02:00 is a gap"
    assert errors.by_hour.each[0][:4] == [1.0, 1.0, 1.0, None]
    assert charts.errors["persistence"].overall.each == [[2.0], [2.0]]
    assert charts.history["lstm"] == History(
        epoch=[1.0], train_loss=[0.5], validation_loss=[0.25], validation_mae=[None]
    )


def test_what_a_network_without_weights_did_not_forecast_is_not_averaged_away():
    predictions = models()
    predictions["lstm"].forecast[1, :, :, 1] = NAN  # the second seed has no weights for VD b
    _, charts = made(predictions)
    errors = charts.errors["lstm"]
    assert errors.overall == Curve([None], [[1.0], [None]])
    assert errors.by_horizon == Curve([None, None], [[1.0, 1.0], [None, None]])


def test_with_quantiles_the_coverage_of_the_widest_interval_comes_along():
    fans = {
        model: replace(
            one,
            quantiles=Quantiles(
                levels=(0.1, 0.5, 0.9),
                raw=one.forecast[..., None] + np.array([-2, 0, 3], np.float32),
                margins=np.zeros((2, 2, 2, 1, 3), np.float32),
            ),
        )
        for model, one in models().items()
    }
    baselines, charts = made(fans)
    assert charts.interval == 0.8
    per_vd = 3 * (
        1 + 2 * (3 + 2 * 2)
    )  # times x (observed + horizons x (models, baseline and ends of intervals))
    assert telling_series(fans, baselines, "a", charts, limit=2 * per_vd).vd_ids == ("a", "b")
    assert telling_series(fans, baselines, "a", charts, limit=2 * per_vd - 1).vd_ids == ("a",)


def test_what_is_too_much_leaves_the_target_vd_and_where_the_models_differ_most():
    predictions = models()
    baselines, charts = made(predictions)
    assert telling_series(predictions, baselines, "a", charts).vd_ids == ("a", "b")
    assert telling_series(predictions, baselines, "b", charts).vd_ids == ("b", "a")
    assert telling_series(predictions, baselines, "a", charts, limit=0).vd_ids == ("a",), (
        "the target VD stays"
    )
