"""What the page carries for its charts, of modes that see different VDs."""

import base64
import gzip
import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from tests.forecasts.small import models, naive
from vdcast.errors import InputError
from vdcast.forecasts.series import Series, series_of
from vdcast.records.charts import Charts, Curve, ErrorCurves, History
from vdcast.report import page_data

VDS = {"single_vd": ["a"], "multi_vd": ["a", "b"], "independent_multi_vd": ["a", "b"]}


def charts(vds, lstm, xlstm) -> Charts:
    """With those errors over all horizons, by VD."""

    def errors(mae) -> ErrorCurves:
        curve = Curve([1.0], [[each] for each in mae])
        return ErrorCurves(by_horizon=curve, by_hour=curve, overall=curve)

    history = History(epoch=[1.0], train_loss=[0.5], validation_loss=[0.25], validation_mae=[None])
    return Charts(
        vds=list(vds),
        minutes=[60.0, 120.0],
        interval=None,
        errors={"lstm": errors(lstm), "xlstm": errors(xlstm)},
        history={"lstm": history},
    )


def merged(series: dict[str, Series] | None = None, **options) -> dict:
    every = {mode: charts(vds, [1] * len(vds), [1, 5][: len(vds)]) for mode, vds in VDS.items()}
    series = series or {mode: series_of({**models(vds), **naive(vds)}, vds) for mode, vds in VDS.items()}
    return page_data.merged(every, series, target_vd="a", baseline="persistence", **options)


def test_modes_share_one_list_of_vds():
    data = merged()
    assert data["vds"] == ["a", "b"] and data["minutes"] == [60.0, 120.0]
    assert {mode: each["vds"] for mode, each in data["modes"].items()} == {
        "single_vd": [0],
        "multi_vd": [0, 1],
        "independent_multi_vd": [0, 1],
    }
    assert data["modes"]["multi_vd"]["errors"]["xlstm"]["overall"] == {"all": [1.0], "each": [[1], [5]]}
    assert data["modes"]["multi_vd"]["history"]["lstm"]["validation_mae"] == [None]


def test_series_are_rounded_and_laid_along_local_time():
    series = merged()["series"]
    midnight = pd.Timestamp("2024-01-01 00:00")  # local
    assert [page_data.EPOCH + pd.Timedelta(minutes=m) for m in series["times"]] == [
        midnight + pd.Timedelta(hours=h) for h in range(3)
    ]
    assert series["step"] == pytest.approx(0.01) and series["horizons"] == [0, 1] and series["vds"] == [0, 1]
    assert series["observed"] == [[1000, 2000, 3000], [100, 200, None]]
    baseline = series["forecasts"]["naive"]["persistence"]
    assert baseline[0][1] == [300, 400, None] and baseline[1][1] == [
        None,
        400,
        200,
    ]  # by horizon, along the times
    assert series["forecasts"]["single_vd"]["lstm"][0] == [[1000, 2000, None], [None] * 3]  # it has no VD b


def test_with_quantiles_the_ends_of_the_interval_come_along():
    series = {mode: series_of({**models(vds), **naive(vds)}, vds) for mode, vds in VDS.items()}
    wide = series["multi_vd"].forecasts["lstm"]
    series["multi_vd"] = replace(series["multi_vd"], intervals={"lstm": np.stack([wide - 3, wide + 4])})
    found = merged(series)["series"]["forecasts"]["multi_vd"]
    assert set(found) == {"lstm", "lstm_low", "lstm_high", "xlstm"}
    assert [found[who][0][0][:2] for who in ("lstm", "lstm_low", "lstm_high")] == [
        [1000, 2000], [700, 1700], [1400, 2400],
    ]  # fmt: skip


def test_what_is_too_much_leaves_the_target_vd_and_where_the_models_differ_most():
    per_vd = 3 * (1 + 2 * 7)  # times x (observed + horizons x (6 runs + a baseline))
    assert merged(limit=2 * per_vd)["series"]["vds"] == [0, 1]
    assert merged(limit=2 * per_vd - 1)["series"]["vds"] == [0]
    assert merged(limit=0)["series"]["vds"] == [0], "the target VD always stays"


def test_a_vd_whose_series_one_mode_left_out_is_not_carried():
    """Else it would seem to have no forecast in that mode."""
    series = {
        mode: series_of({**models(vds), **naive(vds)}, vds[: 1 if mode == "multi_vd" else None])
        for mode, vds in VDS.items()
    }
    assert merged(series)["series"]["vds"] == [0]


def test_modes_of_different_windows_have_no_axis_in_common():
    series = {mode: series_of({**models(vds), **naive(vds)}, vds) for mode, vds in VDS.items()}
    series["multi_vd"] = replace(series["multi_vd"], times=series["multi_vd"].times + 3600)
    with pytest.raises(InputError, match="single_vd and multi_vd were not evaluated on the same windows"):
        merged(series)


def test_those_that_differ_most_come_first():
    def mode(vds, lstm, xlstm):
        errors = {
            name: {"overall": {"each": [[x] for x in mae]}}
            for name, mae in (("lstm", lstm), ("xlstm", xlstm))
        }
        return {"vds": vds, "errors": errors}

    modes = {"m": mode([0, 1, 2], [1, 1, 1], [1.1, 4, 1]), "i": mode([2, 3], [1, None], [3, None])}
    assert page_data._most_telling(modes, 4) == [1, 2, 0, 3]


def test_packed_is_the_same_every_time_and_harmless_in_html():
    data = {"vd": "國道 </script><script>alert(1)</script>", "mae": [1.5, None]}
    packed = page_data.packed(data)
    assert packed == page_data.packed(data) and not set(packed) & set("<>&\"'")
    assert json.loads(gzip.decompress(base64.b64decode(packed))) == data
