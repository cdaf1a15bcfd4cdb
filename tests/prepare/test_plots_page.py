"""What the charts of `dvc plots show` say is told in the language of the reports (tests/pipeline/test_plots.py draws them)."""

import html
import json
import re
from collections.abc import Iterator
from pathlib import Path

import yaml

from vdcast.language import speaking
from vdcast.prepare import plots_page

ROOT = Path(__file__).parents[2]
TEMPLATES = [json.loads(path.read_text("utf-8")) for path in sorted((ROOT / ".dvc/plots").glob("*.json"))]
DECLARED = {
    name: plot
    for entry in yaml.safe_load((ROOT / "dvc.yaml").read_text("utf-8"))["plots"]
    for name, plot in entry.items()
}


def strings(spec: object, key: str = "") -> Iterator[tuple[str, str]]:
    """Every text of a template under its key."""
    if isinstance(spec, dict):
        for name, value in spec.items():
            yield from strings(value, name)
    elif isinstance(spec, list):
        for value in spec:
            yield from strings(value, key)
    elif isinstance(spec, str):
        yield key, spec


def test_whatever_a_chart_says_has_words():
    told = plots_page.words("volume", "veh/15min")
    said = {
        value
        for template in TEMPLATES
        for key, value in strings(template)
        if key in ("title", "text", "subtitle") or (key == "name" and value.endswith(" ")) or "%" in value
    }
    said = {value for value in said if not value.startswith("<DVC") and value != "%H:%M"}
    said |= {*DECLARED} | {plot[axis] for plot in DECLARED.values() for axis in ("x_label", "y_label")}
    said = {value.replace("${prepare.targets[0]}", "volume") for value in said}
    assert len(said) > 20 and said - set(told) == set()


def test_a_label_has_the_unit_and_the_name_of_the_target():
    told = plots_page.words("volume", "veh/15min")
    assert told["MAE of volume, original units"] == "MAE of volume, veh/15min"
    assert told["hour_of_week"] == "hour of week" and told["Epoch"] == "Epoch"
    with speaking("zh-Hant"):
        told = plots_page.words("volume", "veh/15min")
    assert told["MAE of volume, original units"] == "流量的 MAE，veh/15min"
    assert told["volume, original units"] == "流量，veh/15min"
    assert told["observed"] == "觀測值" and told["Epoch"] == "訓練回合"


def test_names_of_the_data_are_neither_markup_nor_a_place_of_dvc():
    page = plots_page.page('flow"><script>', "{plot_divs}")
    assert page.count("{plot_divs}") == 1 and "<script>" not in page.split("<body")[1]
    told = json.loads(html.unescape(re.search('data-words="([^"]*)"', page)[1]))
    assert told['MAE of flow"><script>, original units'] == 'MAE of flow"><script>, {plot_divs}'


def test_the_page_is_in_its_language():
    assert '<html lang="en">' in plots_page.page("volume", "veh")
    with speaking("zh-Hant"):
        page = plots_page.page("volume", "veh")
    assert '<html lang="zh-Hant">' in page and "<h1>LSTM 與 xLSTM 之比較</h1>" in page
