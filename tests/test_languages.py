"""One project told in two languages: the same figures, the same weights, other words."""

import calendar
import contextlib
import html
import re
import shutil
from collections import Counter
from pathlib import Path

import pandas as pd
import pytest
import yaml
from matplotlib import font_manager

from tests import project
from vdcast.language import speaking
from vdcast.scores import fonts

RUNS = ("lstm-multi_vd", "xlstm-multi_vd")
KEPT = (
    "data/prepared.h5",
    *(f"runs/{run}/{name}" for run in RUNS for name in ("test.json", "predictions.h5")),
)


@pytest.fixture(scope="module")
def told(tmp_path_factory) -> dict[str, Path]:
    """By language, the same project, of which one VD is dropped and one has no complete day."""
    first, second = (tmp_path_factory.mktemp(name) / "project" for name in ("en", "zh"))
    first.mkdir()
    table = project.counts("ABCD").assign(A=7.0)
    table.loc[table.index[400:420], "C"] = None
    changes = {
        "train": {"quantiles": [0.1, 0.5, 0.9], "seeds": [0]},
        "prepare": {"vds": ["A", "B", "C", "D"]},
        "modes": {
            mode: {"num_vds": 2} for mode in ("multi_vd", "independent_multi_vd", "global_multi_vd", "social")
        },
    }
    with contextlib.chdir(first):
        params = yaml.safe_load((project.ROOT / "params.yaml").read_text("utf-8"))
        gone = {"runs": dict.fromkeys(set(params["runs"]) - set(RUNS))}
        gone["controls"] = dict.fromkeys(params["controls"])
        gone["comparisons"] = dict.fromkeys(set(params["comparisons"]) - {"multi_vd"})
        project.up_to_evaluate(first, table, changes | gone)
        project.up_to_report()
    shutil.copytree(first, second, symlinks=True)
    with contextlib.chdir(second):
        settings = yaml.safe_load(Path("params.yaml").read_text("utf-8"))
        settings["report"] = {"language": "zh-Hant"}
        Path("params.yaml").write_text(yaml.safe_dump(settings, sort_keys=False), "utf-8")
        for main in (project.quality, project.prepare):
            project.run(main)
        for run in RUNS:
            cost = Path(f"runs/{run}/cost.json").read_bytes()
            project.run(project.evaluate, run)
            Path(f"runs/{run}/cost.json").write_bytes(cost)  # milliseconds are measured anew
        project.up_to_report()
    return {"en": first, "zh-Hant": second}


def text_of(page: Path) -> str:
    """What is read: of HTML without scripts, styles and tags, and settings as they are in both."""
    text = page.read_text("utf-8")
    if page.suffix == ".html":
        text = re.sub(r"<(script|style|pre)\b.*?</\1>", "", text, flags=re.DOTALL)
        text = html.unescape(re.sub(r"<[^>]*>", " ", text))
        for number in range(1, 13):
            text = text.replace(f" {calendar.month_name[number]} ", f" {number} ")
    return text


def figures(text: str) -> Counter:
    """But for milliseconds, which each of the two has measured for itself."""
    told = [line for line in text.splitlines() if not re.search(r"\d ms\b", line)]
    return Counter(re.findall(r"[+-]?\d+(?:,\d{3})*(?:\.\d+)?(?:e-\d+)?%?", "\n".join(told)))


HOURS = pd.DataFrame({"hour": [0, 1], "mae": [1.0, 2.0]})
PAGES = (
    "reports/report.md",
    "reports/index.html",
    "reports/prepare.md",
    "reports/quality/quality.md",
    "reports/comparisons/multi_vd/comparison.md",
    *(f"runs/{run}/report.md" for run in RUNS),
)


@pytest.mark.parametrize("page", PAGES)
def test_the_figures_are_the_same_in_both(told, page):
    english, chinese = (text_of(folder / page) for folder in told.values())
    assert figures(english) - figures(chinese) == figures(chinese) - figures(english) == Counter()
    assert len(figures(english)) > 10
    assert len(re.findall("[\u4e00-\u9fff]", chinese)) > 100 and not re.search("[\u4e00-\u9fff]", english)


def test_no_sentence_of_the_english_page_is_left_in_the_chinese_one(told):
    """Names of settings, commands and files are the same; three English words in a row are a sentence."""
    for page in PAGES:
        chinese = text_of(told["zh-Hant"] / page).replace("Lerch et al.", "")
        assert re.findall(r"\b[A-Za-z]{2,} [a-z]{2,} [a-z]{2,}\b", chinese) == [], page


def test_another_language_alters_nothing_that_is_trained_or_scored(told):
    english, chinese = told.values()
    for name in KEPT:
        assert (english / name).read_bytes() == (chinese / name).read_bytes(), name


def test_without_a_font_pictures_are_in_english_and_that_is_said_once(told, tmp_path, monkeypatch, capsys):
    from vdcast.scores import figures

    monkeypatch.setattr(font_manager.fontManager, "ttflist", [])
    fonts.installed.cache_clear()
    drawn = []
    monkeypatch.setattr(figures, "_save", lambda figure, _: drawn.append(figure.axes[0].get_ylabel()))
    with speaking("zh-Hant"):
        figures.cost(tmp_path / "cost.png", {})
        figures.error_by_hour(tmp_path / "by_hour.png", {"lstm": HOURS}, "veh/h")
    fonts.installed.cache_clear()
    assert drawn == ["", "MAE, veh/h"]
    (line,) = capsys.readouterr().err.splitlines()
    assert line == "圖中文字以英文顯示：未安裝字型 Noto Sans CJK TC（Debian 與 Ubuntu：fonts-noto-cjk）。"


@pytest.mark.filterwarnings("error:Glyph")
def test_with_a_font_pictures_have_every_letter(tmp_path, monkeypatch):
    from vdcast.scores import figures

    if not fonts.installed("zh-Hant"):
        pytest.skip("no font for Chinese is installed")
    drawn = []
    save = figures._save
    monkeypatch.setattr(
        figures, "_save", lambda figure, path: (drawn.append(figure.axes[0].get_title()), save(figure, path))
    )
    with speaking("zh-Hant"):
        figures.error_by_hour(tmp_path / "by_hour.png", {"lstm": HOURS}, "veh/h")
    assert drawn == ["一日各時的誤差"]
