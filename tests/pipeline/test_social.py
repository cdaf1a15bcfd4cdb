"""A project whose detectors have coordinates, through all of its stages: social beside the network without neighbours."""

import contextlib
import json
from pathlib import Path

import msgspec
import pytest
import yaml

from tests import project
from tests.browser import BROWSER, tab
from vdcast import Trained
from vdcast.data import store
from vdcast.errors import InputError
from vdcast.language import Said, in_words
from vdcast.live.newcomers import elsewhere
from vdcast.report.__main__ import main as report

PLACES = "name,lon,lat\n" + "".join(
    f"{name},{121 + 0.004 * i},25\n" for i, name in enumerate("abcd")
)  # e has none

CHANGES = {
    "data": {"raw": "data/raw", "files": "counts.csv", "vd_list": "places.csv"},
    "modes": {
        "single_vd": {"target_vd_index": 0},
        **{
            mode: {"num_vds": 5} for mode in ("multi_vd", "independent_multi_vd", "global_multi_vd", "social")
        },
    },
    "runs": {f"{model}-social": {"model": model, "mode": "social"} for model in ("lstm", "xlstm")},
    "comparisons": {"social": {"lstm": "lstm-social", "xlstm": "xlstm-social"}},
    "controls": {f"{model}-social": f"{model}-global_multi_vd" for model in ("lstm", "xlstm")},
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """All stages of it, and the page in both languages."""
    folder = tmp_path_factory.mktemp("social")
    (folder / "data/raw").mkdir(parents=True)
    (folder / "data/raw/places.csv").write_text(PLACES, "utf-8")
    with contextlib.chdir(folder):
        project.up_to_evaluate(folder, project.counts("abcde"), CHANGES)
        project.up_to_report()
    return folder


@pytest.mark.slow
def test_social_is_a_mode_like_the_others(folder):
    training = json.loads((folder / "runs/lstm-social/training.json").read_text("utf-8"))
    assert training["copies"] == 2, "one network a seed, whatever the number of detectors"
    named = "VDs without coordinates have no neighbours: e."
    (note,) = msgspec.convert(training["notes"], list[Said])
    assert in_words(note) == f"In run lstm-social, {named}"
    report = (folder / "reports/report.md").read_text("utf-8")
    assert "| LSTM, social" in report and named in report

    trained, alone = (
        Trained.load(folder / f"runs/lstm-{mode}/model.pt") for mode in ("social", "global_multi_vd")
    )
    known = store.read(folder / "data/detectors.h5")
    assert trained.forecast_next(known).shape == (2, 2, 5, 1)
    assert elsewhere(alone, known).forecast_next(known).shape == (2, 2, 5, 1)
    with pytest.raises(InputError, match="forecasts the detectors that it was trained on and no others"):
        elsewhere(trained, known)


@pytest.mark.slow
def test_what_sharing_and_what_neighbours_give_is_said_of_each_model_apart(folder):
    summary = json.loads((folder / "reports/summary.json").read_text("utf-8"))
    found = summary["verdict"]["controls"]
    assert [(it["a"], it["b"]) for it in found] == [
        (f"{model}-{mode}", f"{model}-{without}")
        for mode, without in (("global_multi_vd", "independent_multi_vd"), ("social", "global_multi_vd"))
        for model in ("lstm", "xlstm")
    ]
    report = (folder / "reports/report.md").read_text("utf-8")
    maes = {
        (mode, model): summary["modes"][mode]["all_vds"][model]["mae"]
        for mode in ("social", "global_multi_vd", "independent_multi_vd")
        for model in ("lstm", "xlstm")
    }
    for it in found:
        assert it["low"] < it["relative"] < it["high"] and it["words"] in report
        pooled = maes[it["mode"], it["model"]] - maes[it["without"], it["model"]]
        assert it["mae"] == pytest.approx(pooled, abs=1e-5), (
            "on the very observations that both are scored on"
        )


@pytest.mark.slow
@pytest.mark.skipif(BROWSER is None, reason="needs chromium or google-chrome on PATH")
@pytest.mark.parametrize("language", ["en", "zh-Hant"])
def test_the_map_is_on_the_page(folder, language):
    """Four VDs in a row, 400 m apart, of which each hears of those up to 800 m away, and one without a place."""
    with contextlib.chdir(folder):
        settings = yaml.safe_load(Path("params.yaml").read_text("utf-8"))
        settings["report"] = {"language": language}
        Path("params.yaml").write_text(yaml.safe_dump(settings, sort_keys=False), "utf-8")
        project.run(report)
    with tab() as page:
        page.open(folder / "reports/index.html")
        assert page.run("[...document.querySelectorAll('#map .vd title')].map((it) => it.textContent)") == [
            "a: 2", "b: 3", "c: 3", "d: 2",
        ]  # fmt: skip
        links = "document.querySelector('#map .link.{}').getAttribute('d').split('M').length - 1"
        assert [page.run(links.format(each)) for each in ("weak", "middle", "strong")] == [2, 0, 3]
        said = page.run("document.getElementById('neighbours').innerText")
        assert {"en": "not on the map: e.", "zh-Hant": "也不在地圖上：e。"}[language] in said
        assert page.run("document.querySelectorAll('#gains .mark-symbol path').length") == 2 * 3
        assert page.run("document.querySelector('.scale').textContent") == "200 m"
        page.run("document.querySelector('button[data-closer=\"2\"]').click()")
        assert page.run("document.querySelector('.scale').textContent") == "100 m"
        page.open(folder / "reports/index.html", width=390, height=800)
        assert page.run("document.documentElement.scrollWidth") <= 390
        assert page.run("document.getElementById('map').getBoundingClientRect().width") <= 390
        page.emulate("print")
        assert page.run("getComputedStyle(document.querySelector('.controls.closer')).display") == "none"
        assert page.console == []
