import pickle
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from tests.disk import small_disk
from tests.live.made import drawn
from vdcast.errors import InputError
from vdcast.live import record
from vdcast.live.issue import issue
from vdcast.live.recent import lookback

HOSTILE = ("001", 'a,"b"\n=1+1', "VD-國")


@pytest.fixture
def issued(detectors, prepare_settings, small_lstm):
    """One hour after the end of the data, whose last two hours the second VD lacks."""
    named = replace(detectors, vd_ids=HOSTILE)
    named.values[-2:, 1] = np.nan
    trained = drawn(named, prepare_settings, small_lstm, quantiles=(0.1, 0.5, 0.9))
    trained = replace(trained, task=replace(trained.task, vd_ids=HOSTILE))
    recent = lookback(named, trained.task)
    return issue(trained, recent, now=int(recent.timestamps[-1]) + 7200, max_age=7200)


@pytest.mark.parametrize("format", ["parquet", "csv"])
def test_it_is_read_as_it_was_written(tmp_path, issued, format):
    path = record.path_of(tmp_path, "a", issued.issue, format)
    record.write(path, issued)
    (kept,) = record.kept(tmp_path, "a", issued.task, since=issued.issue, until=issued.issue)
    assert (kept.issue, kept.origin) == (issued.issue, issued.origin)
    for name in record.SCORED:
        np.testing.assert_allclose(kept.columns[name], issued.columns[name], rtol=1e-6)
    assert [each.name for each in path.parent.iterdir()] == ["2023-12-04T23-00-00Z." + format]
    assert not list(record.kept(tmp_path, "a", issued.task, since=0, until=issued.issue - 1))


def test_a_row_says_what_when_and_how_old(tmp_path, issued):
    for path in (tmp_path / "a.csv", tmp_path / "a.parquet"):
        record.write(path, issued)
    text, table = pd.read_csv(tmp_path / "a.csv", dtype={"vd": str}), pd.read_parquet(tmp_path / "a.parquet")
    assert list(text) == list(table) == [
        *("issue_time", "target_time", "minutes_ahead", "vd", "target", "unit", "forecast", "q0.1", "q0.9"),
        *("persistence", "profile", "linear", "age", "trained"),
    ]  # fmt: skip
    row = text.iloc[1]
    assert (
        row["issue_time"] == "2023-12-05T07:00:00+08:00" and row["target_time"] == "2023-12-05T07:00:00+08:00"
    )
    assert (row["minutes_ahead"], row["vd"], row["target"], row["unit"], row["age"]) == (
        120,
        "001",
        "volume",
        "veh/h",
        3600,
    )
    assert text["vd"].unique().tolist() == list(HOSTILE)
    without = text["vd"] == HOSTILE[1]
    assert text["forecast"].isna().tolist() == without.tolist() and (text["age"][without] == 10800).all()
    assert table["target_time"].dt.tz.key == "Asia/Taipei"
    assert (pd.to_datetime(text["target_time"]) == table["target_time"]).all()


def test_a_flipped_bit_of_a_forecast_is_never_scored(tmp_path, issued):
    """Of a hundred, wherever they lie: the file is refused, or says what it said, as where it hits a name or a null."""
    path = record.path_of(tmp_path, "a", issued.issue, "parquet")
    record.write(path, issued)
    content, rng = path.read_bytes(), np.random.default_rng(0)
    refused = 0
    for bit in rng.choice(8 * len(content), 100, replace=False).tolist():
        damaged = bytearray(content)
        damaged[bit // 8] ^= 1 << bit % 8
        path.write_bytes(damaged)
        try:
            (kept,) = record.kept(tmp_path, "a", issued.task, since=issued.issue, until=issued.issue)
        except InputError:
            refused += 1
            continue
        for name in record.SCORED:
            np.testing.assert_array_equal(kept.columns[name], issued.columns[name])
    assert refused > 20


def test_what_is_no_forecast_is_named(tmp_path, issued):
    path = record.path_of(tmp_path, "a", issued.issue, "parquet")
    path.parent.mkdir()
    path.write_bytes(b"PAR1 and nothing")
    with pytest.raises(InputError, match="Z.parquet' is no forecast of vdcast's"):
        list(record.kept(tmp_path, "a", issued.task, since=0, until=2**40))
    record.write(path, issued)
    other = replace(issued.task, interval=900)
    with pytest.raises(InputError, match="is no forecast of steps of 900 s"):
        list(record.kept(tmp_path, "a", other, since=0, until=2**40))
    with pytest.raises(InputError, match="ends in neither .parquet nor .csv"):
        record.check_name(tmp_path / "a.xlsx")


FULL = """
import sys, pickle
from pathlib import Path
from vdcast.errors import one_sentence
from vdcast.live import record
with one_sentence():
    record.write(Path(sys.argv[2]), pickle.loads(Path(sys.argv[1]).read_bytes()))
"""


@pytest.mark.slow
def test_a_full_disk_is_one_sentence_and_leaves_nothing(tmp_path, issued):
    (tmp_path / "issued").write_bytes(pickle.dumps(issued))
    with small_disk(tmp_path / "disk", 4096) as disk:
        disk.run("sh", "-c", "head -c 4096 /dev/zero > full")
        command = [*disk.on(tmp_path), sys.executable, "-c", FULL, "issued", "disk/a.csv"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert disk.run("ls", "-A") == "full\n"
    assert done.returncode == 1 and done.stderr.count("\n") == 1 and "No space left" in done.stderr
