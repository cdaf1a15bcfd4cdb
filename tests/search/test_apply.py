"""What is better, as a command and in params.yaml."""

import re
import shlex
from collections import Counter
from pathlib import Path

import pytest
from dvc.utils.hydra import apply_overrides
from msgspec import structs

from vdcast import params
from vdcast.language import speaking
from vdcast.records.search import Searched, SearchOf, Tried
from vdcast.records.summary import ModeVerdict
from vdcast.search.apply import better, changes, command, laid_over, write
from vdcast.search.report import markdown, to_the_end

SHIPPED = Path(__file__).parents[2] / "params.yaml"
ANSWER = ModeVerdict(
    status="better", better="lstm", provisional=False, words="", takes=None, per_second=None, per_parameter=None, cost_words=""
)  # fmt: skip


def tried(number: int, error: float, seeds: list[float] | None, **settings) -> Tried:
    return Tried(number=number, settings=settings, error=error, seed_errors=seeds)


def of(run: str, first: Tried, best: Tried, **changes) -> SearchOf:
    whole = dict(
        run=run, trials=60, seconds=812.46, end="trials", complete=40, pruned=18, failed={"its loss was not finite": 2},
        impossible=3, lost=1, confirming=20.0, first=first, best=best, luck=0.004, importance={"dropout": 0.75, "lookback": 0.25},
        top=[best], curve=[(1.0, 0.9), (5.0, 0.8)],
    )  # fmt: skip
    return SearchOf(**whole | changes)


@pytest.fixture
def searched() -> Searched:
    lstm = of(
        "lstm-multi_vd",
        tried(0, 0.9, [0.9, 0.92], hidden_size=128, dropout=0.3, lookback=None),
        tried(7, 0.8, [0.8, 0.93], hidden_size=128, dropout=0.12, lookback=8),
    )
    xlstm = of(
        "xlstm-multi_vd",
        tried(0, 0.9, [0.9, 0.9], slstm_at=[1], learning_rate=0.001),
        tried(9, 0.89, [0.89, 0.9], slstm_at=[], learning_rate=0.00123),
    )
    return Searched(mode="multi_vd", trials=60, seconds=900.0, seeds=2, models={"lstm": lstm, "xlstm": xlstm})


def test_only_what_differs_is_written(searched):
    assert changes(searched) == {
        ("runs", "lstm-multi_vd", "dropout"): 0.12,
        ("runs", "lstm-multi_vd", "lookback"): 8,
        ("search", "spent", "lstm-multi_vd"): {"trials": 60, "seconds": 812.5},
        ("runs", "xlstm-multi_vd", "slstm_at"): [],
        ("runs", "xlstm-multi_vd", "learning_rate"): 0.00123,
        ("search", "spent", "xlstm-multi_vd"): {"trials": 60, "seconds": 812.5},
    }


@pytest.mark.parametrize(
    ("first", "best", "taken"),
    [
        (tried(0, 0.9, [0.9, 0.9]), tried(3, 0.8, [0.8, 0.99]), True),
        (tried(0, 0.9, [0.9, 0.8]), tried(3, 0.8, [0.8, 0.91]), False),  # by its own seed alone
        (tried(0, 0.9, [0.9, 0.9]), tried(3, 0.8, None), False),  # nobody has looked
        (tried(0, 0.9, [0.9, 0.9]), tried(0, 0.9, [0.9, 0.9]), False),
    ],
)
def test_what_is_better_is_so_in_the_mean_over_seeds(first, best, taken):
    assert better(of("lstm-multi_vd", first, best)) == (best if taken else None)


def check(path: Path) -> None:
    settings = params.load(path)
    lstm, xlstm = (settings.run(name).network for name in ("lstm-multi_vd", "xlstm-multi_vd"))
    assert (lstm.dropout, lstm.lookback, lstm.hidden_size) == (0.12, 8, 128)
    assert (xlstm.slstm_at, xlstm.learning_rate) == ([], 0.00123)
    assert settings.search.spent_on("xlstm-multi_vd").seconds == 812.5
    assert settings.run("lstm-single_vd") == params.load(SHIPPED).run("lstm-single_vd")


def test_the_file_keeps_every_line_that_does_not_change(searched, tmp_path):
    path = tmp_path / "params.yaml"
    path.write_text(SHIPPED.read_text("utf-8"), "utf-8")
    write(searched, ANSWER, path)
    check(path)
    assert params.load(path).search.before["multi_vd"].better == "lstm"
    old, new = (each.read_text("utf-8").splitlines() for each in (SHIPPED, path))
    gone = [line for line in old if line not in new]
    assert [line.split(":")[0].strip() for line in gone] == [
        "lstm-multi_vd",
        "xlstm-multi_vd",
        "lstm-multi_vd",  # under `spent`
        "xlstm-multi_vd",
        "before",
    ]
    comments = [line.partition("#")[2] for line in old if "#" in line]
    assert comments == [line.partition("#")[2] for line in new if "#" in line]
    once = path.read_text("utf-8")
    write(searched, structs.replace(ANSWER, better="xlstm"), path)  # that of the new settings
    assert path.read_text("utf-8") == once


def test_dvc_takes_the_command(searched, tmp_path):
    path = tmp_path / "params.yaml"
    path.write_text(SHIPPED.read_text("utf-8"), "utf-8")
    words = shlex.split(command(searched, ANSWER))
    assert words[:3] == ["dvc", "exp", "run"] and {*words[3::2]} == {"-S"}
    apply_overrides(path, words[4::2])
    check(path)
    before = params.load(path).search.before["multi_vd"]
    assert (before.status, before.better) == ("better", "lstm")


def test_dvc_takes_a_setting_of_none(searched, tmp_path):
    """As of a lookback that is no longer cut: `None` would be a word to Hydra."""
    it = searched.models["lstm"]
    first, best = (
        structs.replace(each, settings={"lookback": value})
        for each, value in ((it.first, 8), (it.best, None))
    )
    found = structs.replace(searched, models={"lstm": structs.replace(it, first=first, best=best)})
    path = tmp_path / "params.yaml"
    path.write_text(
        SHIPPED.read_text("utf-8").replace("hidden_size: 128}", "hidden_size: 128, lookback: 8}"), "utf-8"
    )
    assert params.load(path).run("lstm-multi_vd").network.lookback == 8
    apply_overrides(path, shlex.split(command(found, None))[4::2])
    assert params.load(path).run("lstm-multi_vd").network.lookback is None


def test_lines_are_laid_over_by_what_differs():
    assert laid_over("a:   1\nb: 2\n", "a: 1\nb: 2\n", "a: 1\nb: 3\nc: 4\n") == "a:   1\nb: 3\nc: 4\n"
    assert laid_over("a:\n  1\n", "a: 1\n", "a: 2\n") == "a: 2\n"  # of another layout: as it comes


def test_the_report_says_what_was_spent_what_is_better_and_what_luck_would_give(searched):
    text = markdown(searched)
    assert "60 trials in 812 CPU seconds; its trials were spent first." in text
    assert "40 complete, 18 pruned and 2 failed (its loss was not finite)" in text
    assert (
        "Not counted: 3 combinations that no network can have and 1 trials whose process was killed" in text
    )
    assert "Trial 7 has the lowest error, 0.8000: 11.1% lower than trial 0's 0.9000." in text
    assert (
        "The best of 40 trials that differ in their seed alone would be some 0.4% below their mean." in text
    )
    assert (
        "With the same 2 seeds its mean is 0.8650 and trial 0's 0.9100: 4.9% lower, and lower with 1 of them."
        in text
    )
    assert "(fANOVA): dropout 75% and lookback 25%." in text
    assert command(searched, None) in text


def test_in_chinese_the_report_has_the_same_figures(searched):
    def figures(text):
        return Counter(re.findall(r"\d+(?:\.\d+)?%?", text))

    with speaking("zh-Hant"):
        text = markdown(searched)
    assert "60 次試驗，共 812 CPU 秒；試驗次數先用盡。其中 40 次完成、18 次提前中止 與 2 次失敗" in text
    assert figures(text) == figures(markdown(searched))


def test_the_curve_is_drawn_over_all_that_was_spent(searched):
    lstm = searched.models["lstm"]
    assert to_the_end(lstm) == [(1.0, 0.9), (5.0, 0.8), (812.46, 0.8)]
    assert to_the_end(structs.replace(lstm, curve=[])) == []
