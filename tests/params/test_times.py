"""Windows in time, in steps, and both."""

import pytest

from tests.params.test_load import SHIPPED, write
from vdcast import params
from vdcast.errors import InputError
from vdcast.params.times import in_steps, minutes


def window(**keys) -> dict:
    return in_steps({"window": keys}, 900)["window"]


@pytest.mark.parametrize(
    ("lookback", "steps"), [("5h", 20), ("300min", 20), ("18000s", 20), ("1d", 96), ("45 min", 3)]
)
def test_a_duration_is_so_many_steps(lookback, steps):
    assert window(lookback=lookback, horizon="60min") == {"sequence_length": steps, "prediction_length": 4}


def test_the_file_that_is_shipped_looks_back_five_hours():
    settings = params.load(SHIPPED)
    assert (settings.window.sequence_length, settings.window.prediction_length) == (20, 4)
    assert settings.evaluate.horizons == [1, 2, 4]


def test_steps_are_taken_too_alone_or_where_they_agree():
    assert window(sequence_length=20, horizon="1h") == {"sequence_length": 20, "prediction_length": 4}
    assert window(sequence_length=20, lookback="5h", prediction_length=4) == {
        "sequence_length": 20,
        "prediction_length": 4,
    }
    both = in_steps({"window": {"lookback": "1h", "horizon": "1h"}, "evaluate": {"horizons": [1, "1h"]}}, 900)
    assert both["evaluate"]["horizons"] == [1, 4]


def test_the_lookback_of_a_network_is_in_steps_wherever_it_stands(tmp_path):
    runs = {"lstm-single_vd": {"model": "lstm", "mode": "single_vd", "lookback": "45min"}}
    found = in_steps(
        {"xlstm": {"lookback": "1h"}, "runs": runs, "search": {"lstm": {"lookback": [None, "2h", 3]}}}, 900
    )
    assert found["xlstm"]["lookback"] == 4 and found["runs"]["lstm-single_vd"]["lookback"] == 3
    assert found["search"]["lstm"]["lookback"] == [None, 8, 3]


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (("window.sequence_length", 12), "window.lookback 5h is 20 steps, and window.sequence_length is 12; keep one of the two keys"),
        (("window.lookback", "50min"), "window.lookback 50min is no whole number of steps of 15 min (data.interval 900); take 45min or 60min"),
        (("window.horizon", "5min"), "window.horizon 5min is no whole number of steps of 15 min (data.interval 900); take 15min"),
        (("window.lookback", 300), "window.lookback = 300 is no duration; write a whole number and one of s, min, h, d, e.g. 60min"),
        (("window.lookback", "0h"), "window.lookback = '0h' is no duration"),
        (("window.lookback", "-5h"), "window.lookback = '-5h' is no duration"),
        (("window.lookback", None), "window.lookback = None is no duration"),
        (("window.lokback", "5h"), "window.lokback is not a setting; did you mean lookback?"),
        (("window", "5h"), "window = '5h' (str)"),
        (("window", {"lookback": "5h"}), "window.horizon is missing; a duration, e.g. 60min or 5h"),
        (("window", {"sequence_length": 0, "horizon": "1h"}), "window.sequence_length = 0 (int)"),
        (("evaluate.horizons", ["20min"]), "evaluate.horizons 20min is no whole number of steps of 15 min"),
        (("evaluate.horizons", ["15min", "2h"]), "evaluate.horizons names 8 steps, 120 min; forecasts end at 4 steps, 60 min (window.horizon)"),
        (("evaluate.horizons", []), "evaluate.horizons = [] (list)"),
        (("lstm.lookback", "6h"), "lstm.lookback (run lstm-single_vd) is 24 steps, 360 min; a window looks back 20 steps, 300 min"),
        (("runs.xlstm-multi_vd.lookback", "50min"), "runs.xlstm-multi_vd.lookback 50min is no whole number of steps"),
        (("search.lstm.lookback", ["1 hour"]), "search.lstm.lookback = '1 hour' is no duration"),
        (("data.interval", 3600), "evaluate.horizons 15min is no whole number of steps of 60 min (data.interval 3600); take 60min"),
    ],
)  # fmt: skip
def test_a_wrong_time_is_one_sentence(tmp_path, change, sentence):
    with pytest.raises(InputError) as error:
        params.load(write(tmp_path, change))
    assert sentence in str(error.value) and "\n" not in str(error.value)


def test_minutes_are_said_without_needless_digits():
    assert [minutes(each) for each in (30, 900, 3600, 7 * 86400)] == [
        "0.5 min",
        "15 min",
        "60 min",
        "10,080 min",
    ]
