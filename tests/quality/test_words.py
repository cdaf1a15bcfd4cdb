"""quality.md, of what `ingest` found."""

import re

from vdcast.ingest.quality import COUNTS
from vdcast.ingest.records import AHEAD, CAUSES
from vdcast.language import sentences, speaking
from vdcast.quality import pictures, words
from vdcast.records.quality import Files, Missing

from .made import of_series, quality

DEAD = {"missing": 1.0, "by_cause": {"gap": 0.25, "status": 0.75}, "longest_gap": 100, "verdict": "empty"}
DEAD |= {"mean": None, "min": None, "max": None}


def test_what_stands_out_is_said_first():
    series = [of_series(f"A{i}", "speed", verdict="constant") for i in range(7)]
    series += [of_series("dead|", "speed", **DEAD), of_series("B", "speed", missing=0.21)]
    bad = Files(read=3, bad=["'a.csv': no header"], passed_over=[])
    text = words.markdown(quality(series, silent=["gone", "lost|"], files=bad))
    first = text.split("## Missing, by cause")[0]
    assert re.findall("^- (.*)", first, re.M) == [
        "**empty** series: 1 (dead&#124; speed)",
        "**constant** series: 7 (A0 speed, A1 speed, A2 speed, A3 speed, A4 speed and 2 more)",
        "**1 series lack more than 20.00%** of their values",
        "**2 detectors of data.vd_list never reported**, and are not in the table (gone, lost&#124;)",
        "**1 bad files** were skipped; they are listed below",
    ]
    assert "## Bad files, skipped (1)\n\n- 'a.csv': no header\n" in text


def test_nothing_that_stands_out_leaves_no_list():
    text = words.markdown(quality([of_series("A", "speed")]))
    assert "1 detectors (0 with coordinates), features speed (km/h).\n\n## Missing, by cause" in text
    assert "Bad files" not in text and "passed over" not in text


def test_the_series_that_lacks_most_is_the_first_row():
    series = [
        of_series("A", "speed"),
        of_series("B", "speed", **DEAD),
        of_series("C", "speed", missing=0.0016),
    ]
    rows = words.markdown(quality(series)).split("|---|---|---|---|---|---|---|---|---|\n")[1].splitlines()
    assert rows[:3] == [
        "| B | speed | 100.00% | status | 100 min |  |  |  | empty |",
        "| C | speed | 0.16% |  | 0 min | 3.5 | 1 | 9 |  |",
        "| A | speed | 0 |  | 0 min | 3.5 | 1 | 9 |  |",
    ]


def test_shares_are_told_by_cause():
    missing = {"speed": Missing(share=0.6, by_cause={"gap": 0.5, "no_vehicle": 0.1})}
    text = words.markdown(quality([of_series("A", "speed")], missing=missing))
    assert "| feature | missing | gap | empty | no vehicle | code | impossible | status |" in text
    assert "| speed | 60.00% | 50.00% | 0 | 10.00% | 0 | 0 | 0 |" in text


def test_of_many_files_the_first_are_listed():
    files = Files(read=1, bad=[], passed_over=[f"file {i}" for i in range(25)])
    text = words.markdown(quality([of_series("A", "speed")], files=files))
    assert text.endswith("- file 19\n- and 5 more, in quality.json\n") and "format (25)" in text


def test_what_ingest_counts_has_a_sentence_and_what_it_misses_a_cause():
    said = sentences("language")
    assert {f"counted.{name}" for name in COUNTS} == {key for key in said if key.startswith("counted.")}
    assert [*words.CAUSES] == [*CAUSES.values()] == [*pictures.COLOURS]
    assert {f"cause.{name}" for name in words.CAUSES} == {key for key in said if key.startswith("cause.")}
    assert f"newer by more than {AHEAD / 60:g} minutes" in said["counted.stale"]["en"]


def test_the_same_in_chinese():
    with speaking("zh-Hant"):
        text = words.markdown(quality([of_series("A", "speed", **DEAD)], counts={"off_grid": 4}))
    assert "- **全空**的序列：1 個（A 速率）" in text
    assert "- 時刻不在時段起點的紀錄；已歸入所屬時段：4" in text
    assert "![涵蓋情形：各偵測器於各時間的觀測比例](coverage.png)" in text
