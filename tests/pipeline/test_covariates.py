"""What covariates gain: two runs beside themselves without the plan of the works that halve every third hour or so."""

import contextlib
import json

import numpy as np
import pandas as pd
import pytest
import yaml

from tests import project
from vdcast import Trained
from vdcast.report.__main__ import main as report

MODELS = ("lstm", "xlstm")
CHANGES = {
    "calendar": {"plans": "works.csv"},
    "prepare": {"min_mean": 0.0},
    "modes": {
        mode: {"num_vds": 3} for mode in ("multi_vd", "independent_multi_vd", "global_multi_vd", "social")
    },
    "train": {"epochs": 8, "patience": 8},
    "lstm": {"learning_rate": 0.01, "batch_size": 32, "dropout": 0.0},
    "xlstm": {"learning_rate": 0.01, "batch_size": 32, "dropout": 0.0},
    "runs": {
        f"{model}-{mode}": None
        for model in MODELS
        for mode in ("single_vd", "independent_multi_vd", "global_multi_vd")
    }
    | {f"{model}-plain": {"model": model, "mode": "multi_vd", "covariates": False} for model in MODELS},
    "comparisons": {"single_vd": None, "independent_multi_vd": None, "global_multi_vd": None},
    "controls": {f"{model}-multi_vd": f"{model}-plain" for model in MODELS}
    | {f"{model}-global_multi_vd": None for model in MODELS},
}


@pytest.mark.slow
def test_the_page_says_what_covariates_gain_for_both_models(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    table = project.counts("abc")
    begins = table.index[::3][np.random.default_rng(1).random(160) < 0.3]
    works = table.index.floor("3h").isin(begins)
    table[works] = (table[works] / 2).round(1)
    (tmp_path / "data/calendar").mkdir(parents=True)
    rows = "".join(
        f"works,{begin.isoformat()},{(begin + pd.Timedelta('3h')).isoformat()}\n" for begin in begins
    )
    (tmp_path / "data/calendar/works.csv").write_text("name,begin,end\n" + rows, "utf-8")
    project.up_to_evaluate(tmp_path, table, CHANGES)
    project.up_to_report()

    assert Trained.load("runs/lstm-multi_vd/model.pt").task.covariates.inputs == ("works",)
    assert not Trained.load("runs/lstm-plain/model.pt").task.covariates
    summary = json.loads((tmp_path / "reports/summary.json").read_text("utf-8"))
    assert [each["a"] for each in summary["verdict"]["controls"]] == ["lstm-multi_vd", "xlstm-multi_vd"]
    for each in summary["verdict"]["controls"]:
        assert each["mode"] == each["without"] == "multi_vd" and each["relative"] < -0.05
    text = (tmp_path / "reports/report.md").read_text("utf-8")
    _, section = text.split("## What a mode, or covariates, add")
    assert "- Covariates: what is known ahead" in section and "lstm-multi_vd's error is" in section
    page = (tmp_path / "reports/index.html").read_text("utf-8")
    assert "What a mode, or covariates, add" in page

    settings = yaml.safe_load((tmp_path / "params.yaml").read_text("utf-8"))
    settings["report"]["language"] = "zh-Hant"
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(settings, sort_keys=False), "utf-8")
    with contextlib.redirect_stdout(None):
        project.run(report)
    assert "共變數：納入假日" in (tmp_path / "reports/report.md").read_text("utf-8")
