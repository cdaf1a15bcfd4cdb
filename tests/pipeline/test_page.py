"""``reports/index.html`` of a real run, opened by a real browser that has no network."""

import contextlib
import dataclasses
import json
import re
import shutil
from pathlib import Path

import pytest
import yaml
from msgspec import structs

from tests.browser import BROWSER, tab
from tests.pipeline.conftest import MODES, Clone
from tests.project import counts, up_to_evaluate, up_to_report
from vdcast.forecasts.series import read_series, write_series
from vdcast.records import io
from vdcast.records.charts import Charts
from vdcast.records.comparison import Comparison
from vdcast.records.quality import Quality

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(BROWSER is None, reason="needs chromium or google-chrome on PATH"),
]

CHARTS = {
    "difference", "cost", "days", "vd-by_horizon", "vd-by_hour",
    *(f"{chart}-{mode}" for chart in ("by_horizon", "by_hour", "history") for mode in MODES),
}  # fmt: skip
LINES = "[...document.querySelectorAll('#{} path[aria-roledescription=\"line mark\"]')].map((path) => path.getAttribute('d'))"
HOSTILE = "國道１號 <script>document.title='broken'</script><img src=x onerror=\"document.title='broken'\">"


@pytest.fixture(scope="module")
def browser():
    with tab() as opened:
        yield opened


@pytest.fixture(scope="module")
def with_quantiles(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("quantiles")
    changes = {
        "train": {"quantiles": [0.1, 0.5, 0.9]},
        "modes": {
            "multi_vd": {"num_vds": 3},
            "independent_multi_vd": {"num_vds": 2},
            "global_multi_vd": {"num_vds": 2},
            "social": {"num_vds": 2},
        },
    }
    with contextlib.chdir(folder):
        up_to_evaluate(folder, counts("ABC"), changes)
        up_to_report()
    return folder


@pytest.fixture(scope="module")
def chinese(with_quantiles, tmp_path_factory) -> Path:
    """The page of the same results in the other language."""
    folder = tmp_path_factory.mktemp("chinese") / "project"
    shutil.copytree(with_quantiles, folder, symlinks=True)
    with contextlib.chdir(folder):
        settings = yaml.safe_load(Path("params.yaml").read_text("utf-8"))
        settings["report"] = {"language": "zh-Hant"}
        Path("params.yaml").write_text(yaml.safe_dump(settings, sort_keys=False), "utf-8")
        up_to_report()
    return folder


@pytest.fixture
def page(browser, finished):
    """The page as a reader first sees it."""
    browser.console.clear()
    browser.requests.clear()
    browser.open(finished.path / "reports/index.html")
    return browser


def lines(page, chart: str) -> list[str]:
    """The paths of a chart's lines; all of them numbers."""
    drawn = page.run(LINES.format(chart))
    assert drawn and not [path for path in drawn if "NaN" in path]
    return drawn


def selected(page) -> str:
    return page.run("document.getElementById('vd-name').textContent")


def set_control(page, name: str, value: str) -> None:
    """Choose ``value`` as a user does."""
    page.run(
        f"(() => {{ const control = document.getElementById('{name}'); control.value = {json.dumps(value)};"
        " for (const kind of ['input', 'change']) control.dispatchEvent(new Event(kind)); })()"
    )


def changes(page, chart: str, before: list[str]) -> list[str]:
    """The lines of ``chart`` once they are others than ``before``."""
    page.wait(
        f"JSON.stringify({LINES.format(chart)}) !== {json.dumps(json.dumps(before, separators=(',', ':')))}"
    )
    return lines(page, chart)


def renamed(finished: Clone, folder: Path, names: dict[str, str]) -> Clone:
    """``finished`` with other VDs: ``names`` gives for each new name the VD whose data it has."""
    clone = Clone(folder / "clone")
    shutil.copytree(finished.path, clone.path, symlinks=True)
    for link in clone.path.glob("r*/**/*"):  # what DVC checked out may be shared with its cache
        if link.is_file():
            data = link.read_bytes()
            link.unlink()
            link.write_bytes(data)

    def all_of(vds) -> list[str]:
        return [new for new, old in names.items() if old in vds]

    for mode in MODES:
        folder = clone.path / "reports/comparisons" / mode
        comparison = io.read(folder / "comparison.json", Comparison, "compare")
        new = all_of(comparison.vds)[: 1 if mode == "single_vd" else None]
        at = [comparison.vds.index(names[name]) for name in new]
        target_vd = all_of([comparison.target_vd])[0]
        io.write(folder / "comparison.json", structs.replace(comparison, vds=new, target_vd=target_vd))

        charts = io.read(folder / "charts.json", Charts, "compare")
        curves = (it for each in charts.errors.values() for it in structs.astuple(each))
        for curve in curves:
            curve.each[:] = [curve.each[v] for v in at]
        io.write(folder / "charts.json", structs.replace(charts, vds=new))

        series = read_series(folder / "series.h5")
        at = [series.vd_ids.index(names[name]) for name in new]
        changed = {"vd_ids": tuple(new), "observed": series.observed[:, at]}
        for group in ("forecasts", "intervals"):
            changed[group] = {who: lines[..., at] for who, lines in getattr(series, group).items()}
        write_series(folder / "series.h5", dataclasses.replace(series, **changed))
    path = clone.path / "reports/quality/quality.json"
    quality = io.read(path, Quality, "ingest")
    series = [structs.replace(it, vd=new) for it in quality.series for new in all_of([it.vd])]
    io.write(path, structs.replace(quality, series=series))
    clone.run("python", "-m", "vdcast.report")
    return clone


def test_every_chart_is_drawn_without_network_or_complaint(page, finished):
    assert page.console == []
    assert page.requests == [(finished.path / "reports/index.html").absolute().as_uri()]
    assert set(page.run("[...document.querySelectorAll('.chart')].map((place) => place.id)")) == CHARTS
    for chart in CHARTS:
        marks = page.run(
            f"document.querySelectorAll('#{chart} svg .mark-line path, #{chart} svg .mark-symbol path').length"
        )
        assert marks >= 2, chart
    for mode in MODES:
        assert len(lines(page, f"by_horizon-{mode}")) == 3  # LSTM, xLSTM, the best naive forecast
    assert len(lines(page, "days")) == 4  # and the observation


def test_verdict_and_tables_are_text_and_agree_with_the_summary(page, finished):
    summary = json.loads((finished.path / "reports/summary.json").read_text("utf-8"))
    said = page.run("document.getElementById('verdict').textContent")
    assert said.split("Verdict", 1)[1].strip().startswith(summary["verdict"]["overall"]["words"])
    assert summary["verdict"]["losses"] in said
    matrix = page.run("document.getElementById('matrix').innerText")
    for mode in MODES:
        assert summary["verdict"]["modes"][mode]["words"][1:] in said
        for row in summary["modes"][mode]["target_vd"].values():
            spread = f" ± {row['mae_sd']:.2f}" if "mae_sd" in row else ""
            assert f"{row['mae']:.2f}{spread} (" in matrix
    assert "Dropped by prepare" in said and "target_vd_index 0 is VD 2, not VD 1." in said
    order = page.run("[...document.querySelectorAll('main > section')].map((section) => section.id)")
    assert order == ["verdict", "costs", "modes", "detectors", "data", "settings", "reproduce", "words"]
    assert not page.run(
        "[...document.querySelectorAll('td')].filter((cell) => !cell.textContent.trim()).length"
    )


def test_no_cost_prints_as_0(page):
    assert page.run("[0.2, 0.04567, 24.06, 1234.5, 156466, 0].map(significant)") == [
        "0.200", "0.0457", "24.1", "1,235", "156,466", "0",
    ]  # fmt: skip
    costs = page.run("[...document.querySelectorAll('#costs td')].map((cell) => cell.textContent)")
    assert len(costs) == 2 * len(MODES) * 9 and not {"0", "undefined"} & set(costs)


def test_settings_commit_and_commands_are_there(page, finished):
    text = page.run("document.getElementById('reproduce').innerText")
    commit = finished.run("git", "log", "--format=%H", "--diff-filter=A", "--", "dvc.yaml").strip()
    assert f"git checkout {commit}" in text and "dvc repro" in text
    assert "no commit" not in text
    assert (
        re.search(r"torch\s+2\.", text)
        and re.search(r"xlstm\s+2\.", text)
        and re.search(r"python\s+3\.", text)
    )
    assert (finished.path / "params.yaml").read_text("utf-8") == page.run(
        "document.querySelector('#settings pre').textContent"
    )


def test_switching_the_vd_changes_its_charts(page):
    before = {chart: lines(page, chart) for chart in ("days", "vd-by_horizon", "vd-by_hour")}
    names = page.run("[...document.querySelectorAll('#vds th')].map((cell) => cell.textContent)")
    assert len(names) == 3 and selected(page) == f"VD {names[0]}"
    page.run("document.querySelectorAll('#vds tr')[1].click()")
    assert selected(page) == f"VD {names[1]}"
    for chart, drawn in before.items():
        changes(page, chart, drawn)


def test_a_vd_is_found_by_name(page):
    wanted = page.run("document.querySelectorAll('#vds th')[2].textContent")
    set_control(page, "find", wanted)
    assert page.run("document.querySelectorAll('#vds tr').length") == 1
    assert page.run("document.getElementById('found').textContent") == "1 of 3 VDs."
    page.run("document.getElementById('find').dispatchEvent(new KeyboardEvent('keydown', {key: 'Enter'}))")
    assert selected(page) == f"VD {wanted}"
    set_control(page, "find", "no such name")
    assert page.run("document.querySelectorAll('#vds tr').length") == 0


def test_day_horizon_model_and_scope_can_be_switched(page):
    one_day = lines(page, "days")
    set_control(page, "day", "")
    all_days = changes(page, "days", one_day)
    set_control(page, "vd-horizon", "0")
    changes(page, "days", all_days)
    page.run("document.querySelector('input[data-who=xlstm]').click()")
    page.wait(f"{LINES.format('days')}.length === 3 && {LINES.format('by_hour-single_vd')}.length === 2")
    pooled = lines(page, "by_hour-multi_vd")
    page.run(
        "(() => { const scope = document.querySelector('select[data-scope=multi_vd]'); scope.value = 'all'; scope.onchange(); })()"
    )
    changes(page, "by_hour-multi_vd", pooled)
    assert page.console == []


BANDS = "document.querySelectorAll('#days path[aria-roledescription=\"area mark\"]').length"


def test_a_day_shows_the_interval_of_each_model_with_quantiles(browser, with_quantiles):
    browser.console.clear()
    browser.open(with_quantiles / "reports/index.html")
    browser.wait(f"{BANDS} === 2")
    assert len(lines(browser, "days")) == 4
    said = "document.getElementById('interval').innerText"
    assert "should hold 80 % of the observations, calibrated" in browser.run(said)
    matrix = browser.run("document.getElementById('modes').innerText")
    assert "Quantile forecasts of VD A" in matrix and "80 %: holds" in matrix
    for mode in MODES:
        assert f"xLSTM, {mode}, uncalibrated" in matrix
    shape = "document.querySelector('#days path[aria-roledescription=\"area mark\"]').getAttribute('d')"
    before = browser.run(shape)
    assert "NaN" not in before
    set_control(browser, "vd-horizon", "0")
    browser.wait(f"{shape} !== {json.dumps(before)}")
    browser.run("document.querySelector('input[data-who=xlstm]').click()")
    browser.wait(f"{BANDS} === 1")
    browser.run("document.querySelector('input[data-who=lstm]').click()")
    browser.wait(f"{BANDS} === 0 && document.getElementById('interval').hidden")
    assert browser.console == []


CUT = "[...document.querySelectorAll('.wide')].filter((it) => it.scrollWidth > it.clientWidth + 1).length"


def test_no_table_is_cut_at_1300_pixels_in_either_language(browser, with_quantiles, chinese):
    for folder in (with_quantiles, chinese):
        browser.open(folder / "reports/index.html", width=1300)
        assert browser.run(CUT) == 0
        browser.open(folder / "reports/index.html", width=390)
        assert browser.run("document.documentElement.scrollWidth") <= 390


def test_the_chinese_page_is_drawn_without_complaint(browser, chinese):
    browser.console.clear()
    browser.open(chinese / "reports/index.html")
    assert browser.run("document.documentElement.lang") == "zh-Hant"
    browser.wait(f"{BANDS} === 2")
    assert len(lines(browser, "days")) == 4
    assert "應涵蓋 80 % 觀測值的區間" in browser.run("document.getElementById('interval').innerText")
    assert browser.run("document.getElementById('found').textContent") == "3 個 VD 中的 3 個。"
    axes = browser.run("[...document.querySelectorAll('.chart text')].map((it) => it.textContent).join(' ')")
    assert "提前分鐘數" in axes and "訓練回合" in axes and "minutes" not in axes
    text = browser.run("document.body.innerText")
    assert "undefined" not in text and "{" not in text.replace(
        browser.run("document.querySelector('#settings pre').textContent"), ""
    )
    assert browser.console == []


def test_words_are_explained_on_the_page_where_nobody_has_to_look_for_them(page):
    assert "vehicle detector: one place on a road" in page.run("document.getElementById('words').innerText")


def test_without_quantiles_no_interval_is_drawn(page):
    assert "Quantile" not in page.run("document.body.innerText")
    assert page.run(BANDS) == 0 and page.run("document.getElementById('interval').hidden")


def test_the_tooltip_names_every_line(page):
    page.run(
        "(() => { const cell = document.querySelector('#days [class*=voronoi] path');"
        " cell.dispatchEvent(new PointerEvent('pointermove', {bubbles: true})); })()"
    )
    page.wait("document.getElementById('vg-tooltip-element')?.textContent.includes('xLSTM')")
    shown = page.run("document.getElementById('vg-tooltip-element').innerText")
    assert "observed" in shown and "local time" in shown and "undefined" not in shown


def test_dark_mode_print_and_a_phone(page, finished, tmp_path):
    ink = "getComputedStyle(document.querySelector('#days text')).fill"
    light = page.run(ink)
    page.emulate(dark=True)
    assert page.run(ink) != light, "the charts must follow the colours of the page"
    page.emulate("print", dark=True)
    assert page.run("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert page.run("getComputedStyle(document.querySelector('nav')).display") == "none"
    page.printed(tmp_path / "page.pdf")
    assert (tmp_path / "page.pdf").read_bytes().startswith(b"%PDF")
    assert not page.run("document.querySelectorAll('details:not([open])').length"), "paper cannot be unfolded"
    page.open(finished.path / "reports/index.html", width=390, height=800)
    bottom = "document.querySelector('#verdict .lead').getBoundingClientRect().bottom"
    assert page.run(bottom) < 800, "the answer is in the first screen of a phone"
    assert page.run("document.documentElement.scrollWidth") <= 390, "nothing may stick out to the right"
    size = "parseFloat(getComputedStyle(document.querySelector('.matrix td{}')).fontSize)"
    assert page.run(size.format(" .soft")) <= page.run(size.format("")), "skill is not larger than the error"
    assert (
        page.run(
            "Math.max(...[...document.querySelectorAll('.chart svg')].map((svg) => svg.getBoundingClientRect().width))"
        )
        <= 390
    )


def test_names_from_data_are_text_and_nothing_else(browser, finished, tmp_path):
    target = json.loads((finished.path / "reports/comparisons/single_vd/comparison.json").read_text("utf-8"))[
        "target_vd"
    ]
    vds = json.loads((finished.path / "reports/comparisons/multi_vd/comparison.json").read_text("utf-8"))[
        "vds"
    ]
    clone = renamed(finished, tmp_path, {vd: vd for vd in vds if vd != target} | {HOSTILE: target})
    browser.console.clear()
    browser.open(clone.path / "reports/index.html")
    assert selected(browser) == f"VD {HOSTILE}"
    assert browser.run("document.title") != "broken"
    assert HOSTILE in browser.run("document.getElementById('matrix').textContent")
    assert browser.console == []
    set_control(browser, "find", "國道")
    assert browser.run("document.querySelectorAll('#vds tr').length") == 1


def test_a_thousand_vds_still_open_and_the_page_says_what_it_leaves_out(browser, finished, tmp_path):
    vds = json.loads((finished.path / "reports/comparisons/multi_vd/comparison.json").read_text("utf-8"))[
        "vds"
    ]
    names = {vd: vd for vd in vds} | {f"copy {i:04d}": vds[i % len(vds)] for i in range(1000 - len(vds))}
    clone = renamed(finished, tmp_path, names)
    assert (clone.path / "reports/index.html").stat().st_size < 10e6
    browser.console.clear()
    browser.open(clone.path / "reports/index.html")
    assert (
        browser.run("document.getElementById('found').textContent")
        == "1000 of 1000 VDs, the first 50 listed."
    )
    note = browser.run("document.getElementById('detectors').innerText")
    assert re.search(
        r"carried for \d+ of 1,000 VDs: the target VD and those on which the two models differ most", note
    )
    browser.run("document.getElementById('more').click()")
    assert browser.run("document.querySelectorAll('#vds tr').length") == 1000
    browser.run("document.querySelectorAll('#vds tr')[999].click()")
    browser.wait("document.getElementById('days').textContent.includes('no series of this VD')")
    assert len(lines(browser, "vd-by_hour")) == 3
    assert browser.console == []
