"""What the stages before left for the report."""

from collections.abc import Iterable
from pathlib import Path

from vdcast.errors import InputError
from vdcast.forecasts.series import Series, read_series
from vdcast.language import in_words, say, some
from vdcast.layout import COMPARISONS, CONTROLS, PREPARATION
from vdcast.records import io
from vdcast.records.charts import Charts
from vdcast.records.comparison import Comparison, NoComparison
from vdcast.records.control import Control
from vdcast.records.prepare import Preparation
from vdcast.records.summary import Weakness

LISTED = 5  # of what was dropped


def read_bytes(path: Path, stage: str) -> bytes:
    """The file. Raises InputError that names the stage which leaves it."""
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise InputError(f"{path} does not exist; run `dvc repro {stage}`") from None


def read_comparisons(modes: Iterable[str]) -> dict[str, Comparison | NoComparison]:
    """By mode. Raises InputError where one is missing or damaged."""
    return {
        mode: io.read(COMPARISONS / mode / "comparison.json", Comparison | NoComparison, f"compare@{mode}")
        for mode in modes
    }


def read_controls(runs: Iterable[str]) -> list[Control]:
    """Of each run that has a control."""
    return [io.read(CONTROLS / f"{run}.json", Control, f"control@{run}") for run in runs]


def read_charts(modes: Iterable[str]) -> tuple[dict[str, Charts], dict[str, Series]]:
    """What the page draws of each mode that could be compared."""
    modes = list(modes)
    charts = {mode: io.read(COMPARISONS / mode / "charts.json", Charts, f"compare@{mode}") for mode in modes}
    return charts, {mode: read_series(COMPARISONS / mode / "series.h5") for mode in modes}


def read_preparation() -> Preparation:
    return io.read(PREPARATION, Preparation, "prepare")


def too_little(preparation: Preparation) -> list[Weakness]:
    """What `prepare` says where there is too little data for an answer that lasts."""
    said = preparation.amount.too_little
    return [Weakness(title=say("report.weakness.amount"), sentences=[in_words(said)])] if said else []


def dropped_in_words(preparation: Preparation, index: int) -> list[str]:
    """Which VDs and features no model has seen, and whether that moved the target VD.

    ``index`` is ``target_vd_index``, which counts the VDs that were kept.
    """
    dropped = preparation.dropped
    if not dropped:
        return []
    names = [say("report.dropped_vd", name=it.name, reason=in_words(it.reason)) for it in dropped]
    found = [say("report.dropped", names=some(names, LISTED))]
    asked, target_vd = preparation.asked[index], preparation.target_vd
    if asked != target_vd:
        found.append(say("report.moved", index=index, vd=target_vd, asked=asked))
    return found
