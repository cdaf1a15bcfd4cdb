"""Data and trainings that no figure can stand on: every stage goes on, and every report says so."""

import contextlib
import dataclasses
import json
from pathlib import Path

import msgspec
import numpy as np
import pytest

from tests.browser import BROWSER, tab
from tests.project import TEST, L, counts, up_to_evaluate, up_to_report
from vdcast.forecasts import store
from vdcast.language import Said, in_words


@pytest.fixture(scope="module")
def spoilt(tmp_path_factory) -> Path:
    """A loss that is NaN, a silent VD, a target that is constant for a while and one that always is, and
    two runs that were evaluated on different origins."""
    folder = tmp_path_factory.mktemp("spoilt")
    table = counts("ABCDE")
    table.loc[table.index[TEST:], "B"] = np.nan
    table.loc[table.index[TEST:], "C"] = 7.0
    table["D"] = 9.0
    changes = {
        "modes": {
            "multi_vd": {"num_vds": 4},
            "independent_multi_vd": {"num_vds": 3},
            "global_multi_vd": {"num_vds": 3},
            "social": {"num_vds": 3},
        },
        "runs": {"xlstm-multi_vd": {"model": "xlstm", "mode": "multi_vd", "learning_rate": 1e38}},
    }
    with contextlib.chdir(folder):
        up_to_evaluate(folder, table, changes)
        path = folder / "runs/lstm-single_vd/predictions.h5"
        one = store.read_predictions(path)
        cut = {name: getattr(one, name)[1:] for name in ("observed", "origins")}
        store.write_predictions(path, dataclasses.replace(one, forecast=one.forecast[:, 1:], **cut))
        up_to_report()
    return folder


NO_WEIGHTS = (
    "run xlstm-multi_vd has no weights of seed 0, seed 1, as the loss was not finite in the first epoch; lower "
    "xlstm.learning_rate (1e+38) or train.gradient_clip (1)"
)
OTHER_ORIGINS = (
    "lstm and xlstm were not evaluated on the same windows and cannot be compared; run `dvc repro evaluate`"
)


def test_every_case_is_one_sentence_in_both_reports(spoilt):
    report = (spoilt / "reports/report.md").read_text("utf-8")
    page = (spoilt / "reports/index.html").read_text("utf-8")
    silent = "VD B has no valid observation in the test part: there is no figure of it, and those of all VDs stand on the other"
    for sentence in (
        f"In multi_vd: {NO_WEIGHTS}.",
        f"In single_vd: {OTHER_ORIGINS}.",
        f"In multi_vd: {silent} 3.",
        f"In independent_multi_vd and global_multi_vd: {silent} 2.",
        "In multi_vd, independent_multi_vd and global_multi_vd: the observations of VD C do not vary in the test part: R2 is undefined.",
    ):
        assert report.partition("## What weakens the answer")[2].count(sentence) == 1
        assert page.count(f"<p>{sentence}</p>") == 1
    assert "- D: volume is constant: there is nothing to forecast" in (
        spoilt / "reports/prepare.md"
    ).read_text("utf-8")


def test_no_verdict_stands_on_what_is_not_there_and_the_rest_stands(spoilt):
    summary = json.loads((spoilt / "reports/summary.json").read_text("utf-8"), parse_constant=pytest.fail)
    modes = summary["verdict"]["modes"]
    assert [modes[mode]["status"] for mode in ("single_vd", "multi_vd")] == ["no_verdict"] * 2
    assert modes["multi_vd"]["words"] == f"no verdict: {NO_WEIGHTS}"
    assert modes["single_vd"]["words"] == f"no verdict: {OTHER_ORIGINS}"
    assert summary["verdict"]["overall"]["words"] == f"No answer: in multi_vd, no verdict: {NO_WEIGHTS}."
    assert modes["independent_multi_vd"]["status"] in ("equal", "undecided", "better")
    assert summary["modes"]["single_vd"] == {"problem": OTHER_ORIGINS}
    for scope in ("target_vd", "all_vds"):
        here, there = (summary["modes"][mode][scope] for mode in ("multi_vd", "independent_multi_vd"))
        for name in ("xlstm", "xlstm_ensemble"):
            assert {here[name][key] for key in ("mae", "rmse", "wape", "mape", "r2", "skill")} == {None}
        assert np.isfinite([here[name]["mae"] for name in ("lstm", "persistence", "yesterday")]).all()
        assert scope == "all_vds" or here["persistence"] == there["persistence"]
    verdict = summary["verdict"]
    assert [row["relative"] for row in verdict["differences"]["multi_vd"]] == [None, None]
    for row in verdict["lines"]["multi_vd"]:
        assert (row["relative"] is None) is (row["model"] == "xlstm")
    row = next(
        line for line in (spoilt / "reports/report.md").read_text("utf-8").splitlines() if "| xLSTM " in line
    )
    assert row.split("|")[2].strip() == "undefined (undefined)"


def test_the_run_without_weights_says_so_and_scores_nothing(spoilt):
    training = json.loads(
        (spoilt / "runs/xlstm-multi_vd/training.json").read_text("utf-8"), parse_constant=pytest.fail
    )
    assert in_words(msgspec.convert(training["problem"], Said)) == NO_WEIGHTS
    assert (training["epochs"], training["best_epoch"]) == (1, [0, 0])
    assert training["validation_loss"] == [None, None]
    assert (spoilt / "runs/xlstm-multi_vd/report.md").read_text("utf-8").split("\n")[
        2
    ] == f"**{NO_WEIGHTS}.**"
    assert json.loads((spoilt / "runs/xlstm-multi_vd/test.json").read_text("utf-8")) == {}
    metrics = json.loads((spoilt / "runs/xlstm-multi_vd/metrics.json").read_text("utf-8"))
    assert metrics == {"xlstm-multi_vd": {}}
    healthy = json.loads((spoilt / "runs/lstm-multi_vd/training.json").read_text("utf-8"))
    assert healthy["problem"] is None and healthy["notes"] == []


@pytest.fixture(scope="module")
def one_observation(tmp_path_factory) -> Path:
    """The target VD is observed once in the test part, where only a forecast one step ahead reaches it."""
    folder = tmp_path_factory.mktemp("one")
    table = counts("AB")
    table.loc[table.index[TEST : TEST + L], "A"] = np.nan
    table.loc[table.index[TEST + L + 1 :], "A"] = np.nan
    changes = {
        "train": {"seeds": [0], "epochs": 1},
        "modes": {
            "multi_vd": {"num_vds": 2},
            "independent_multi_vd": {"num_vds": 2},
            "global_multi_vd": {"num_vds": 2},
            "social": {"num_vds": 2},
        },
    }
    with contextlib.chdir(folder):
        up_to_evaluate(folder, table, changes)
        up_to_report()
    return folder


def test_a_horizon_without_data_is_marked_in_every_mode(one_observation):
    report = (one_observation / "reports/report.md").read_text("utf-8")
    summary = json.loads((one_observation / "reports/summary.json").read_text("utf-8"))
    for mode in summary["modes"]:
        assert summary["modes"][mode]["by_horizon"]["lstm"]["120min"] is None
        assert summary["modes"][mode]["by_horizon"]["lstm"]["60min"] is not None
    every = "In single_vd, multi_vd, independent_multi_vd and global_multi_vd: "
    assert f"{every}VD A has no observation 120 minutes ahead: nothing was scored there." in report
    assert f"{every}one seed was trained" in report
    alone, overall = summary["verdict"]["modes"]["single_vd"], summary["verdict"]["overall"]
    assert "no interval from 1 test day (" in alone["words"]
    assert (alone["per_second"], alone["per_parameter"], alone["cost_words"]) == (
        None,
        None,
        "no winner by cost",
    )
    assert overall["provisional"] and overall["words"].startswith("Provisional: ")
    metrics = json.loads((one_observation / "runs/lstm-single_vd/test.json").read_text("utf-8"))
    assert "volume_mae_60min" in metrics and "volume_mae_120min" not in metrics


@pytest.mark.parametrize("project", ["spoilt", "one_observation"])
def test_no_table_has_a_nan_or_a_blank_cell(project, request):
    folder = request.getfixturevalue(project)
    for path in [
        *folder.glob("reports/*.md"),
        *folder.glob("reports/comparisons/*/*.md"),
        *folder.glob("runs/*/report.md"),
    ]:
        for line in path.read_text("utf-8").splitlines():
            cells = [cell.strip() for cell in line.strip("|").split("|")] if line.startswith("|") else [line]
            assert not any(cell.lower() in ("nan", "null") for cell in cells), (path, line)
            # the corner of a table is blank, and so is the name of its first column
            assert all(cells[1:]) or not cells[0], (path, line)


@pytest.mark.skipif(BROWSER is None, reason="needs chromium or google-chrome on PATH")
@pytest.mark.parametrize("project", ["spoilt", "one_observation"])
def test_the_page_draws_what_there_is(project, request):
    folder = request.getfixturevalue(project)
    with tab() as page:
        page.open(folder / "reports/index.html")
        assert page.console == []
        assert not page.run(
            "[...document.querySelectorAll('td')].filter((it) => !it.textContent.trim()).length"
        )
        drawn = page.run(
            "[...document.querySelectorAll('.chart')].filter((it) => it.querySelector('svg')).length"
        )
        assert drawn == page.run("document.querySelectorAll('.chart').length")
        assert "NaN" not in page.run("document.body.innerText")
