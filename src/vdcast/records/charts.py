"""``reports/comparisons/<mode>/charts.json``: the curves of one mode that the page draws (its series: series.h5)."""

import msgspec


class Curve(msgspec.Struct, frozen=True):
    """MAE of the headline target by label, four significant digits, null where undefined."""

    all: list[float | None]  # (labels,) of all VDs together
    each: list[list[float | None]]  # (V, labels)


class ErrorCurves(msgspec.Struct, frozen=True, kw_only=True):
    by_horizon: Curve
    by_hour: Curve
    overall: Curve  # one label


class History(msgspec.Struct, frozen=True, kw_only=True):
    """history.csv by column."""

    epoch: list[float | None]
    train_loss: list[float | None]
    validation_loss: list[float | None]
    validation_mae: list[float | None]


class Charts(msgspec.Struct, frozen=True, kw_only=True):
    vds: list[str]
    minutes: list[float]  # (H,) from the origin's interval to the one that is forecast
    interval: float | None  # nominal coverage of the widest interval, null without quantiles
    errors: dict[str, ErrorCurves]  # by baseline and model
    history: dict[str, History]  # by model
