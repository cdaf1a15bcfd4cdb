"""A small project whose stages run one after another in this process: seconds, where a real `dvc repro` takes a minute."""

import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
import yaml

from tests.pipeline.conftest import merged
from vdcast import params
from vdcast.baselines.__main__ import main as baselines
from vdcast.compare.__main__ import main as compare
from vdcast.control.__main__ import main as control
from vdcast.evaluate.__main__ import main as evaluate
from vdcast.ingest.__main__ import main as ingest
from vdcast.prepare.__main__ import main as prepare
from vdcast.quality.__main__ import main as quality
from vdcast.report.__main__ import main as report
from vdcast.train.__main__ import main as train

ROOT = Path(__file__).parents[1]
L, H = 6, 2
TEST = 384  # the first step of the test part, of 480
SMALL = {
    "data": {"interval": 3600, "unit": "veh/h", "raw": "data/raw/counts.csv", "time_zone": "Asia/Taipei"},
    "prepare": {"max_missing": 0.5},
    "window": {"lookback": f"{L}h", "horizon": f"{H}h"},
    "train": {"epochs": 2, "patience": 2, "seeds": [0, 1]},
    "lstm": {"hidden_size": 8, "batch_size": 128},
    "xlstm": {"embedding_dim": 16, "num_heads": 2, "batch_size": 128},
    "evaluate": {"horizons": ["1h", "2h"]},
    "runs": {
        "lstm-multi_vd": {"model": "lstm", "mode": "multi_vd"},
        "xlstm-multi_vd": {"model": "xlstm", "mode": "multi_vd"},
    },
}


def counts(names: str) -> pd.DataFrame:
    """20 days of hours, a column per letter."""
    rng = np.random.default_rng(0)
    hour = np.arange(480) % 24
    rhythm = 40 + 30 * np.sin(2 * np.pi * hour / 24)
    table = {name: (rhythm + rng.normal(0, 3, 480)).round(1) for name in names}
    return pd.DataFrame(table, index=pd.date_range("2024-05-06", periods=480, freq="h", name="time"))


def run(main, *arguments: str) -> None:
    """A stage, as `python -m` starts it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", [main.__module__, *arguments])
        main()


def up_to_prepare(folder: Path, table: pd.DataFrame, changes: dict) -> None:
    """The first two stages, in ``folder``, which is the working directory."""
    for name in ("src", "dvc.yaml"):
        (folder / name).symlink_to(ROOT / name)
    shipped = yaml.safe_load((ROOT / "params.yaml").read_text("utf-8"))
    settings = merged(merged(shipped, SMALL), changes)
    (folder / "params.yaml").write_text(yaml.safe_dump(settings, sort_keys=False), "utf-8")
    raw = folder / settings["data"]["raw"]
    raw.parent.mkdir(parents=True, exist_ok=True)
    raw = raw / "counts.csv" if raw.is_dir() else raw
    table.reset_index().to_parquet(raw) if raw.suffix == ".parquet" else table.to_csv(raw)
    torch.set_num_threads(1)
    for main in (ingest, quality, prepare):
        run(main)


def up_to_evaluate(folder: Path, table: pd.DataFrame, changes: dict) -> None:
    """All stages but the last three, there."""
    up_to_prepare(folder, table, changes)
    run(baselines)
    for name in params.load().runs:
        run(train, name)
        run(evaluate, name)
    torch.use_deterministic_algorithms(False)  # which `train` left on, and other tests do not expect


def up_to_report() -> None:
    for mode in params.load().comparisons:
        run(compare, mode)
    for name in params.load().controls:
        run(control, name)
    run(report)
