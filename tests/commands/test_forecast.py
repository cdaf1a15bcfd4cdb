"""`vdcast forecast` in a folder with a model and data, where nobody trains."""

import os
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from tests.live.made import drawn
from tests.project import run
from vdcast.commands.forecast import main
from vdcast.data import store
from vdcast.ingest.formats import wide_table
from vdcast.layout import CALENDAR
from vdcast.params.sections import Calendar
from vdcast.prepare.covariates import covariates_of

END = "2023-12-05T06:00+08:00"  # of what the fixture has observed
DATA = {"format": "wide_table", "raw": "feed", "feature": "volume", "unit": "veh/h", "interval": 3600, "time_zone": "Asia/Taipei"}  # fmt: skip
FORECAST = {"folder": "forecasts", "format": "parquet", "max_age": 3600, "alarm": 0.05}


@pytest.fixture
def volumes(detectors):
    return detectors.select(detectors.vd_ids, ["volume"])


@pytest.fixture
def trained(volumes, prepare_settings, small_lstm):
    settings = prepare_settings.model_copy(update={"features": ["volume"]})
    return drawn(volumes, settings, small_lstm)


@pytest.fixture
def folder(tmp_path, volumes, trained, monkeypatch):
    """params.yaml with `data` alone, a model, and a feed: a file for the first 19 days and one for each later half day."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0})  # parsed in this process
    trained.save(Path("runs/lstm-multi_vd/model.pt"))
    Path("params.yaml").write_text(yaml.safe_dump({"data": DATA, "forecast": FORECAST}), "utf-8")
    Path("feed").mkdir()
    for part in (slice(0, 456), slice(456, 468), slice(468, 480)):
        put(volumes.rows(part.start, part.stop))
    return tmp_path


def put(part) -> None:
    times = pd.to_datetime(part.timestamps, unit="s", utc=True).tz_convert(part.time_zone).tz_localize(None)
    table = pd.DataFrame(part.values[..., 0], index=pd.Index(times, name="time"), columns=part.vd_ids)
    table.to_csv(f"feed/{times[0]:%Y%m%d%H}.csv")


def forecast(*arguments: str) -> pd.DataFrame:
    run(main, *arguments)
    (path,) = Path("forecasts/lstm-multi_vd").glob("*.parquet")
    return pd.read_parquet(path)


def test_it_forecasts_from_the_feed_what_the_model_says_of_the_table(folder, trained, volumes):
    table = forecast("lstm-multi_vd", "--at", END)
    assert table["vd"].tolist() == [vd for vd in volumes.vd_ids for _ in range(3)]
    said = trained.forecast_next(volumes).mean(axis=0)[..., 0].T.ravel()
    np.testing.assert_allclose(table["forecast"], said, rtol=1e-5)
    assert (table["age"] == 0).all() and (table["issue_time"] == pd.Timestamp(END)).all()


def test_nothing_is_read_twice(folder, volumes, monkeypatch):
    newest = sorted(Path("feed").iterdir())[-1]
    newest.rename("waiting.csv")
    before = forecast("lstm-multi_vd", "--at", "2023-12-04T18:00")
    read = []
    original = wide_table.parse
    monkeypatch.setattr(wide_table, "parse", lambda file, s: (read.append(file.name), original(file, s))[1])
    Path("waiting.csv").rename(newest)
    Path("forecasts/lstm-multi_vd/2023-12-04T10-00-00Z.parquet").unlink()
    after = forecast("lstm-multi_vd", "--at", END)
    assert read == [newest.name]
    assert after["target_time"].min() - before["target_time"].min() == pd.Timedelta("12h")


def test_without_params_yaml_a_model_and_a_table_are_enough(folder, volumes):
    from_feed = forecast("lstm-multi_vd", "--at", END)
    Path("params.yaml").unlink()
    store.write(Path("table.h5"), volumes)
    run(main, "--model", "runs/lstm-multi_vd/model.pt", "--data", "table.h5", "--at", END, "--out", "one.csv")
    pd.testing.assert_frame_equal(
        pd.read_csv("one.csv")[["vd", "forecast", "linear"]],
        from_feed[["vd", "forecast", "linear"]].astype({"vd": str}),
        check_dtype=False,
        rtol=1e-5,
    )


def test_without_params_yaml_and_table_both_are_named(folder):
    Path("params.yaml").unlink()
    sentence = refused("lstm-multi_vd")
    assert "params.yaml does not exist here" in sentence and "name a table by --data" in sentence


def test_a_silent_vd_is_named_and_the_others_are_forecast(folder, volumes, capsys):
    silent = volumes.values.copy()
    silent[-6:, 1] = np.nan
    put(replace(volumes, values=silent).rows(468, 480))
    table = forecast("lstm-multi_vd", "--at", END)
    assert table["forecast"].isna().tolist() == (table["vd"] == "VD-B").tolist()
    said = "vdcast: 1 of 3 VDs get no forecast, as they have no recent observation: VD-B\n"
    assert capsys.readouterr().err == said


@pytest.mark.parametrize("network", ["small_lstm", "small_xlstm"])
def test_what_is_known_ahead_is_read_anew(folder, request, volumes, prepare_settings, network, capsys):
    """Of the tables that the run was trained with: what they say now, of the same names, by the end of the lookback."""
    CALENDAR.mkdir(parents=True)
    hours = pd.date_range("2023-11-15", periods=480, freq="h")
    table = pd.DataFrame({"time": hours, "issue_time": hours, "rain": np.arange(480) % 7})
    table.astype(str).to_csv(CALENDAR / "w.csv", index=False)
    (CALENDAR / "p.csv").write_text("name,begin,end\nschool,2023-11-20,2023-11-21\n", "utf-8")
    calendar = Calendar(holidays="TW", plans="p.csv", weather="w.csv")
    settings = prepare_settings.model_copy(update={"features": ["volume"]})
    known = replace(volumes, covariates=covariates_of(calendar, volumes))
    drawn(known, settings, request.getfixturevalue(network)).save(Path("runs/lstm-multi_vd/model.pt"))

    def issued() -> np.ndarray:
        run(main, "lstm-multi_vd", "--at", END, "--out", "a.csv")
        return pd.read_csv("a.csv")["forecast"].to_numpy()

    before = issued()
    assert "no weather was issued in time for 3 of the 3 steps ahead" in capsys.readouterr().err
    late = pd.DataFrame({"time": ["2023-12-05T07:00"], "issue_time": ["2023-12-05T06:00:01"], "rain": [5]})
    pd.concat([table, late]).astype(str).to_csv(CALENDAR / "w.csv", index=False)
    np.testing.assert_array_equal(issued(), before)  # issued a second after the lookback
    late["issue_time"] = "2023-12-05T06:00"
    pd.concat([table, late]).astype(str).to_csv(CALENDAR / "w.csv", index=False)
    capsys.readouterr()
    assert (issued() != before).any()
    assert "for 2 of the 3 steps ahead" in capsys.readouterr().err
    (CALENDAR / "p.csv").write_text(
        "name,begin,end\nschool,2023-12-05,2023-12-05\nworks,2023-12-05,2023-12-05\n", "utf-8"
    )
    assert (issued() != before).all()
    assert "was trained without works of data/calendar, and takes no notice of it" in capsys.readouterr().err
    (CALENDAR / "p.csv").unlink()
    assert "'data/calendar/p.csv' does not exist" in refused("lstm-multi_vd", "--at", END)


def refused(*arguments: str) -> str:
    """The one sentence of a forecast that left nothing."""
    with pytest.raises(SystemExit) as stopped:
        run(main, *arguments)
    assert not Path("forecasts").exists()
    sentence = str(stopped.value)
    assert sentence.startswith("vdcast: ") and "\n" not in sentence
    return sentence


def test_where_all_is_old_nothing_is_written(folder):
    said = refused("lstm-multi_vd", "--at", "2023-12-05T07:00:01")
    assert "an observation of the last 60 minutes (forecast.max_age)" in said and "60 minutes old" in said
    assert "days old; is the feed alive, and the clock right?" in refused("lstm-multi_vd")


def test_a_clock_that_is_wrong_is_said(folder, volumes, capsys, monkeypatch):
    """Of the data, or of the machine."""
    day = replace(volumes, timestamps=volumes.timestamps + 86_400)
    put(day.rows(468, 480))
    monkeypatch.setattr(time, "time", lambda: pd.Timestamp(END).timestamp())
    forecast("lstm-multi_vd")
    assert capsys.readouterr().err == (
        "vdcast: records of up to 2023-12-06T05:00:00+08:00 are left out, as this machine's clock says "
        "2023-12-05T06:00:00+08:00\n"
    )
    Path("forecasts/lstm-multi_vd/2023-12-04T22-00-00Z.parquet").unlink()
    Path("forecasts/lstm-multi_vd").rmdir()
    Path("forecasts").rmdir()
    assert "no step of 3600 s had ended by 2019-12-31T16:00:00" in refused(
        "lstm-multi_vd", "--at", "2020-01-01"
    )


HOLDING = """
from pathlib import Path
from vdcast.ingest.spool import Spool
with Spool(Path(".scratch/ingest"), "{}"):
    print("held", flush=True)
    input()
"""


def test_two_at_once_are_one(folder):
    with subprocess.Popen(
        [sys.executable, "-c", HOLDING], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout.readline() == "held\n"
        assert "in use by another ingest or forecast" in refused("lstm-multi_vd", "--at", END)
        other.communicate("\n")
    forecast("lstm-multi_vd", "--at", END)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"interval": 1800}, "was trained on an interval of 60 min"),
        ({"unit": "veh/min"}, "was trained on volume in 'veh/h', which"),
        ({"feature": "occupancy", "unit": "%"}, "was trained on 'volume', which"),
        ({"time_zone": "Asia/Tokyo"}, "was trained on the time zone Asia/Taipei"),
    ],
)
def test_a_model_of_other_data_is_refused(folder, change, sentence):
    Path("params.yaml").write_text(yaml.safe_dump({"data": DATA | change, "forecast": FORECAST}), "utf-8")
    if "interval" in change:  # every record an hour apart would be refused first
        for path in Path("feed").glob("*.csv"):
            path.write_text(path.read_text("utf-8").replace(":00:00,", ":30:00,", 1), "utf-8")
    assert sentence in refused("lstm-multi_vd", "--at", END)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ([], "name a run, e.g. lstm-multi_vd, or a file by --model, and not both"),
        (["a", "--model", "b"], "and not both"),
        (["xlstm-multi_vd"], "model 'runs/xlstm-multi_vd/model.pt' does not exist"),
        (["lstm-multi_vd", "--at", "soon"], "--at 'soon' is no time such as"),
        (["lstm-multi_vd", "--out", "a.xlsx"], "ends in neither .parquet nor .csv"),
        (["lstm-multi_vd", "--data", "none.h5"], "'none.h5' does not exist"),
    ],
)
def test_a_mistake_is_one_sentence(folder, arguments, sentence):
    assert sentence in refused(*arguments)


def test_a_model_whose_name_leads_elsewhere_is_refused(folder, trained):
    replace(trained, run=trained.run | {"name": "../elsewhere"}).save(Path("model.pt"))
    assert "'model.pt' is of a run '../elsewhere'" in refused("--model", "model.pt", "--at", END)


def test_a_flipped_bit_of_the_model_is_refused(folder):
    model = Path("runs/lstm-multi_vd/model.pt")
    content = bytearray(model.read_bytes())
    content[len(content) // 2] ^= 1
    model.write_bytes(content)
    assert "model.pt' is damaged (it is not what its checksum says)" in refused("lstm-multi_vd", "--at", END)


def test_a_section_that_is_none_is_named(folder):
    Path("params.yaml").write_text(yaml.safe_dump({"data": DATA, "forcast": {"max_age": 60}}), "utf-8")
    assert "forcast is not a setting; did you mean forecast?" in refused("lstm-multi_vd")


@pytest.mark.slow
def test_from_the_shell(folder):
    """As a timer starts it: what it wrote on stdout, and a status."""
    command = [sys.executable, "-m", "vdcast", "forecast", "lstm-multi_vd", "--at", END]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == "forecasts/lstm-multi_vd/2023-12-04T22-00-00Z.parquet\n" and done.stderr == ""
    done = subprocess.run(command[:-2], capture_output=True, text=True, check=False)
    assert done.returncode == 1 and done.stdout == "" and done.stderr.count("\n") == 1
