"""The user's commands, for real, in a temporary clone with small settings."""

import csv
import json
import re
import shutil
import time

import pytest
import yaml

from tests.pipeline.conftest import APART, MODES, RUNS, SMALL, make_clone, stages_run

XLSTM = [name for name in RUNS if name.startswith("xlstm")]
BASELINES = ("persistence", "yesterday", "last_week", "hour_of_week", "damped", "linear")


def hashes(clone) -> dict[str, str]:
    """DVC's hash of every output, from the lock file."""
    lock = yaml.safe_load((clone.path / "dvc.lock").read_text("utf-8"))
    return {out["path"]: out["md5"] for stage in lock["stages"].values() for out in stage.get("outs", [])}


@pytest.mark.parametrize(
    ("target", "stages"),
    [
        ("train@lstm-single_vd", {"train@lstm-single_vd"}),
        ("evaluate@lstm-single_vd", {"train@lstm-single_vd", "baselines", "evaluate@lstm-single_vd"}),
        (
            "compare@multi_vd",
            {"baselines", "compare@multi_vd"}
            | {f"{stage}@{model}-multi_vd" for stage in ("train", "evaluate") for model in ("lstm", "xlstm")},
        ),
        ("train", {f"train@{name}" for name in RUNS}),
    ],
)
def test_targets_do_what_their_name_says_and_no_more(finished, target, stages):
    """No model alone trains the other one."""
    would = stages_run(finished.run("dvc", "repro", "--dry", "--force", target))
    assert would == {"ingest", "prepare"} | stages


def test_everything_is_there_and_a_second_repro_runs_nothing(finished):
    for name in RUNS:
        left = {path.name for path in (finished.path / "runs" / name).iterdir()} - {".gitignore"}
        assert left == {
            "model.pt", "history.csv", "training.json", "metrics.json", "predictions.h5", "report.md", "curve.png", "days.png",
            "by_horizon.csv", "by_hour.csv", "target_vd.csv", "cost.json", "test.json",
        }  # fmt: skip
        metrics, test = (
            json.loads((finished.path / "runs" / name / file).read_text("utf-8"))
            for file in ("metrics.json", "test.json")
        )
        assert [*metrics] == [name] and [*metrics[name]] == ["val_mae", "val_skill"]
        assert all(isinstance(value, float) for value in (*metrics[name].values(), *test.values()))
    for mode in MODES:
        left = {path.name for path in (finished.path / "reports/comparisons" / mode).iterdir()}
        assert left == {
            "comparison.md", "comparison.json", "curves.png", "by_horizon.png", "by_hour.png", "days.png", "scatter.png",
            "charts.json", "series.h5",
        }  # fmt: skip
    assert finished.repro() == set()
    assert "up to date" in finished.run("dvc", "status")


def test_the_report_opens_with_the_verdict_and_holds_the_whole_matrix(finished):
    report = (finished.path / "reports/report.md").read_text("utf-8")
    for mode in MODES:
        assert re.search(rf"^- `{mode}`( \(provisional\))?: ", report, re.M)
    for name in ("LSTM", "xLSTM", *(baseline.replace("_", " ") for baseline in BASELINES)):
        assert f"| {name} " in report
    summary = json.loads((finished.path / "reports/summary.json").read_text("utf-8"))
    assert list(summary) == ["verdict", "modes", "language", "crc32"] and list(summary["modes"]) == [*MODES]
    verdict = summary.pop("verdict")
    assert report.splitlines()[2] == f"**{verdict['overall']['words']}**" and verdict["losses"] in report
    for figures in summary["modes"].values():
        assert set(figures["target_vd"]) == {"lstm", "xlstm", "lstm_ensemble", "xlstm_ensemble", *BASELINES}
        assert {"parameters", "flops_per_window", "epochs", "seconds", "latency_ms", "peak_memory_mb"} <= set(
            figures["cost"]["xlstm"]
        )
    # the same target VD, the same origins: a baseline scores the same in all modes
    assert len({summary["modes"][mode]["target_vd"]["persistence"]["mae"] for mode in MODES}) == 1


@pytest.mark.parametrize(
    ("change", "stale"),
    [
        ({"xlstm": {"dropout": 0.25}}, {f"train@{name}" for name in XLSTM}),
        ({"lstm": {"dropout": 0.25}}, {f"train@{name}" for name in RUNS if name not in XLSTM}),
        ({"runs": {"lstm-multi_vd": {"model": "lstm", "mode": "multi_vd", "epochs": 1}}}, {"train@lstm-multi_vd"}),
        ({"train": {"patience": 1}}, {f"train@{name}" for name in RUNS}),
        ({"window": {"lookback": "3h"}}, {"prepare", "baselines"} | {f"train@{name}" for name in RUNS}),
        ({"data": {"unit": "cars"}}, {"ingest"}),
        ({"evaluate": {"margin": 0.03}}, set()),  # the page alone
        (
            {"evaluate": {"mape_floor": 3.0}},
            {"baselines"} | {f"evaluate@{name}" for name in RUNS} | {f"compare@{mode}" for mode in MODES},
        ),
    ],
)  # fmt: skip
def test_a_setting_makes_stale_exactly_what_depends_on_it(finished, change, stale):
    before = (finished.path / "params.yaml").read_text("utf-8")
    try:
        finished.set(change)
        status = set(json.loads(finished.run("dvc", "status", "--json").splitlines()[-1]))
        assert status == stale | {"report"}, (
            "the page shows the settings, so any change of them is one of the page"
        )
    finally:
        (finished.path / "params.yaml").write_text(before, "utf-8")


@pytest.mark.slow
def test_exp_run_changes_xlstm_lines_only(finished):
    before = hashes(finished)
    ran = stages_run(finished.run("dvc", "exp", "run", "-S", "xlstm.num_blocks=3"))
    assert ran == {
        *(f"train@{name}" for name in XLSTM),
        *(f"evaluate@{name}" for name in XLSTM),
        *(f"compare@{mode}" for mode in MODES),
        "report",
    }
    after = hashes(finished)
    changed = {path for path, md5 in after.items() if before[path] != md5}
    assert not [path for path in changed if path.startswith("runs/lstm")]
    rows = json.loads(finished.run("dvc", "metrics", "diff", "--json"))
    assert set(rows) == {f"runs/{name}/metrics.json" for name in XLSTM}
    for figures in rows.values():
        assert all({"old", "new", "diff"} <= set(value) for value in figures.values())
    table = finished.run("dvc", "metrics", "diff", "--md")
    assert {line.split()[1] for line in table.splitlines()[2:] if line.strip()} == set(rows)
    assert "num_blocks" in finished.run("dvc", "params", "diff", "--md")
    shown = finished.run("dvc", "exp", "show", "--no-pager", "--only-changed", "--drop", ".*(/|skill)")
    for name in XLSTM:
        assert f"{name}.val_mae" in shown
    assert "volume_mae" not in shown, "a sweep that looks at the test part chooses by it"
    assert max(map(len, shown.splitlines())) <= 200 and "…" not in shown
    tests = [f"runs/{name}/test.json" for name in RUNS]
    on_demand = json.loads(finished.run("dvc", "metrics", "diff", "--json", "--targets", *tests))
    assert set(on_demand) == {f"runs/{name}/test.json" for name in XLSTM}
    assert all("volume_mae" in figures for figures in on_demand.values())
    finished.run("git", "checkout", "-q", "params.yaml", "dvc.lock")
    finished.run("dvc", "checkout")
    assert "up to date" in finished.run("dvc", "status")


def test_wrong_settings_stop_before_any_work(finished):
    before = (finished.path / "params.yaml").read_text("utf-8")
    try:
        finished.set({"xlstm": {"slstm_at": [7]}})
        output = finished.run("dvc", "repro", fails=True)
        assert "slstm_at [7] names block 7; num_blocks 2 allows 0 to 1" in output
        assert "Traceback" not in output and len(stages_run(output)) == 1
        finished.set({"xlstm": {"slstm_at": [1]}, "modes": {"multi_vd": {"num_vds": 99}}})
        output = finished.run("dvc", "repro", fails=True)
        assert "modes.multi_vd.num_vds = 99 needs 99 VDs, but 14 are left of the data" in output
        assert "Traceback" not in output and stages_run(output) == {"prepare"}
    finally:
        (finished.path / "params.yaml").write_text(before, "utf-8")
    assert finished.repro() == set(), "what was computed before the mistake must come back without work"
    output = finished.run("python", "-m", "vdcast.train", "lstm", fails=True)
    assert "no run 'lstm' in params.yaml; its runs are: lstm-single_vd" in output


@pytest.mark.slow
def test_test_values_have_no_way_into_a_model(finished, tmp_path):
    clone = make_clone(tmp_path)
    raw = clone.path / "data/raw/sample_counts.csv"
    lines = raw.read_text("utf-8").splitlines()
    part = len(lines) - 400  # inside the last 20 % of 2496 steps
    raw.write_text(
        "\n".join(lines[:part] + [",".join([x.split(",")[0], *["9"] * 22]) for x in lines[part:]]) + "\n",
        "utf-8",
    )
    targets = ["train@lstm-multi_vd", "train@xlstm-multi_vd", f"train@{APART}"]
    clone.repro(*targets)
    here, there = hashes(clone), hashes(finished)
    assert here["data/prepared.h5"] != there["data/prepared.h5"]
    for target in targets:
        model = f"runs/{target.removeprefix('train@')}/model.pt"
        assert here[model] == there[model], f"{model} has seen the test part"


@pytest.mark.slow
def test_a_sweep_from_the_queue(tmp_path):
    clone = make_clone(
        tmp_path,
        SMALL
        | {
            "train": {"epochs": 1, "patience": 1, "seeds": [0]},
            "runs": SMALL["runs"] | dict.fromkeys(set(RUNS) - {"lstm-single_vd", "xlstm-single_vd"}),
            "comparisons": SMALL["comparisons"] | {"multi_vd": None},
            "evaluate": {"primary": "single_vd"},
        },
    )
    clone.repro()
    clone.commit("first results")
    queued = clone.run("dvc", "exp", "run", "--queue", "-S", "xlstm.num_blocks=4,8")
    assert queued.count("Queued experiment") == 2
    clone.run("dvc", "queue", "start")
    deadline = time.monotonic() + 900
    while (status := clone.run("dvc", "queue", "status")).count("Success") < 2:
        assert "Failed" not in status and time.monotonic() < deadline, status
        time.sleep(5)
    shown = clone.run("dvc", "exp", "show", "--csv")
    assert {row["xlstm.num_blocks"] for row in csv.DictReader(shown.splitlines())} >= {"2", "4", "8"}


def test_lstm_alone_needs_no_xlstm_package(finished, tmp_path):
    """The LSTM runs must work where the package xlstm is not installed."""
    blocker = tmp_path / "xlstm"
    blocker.mkdir()
    (blocker / "__init__.py").write_text("raise ImportError('not here')\n", "utf-8")
    shutil.copytree(finished.path, tmp_path / "clone", symlinks=True)
    from tests.pipeline.conftest import Clone

    clone = Clone(tmp_path / "clone")
    output = clone.run(
        "env", f"PYTHONPATH={tmp_path}:{clone.path / 'src'}", "python", "-m", "vdcast.train", "lstm-single_vd"
    )
    assert "2 copies trained" in output
