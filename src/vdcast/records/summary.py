"""``reports/summary.json``: the verdict, and the figures that `dvc metrics diff` and `vdcast verdict` compare."""

from typing import Literal

import msgspec

from vdcast.records.comparison import PairedDifference, Scores, Spent

Status = Literal["better", "no_difference", "no_verdict"]


class JudgedDifference(PairedDifference, frozen=True, kw_only=True):
    """``p_holm`` is corrected for all comparisons of the page; ``words`` have no full stop."""

    p_holm: float | None
    status: Status
    better: str | None  # the name of the better one
    words: str


class ModeVerdict(msgspec.Struct, frozen=True, kw_only=True):
    """LSTM against xLSTM in one mode; ``per_second`` and ``per_parameter`` are the model that wins by cost, or null."""

    status: Status
    better: str | None
    words: str
    per_second: str | None
    per_parameter: str | None
    cost_words: str


class Overall(msgspec.Struct, frozen=True, kw_only=True):
    """All modes together; ``divided`` where each model is better in some mode."""

    status: Status | Literal["divided"]
    better: str | None
    words: str
    cost_words: str


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    overall: Overall
    modes: dict[str, ModeVerdict]
    differences: dict[str, list[JudgedDifference]]  # by mode, as the comparison has them
    rule: str
    warnings: list[str]  # the sentences that come before any verdict
    unbeaten: str | None  # the sentence to be said where no model loses to a simpler forecast


class ModeFigures(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What of a comparison is a number; of one that could not be made, ``problem`` alone."""

    problem: str | None = None
    target_vd: dict[str, Scores] = {}
    all_vds: dict[str, Scores] = {}
    by_horizon: dict[str, dict[str, float | None]] = {}  # MAE of the target VD by name and "15min"
    cost: dict[str, Spent] = {}
    quantiles: dict[str, dict[str, dict[str, float | None]]] = {}


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    verdict: Verdict
    modes: dict[str, ModeFigures]
