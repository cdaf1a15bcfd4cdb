"""`dvc plots show` and `dvc plots diff`, drawn by a real browser that has no network.

The repository is a temporary one with this project's plots, templates and page, and with results made
up here: xlstm has the lower error in every one, so the lines can be told apart by their values too.
"""

import csv
import html
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
DECLARED = yaml.safe_load((ROOT / "dvc.yaml").read_text("utf-8"))["plots"]
PLOTS = {name: plot for entry in DECLARED for name, plot in entry.items()}
FILES = sorted({Path(path) for plot in PLOTS.values() for path in plot["y"]})
MODES = ("single_vd", "multi_vd", "independent_multi_vd", "global_multi_vd")
RUNS = [f"{model}-{mode}" for model in ("lstm", "xlstm") for mode in MODES]
BLUE, ORANGE, GREY, BLACK = "#0072B2", "#D55E00", "#888", "#222"

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
FLAGS = [
    "--headless",
    "--no-sandbox",  # which root has no right to
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--host-resolver-rules=MAP * ~NOTFOUND",  # no network
    "--virtual-time-budget=20000",  # let everything on the page happen, then
    "--dump-dom",
    "--enable-logging=stderr",  # with the console in it
]
needs_browser = pytest.mark.skipif(BROWSER is None, reason="needs chromium or google-chrome on PATH")


@dataclass
class Line:
    """One line of a chart, as the browser drew it."""

    values: dict[str, str]  # of its first point, by name: run, rev, ...
    path: str
    colour: str
    dash: str
    opacity: float


@dataclass
class Page:
    lines: dict[str, list[Line]]  # per chart
    text: str
    console: list[str]


def series(file: Path, level: float) -> tuple[list[str], Iterator[tuple]]:
    """Columns and rows of a file that a stage would write, for a forecast whose error is `level`."""
    match file.name:
        case "history.csv":
            columns = "epoch train_loss validation_loss validation_mae"
            rows = (
                (epoch, level / epoch, level * (1 / epoch + 0.05 * epoch), level * 9 / epoch)
                for epoch in range(1, 9)
            )
        case "by_horizon.csv":
            columns = "minutes mae"
            rows = ((15 * h, level * (4 + h)) for h in range(1, 5))
        case "by_hour.csv":
            columns = "hour mae"
            rows = ((hour, level * (5 + abs(12 - hour))) for hour in range(24))
        case "target_vd.csv":
            columns = "time observed forecast"
            rows = (
                (f"2024-05-{8 + i // 24:02d} {i % 24:02d}:00:00", "" if i == 30 else i % 24, level + i % 24)
                for i in range(72)
            )
    return columns.split(), rows


def write(folder: Path, file: Path, level: float) -> None:
    columns, rows = series(file, level)
    target = folder / file
    target.parent.mkdir(parents=True, exist_ok=True)
    with target.open("w", newline="") as stream:
        csv.writer(stream).writerows([columns, *rows])


def call(folder: Path, *command: str) -> str:
    environment = {**os.environ, "DVC_NO_ANALYTICS": "1", "PYTHONPATH": str(ROOT / "src")}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout


def dvc(folder: Path, *arguments: str) -> str:
    return call(folder, sys.executable, "-m", "dvc", *arguments)


def commit(folder: Path) -> None:
    identity = ["-c", "user.name=test", "-c", "user.email=test@localhost"]
    call(folder, "git", "add", "--all")
    call(folder, "git", *identity, "commit", "--quiet", "--message", "results")


@pytest.fixture(scope="module")
def project(tmp_path_factory) -> Path:
    """A repository with this project's plots, before anything was run."""
    folder = tmp_path_factory.mktemp("plots") / "project"
    folder.mkdir()
    call(folder, "git", "init", "--quiet")
    dvc(folder, "init", "--quiet")
    shutil.copytree(ROOT / ".dvc" / "plots", folder / ".dvc" / "plots")
    shutil.copy(ROOT / ".dvc" / "config", folder / ".dvc" / "config")
    shutil.copy(ROOT / "params.yaml", folder)
    (folder / "dvc.yaml").write_text(yaml.safe_dump({"plots": DECLARED}), "utf-8")
    call(
        folder,
        sys.executable,
        "-c",
        "from vdcast.prepare import plots_page; plots_page.write('volume', 'veh/15min')",
    )
    return folder


@pytest.fixture
def results(project, tmp_path) -> Path:
    """The same with committed results of all runs and baselines."""
    folder = tmp_path / "project"
    shutil.copytree(project, folder)
    for file in FILES:
        write(folder, file, 0.8 if file.parent.name.startswith("xlstm") else 1.0)
    commit(folder)
    return folder


@pytest.fixture
def browse(tmp_path) -> Callable[..., Page]:
    """Open the page that DVC wrote, without network; ``then`` is JavaScript for when all is drawn."""

    def opened(folder: Path, then: str = "") -> Page:
        page = folder / "dvc_plots" / "index.html"
        with page.open("a", encoding="utf-8") as stream:
            stream.write(f"<script>setTimeout(() => {{ {then} }}, 3000)</script>")
        command = [BROWSER, *FLAGS, f"--user-data-dir={tmp_path / 'browser'}", page.as_uri()]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120)
        body = done.stdout[done.stdout.index("<body>") :]
        console = [line for line in done.stderr.splitlines() if ":CONSOLE" in line]
        _, *charts = re.split(r'<div id="([^"]+)" class="vega-embed[^"]*">', body)
        lines = {name: [*drawn(svg)] for name, svg in zip(charts[::2], charts[1::2], strict=True)}
        return Page(lines, html.unescape(body), console)

    return opened


def drawn(svg: str) -> Iterator[Line]:
    for tag in re.findall(r'<path [^>]*aria-roledescription="line mark"[^>]*>', svg):
        attributes = {key: html.unescape(value) for key, value in re.findall(r'([\w-]+)="([^"]*)"', tag)}
        yield Line(
            values=dict(pair.split(": ", 1) for pair in attributes["aria-label"].split("; ")),
            path=attributes["d"],
            colour=attributes["stroke"],
            dash=attributes.get("stroke-dasharray", "1,0"),
            opacity=float(attributes.get("opacity", 1)),
        )


def chart(page: Page, name: str) -> list[Line]:
    return page.lines[name.replace(" ", "_")]


def of_run(line: Line) -> str:
    return line.values["run"]


def colour(run: str) -> str:
    return BLUE if run.startswith("lstm") else ORANGE


@needs_browser
def test_show_draws_every_plot_without_network(results, browse):
    dvc(results, "plots", "show")
    page = browse(results)
    assert page.console == []
    assert set(page.lines) == {name.replace(" ", "_") for name in PLOTS}
    for name, plot in PLOTS.items():
        lines = chart(page, name)
        assert {of_run(line) for line in lines} == {Path(path).parent.name for path in plot["y"]}, name
        assert all(line.path.count("L") >= 3 and "NaN" not in line.path for line in lines), name


@needs_browser
def test_without_this_page_the_same_browser_draws_nothing(results, browse):
    """Else the test above would not show that no network is needed."""
    dvc(results, "config", "--unset", "plots.html_template")
    dvc(results, "plots", "show")
    page = browse(results)
    assert page.lines == {}
    assert page.console


@needs_browser
def test_models_differ_by_colour_and_baselines_by_dash(results, browse):
    dvc(results, "plots", "show")
    page = browse(results)
    for name in PLOTS:
        coloured = [line for line in chart(page, name) if line.colour in (BLUE, ORANGE)]
        assert {(of_run(line), line.colour) for line in coloured} == {(run, colour(run)) for run in RUNS}, (
            name
        )
    for name in ("Error by horizon", "Error by hour of day"):
        baselines = [line for line in chart(page, name) if of_run(line) not in RUNS]
        assert {line.colour for line in baselines} == {GREY}
        dashes = {of_run(line): line.dash for line in baselines}
        assert len(set(dashes.values())) == len(dashes)
        assert len(baselines) == len(MODES) * len(dashes)  # one in the panel of each mode


@needs_browser
def test_learning_curves_tell_training_from_validation_by_dash(results, browse):
    dvc(results, "plots", "show", "Learning curves")
    lines = chart(browse(results), "Learning curves")
    assert {(of_run(line), line.values["Curve"], line.dash) for line in lines} == {
        (run, curve, dash)
        for run in RUNS
        for curve, dash in (("validation_loss", "1,0"), ("train_loss", "4,3"))
    }


@needs_browser
def test_labels_have_the_unit_and_epochs_are_whole(results, browse):
    dvc(results, "plots", "show", "Validation error by epoch")
    text = browse(results).text
    labels = re.findall(r"<text [^>]*>([^<]*)</text>", text)
    assert "MAE of volume, veh/15min" in labels and not [label for label in labels if "original" in label]
    epochs = labels[labels.index("Epoch") - 8 : labels.index("Epoch")]
    assert epochs == [*"12345678"]


@needs_browser
def test_observed_is_black_and_in_the_legend_and_nothing_else_is(results, browse):
    dvc(results, "plots", "show", "Forecast against observation")
    page = browse(results)
    assert [*dict.fromkeys(re.findall(r">(observed|LSTM|xLSTM)</text>", page.text))] == [
        "observed",
        "LSTM",
        "xLSTM",
    ]
    black = {
        line.values["run"] for line in chart(page, "Forecast against observation") if line.colour == BLACK
    }
    assert black == {*RUNS}
    colours = re.findall(r'(?:fill|stroke)="(#222)"', page.text)
    assert len(colours) == 1 + len(RUNS), "one in the legend, and a line beside each run"


@needs_browser
@pytest.mark.parametrize(
    ("day", "days", "hours"), [(None, None, 24), (2, 1, 24), (1, 7, 72), (99, 1, 24), (3, 2, 24)]
)
def test_forecasts_are_of_the_days_that_were_chosen(results, browse, day, days, hours):
    """Of three; the first is shown, and beyond the last one there is the last."""
    dvc(results, "plots", "show", "Forecast against observation")
    choose = f"""
        const set = (name, value) => {{
          const input = document.querySelector(`[name=${{name}}]`);
          input.value = value;
          input.dispatchEvent(new Event(name == "day" ? "input" : "change", {{bubbles: true}}));
        }};
        set("day", {day}); set("days", {days});
    """
    page = browse(results, choose if day else "")
    lines = [line for line in chart(page, "Forecast against observation") if line.colour == BLUE]
    assert len(lines) == len(MODES)
    assert [line.path.count("L") + 1 for line in lines] == [hours] * len(MODES)
    first = "08" if hours == 72 or not day else {2: "09", 99: "10", 3: "10"}[day]
    assert {line.values["Time (local)"] for line in lines} == {f"May {first}, 2024"}


@needs_browser
def test_diff_draws_the_older_version_paler_in_the_same_colours(results, browse):
    for file in FILES:
        if file.parent.name.startswith("xlstm"):
            write(results, file, 0.5)
    dvc(results, "plots", "diff")
    page = browse(results)
    assert page.console == []
    for name in PLOTS:
        lines = [line for line in chart(page, name) if line.colour in (BLUE, ORANGE)]
        assert {(of_run(line), line.values["rev"], line.colour) for line in lines} == {
            (run, version, colour(run)) for run in RUNS for version in ("workspace", "HEAD")
        }, name
        assert all(line.opacity == (1 if line.values["rev"] == "workspace" else 0.5) for line in lines), name
    paths = {(of_run(line), line.values["rev"]): line.path for line in chart(page, "Error by horizon")}
    for run in RUNS:
        assert (paths[run, "workspace"] == paths[run, "HEAD"]) == run.startswith("lstm")


@needs_browser
def test_hovering_names_the_run_and_its_values(results, browse):
    dvc(results, "plots", "show", "Error by horizon")
    near_a_point = "document.querySelector('[class*=voronoi] path')"
    page = browse(
        results, f"{near_a_point}.dispatchEvent(new PointerEvent('pointermove', {{bubbles: true}}))"
    )
    [tooltip] = re.findall(r'id="vg-tooltip-element".*?</table>', page.text)
    shown = dict(re.findall(r'class="key">([^<]*)</td><td class="value">([^<]*)<', tooltip))
    assert shown == {
        "Forecast": "lstm-single_vd",
        "Version": "workspace",
        "Minutes ahead": "15",
        "MAE of volume, veh/15min": "5.000",
    }


@needs_browser
def test_clicking_a_model_in_the_legend_fades_the_others(results, browse):
    dvc(results, "plots", "show", "Error by horizon")
    xlstm = "document.querySelectorAll('.role-legend-symbol path')[1]"
    page = browse(results, f"{xlstm}.dispatchEvent(new PointerEvent('click', {{bubbles: true}}))")
    for line in chart(page, "Error by horizon"):
        assert (line.opacity == 1) == of_run(line).startswith("xlstm")


@needs_browser
def test_one_model_alone_keeps_its_colour(results, browse):
    """xLSTM never run, no baselines: what is there is drawn, as it always is."""
    for file in FILES:
        if not file.parent.name.startswith("lstm"):
            (results / file).unlink()
    dvc(results, "plots", "show")
    page = browse(results)
    assert page.console == []
    for name in PLOTS:
        lines = chart(page, name)
        assert {of_run(line) for line in lines} == set(RUNS[: len(MODES)]), name
        colours = {line.colour for line in lines}
        assert BLUE in colours and ORANGE not in colours, name


@needs_browser
def test_one_file_can_be_shown_by_itself(results, browse):
    """Then DVC strips no common folder from the file's name, and the run is still recognised."""
    file = "runs/xlstm-multi_vd/by_horizon.csv"
    dvc(results, "plots", "show", file, "--template", "errors", "-x", "minutes", "-y", "mae")
    [lines] = browse(results).lines.values()
    assert [(of_run(line), line.colour) for line in lines] == [("xlstm-multi_vd", ORANGE)]


@needs_browser
def test_a_plot_without_data_says_so(project, browse):
    dvc(project, "plots", "show")
    page = browse(project)
    assert page.console == []
    for name in PLOTS:
        assert f"{name}: nothing to plot yet; run dvc repro" in page.text
