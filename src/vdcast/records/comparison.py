"""``reports/comparisons/<mode>/comparison.json``: the two models of one mode and the baselines, side by side.

A figure that is undefined is null. ``name`` below is a model (``lstm``, ``xlstm``: the mean of the scores of their
seeds), an ensemble (``lstm_ensemble``, ``xlstm_ensemble``: the mean of their seeds' forecasts, where there are
several) or a baseline. ``scope`` is ``target_vd`` or, where the mode has several VDs, ``all_vds`` too.
"""

import msgspec
from msgspec import UNSET, UnsetType


class Scores(msgspec.Struct, frozen=True, kw_only=True):
    """``metrics.over_seeds`` of the headline target; ``observations`` says whether a figure stands on anything."""

    mae: float | None
    rmse: float | None
    wape: float | None
    mape: float | None
    r2: float | None
    bias: float | None
    observations: int
    skill: float | None
    # of several seeds alone
    mae_sd: float | UnsetType | None = UNSET
    mae_min: float | UnsetType | None = UNSET
    mae_max: float | UnsetType | None = UNSET


class CutRow(Scores, frozen=True, kw_only=True):
    """Of the cells that carry one label: minutes ahead, an hour of the day, a VD, a condition."""

    label: int | float | str


class PairedDifference(msgspec.Struct, frozen=True, kw_only=True):
    """MAE of ``a`` minus MAE of ``b`` over all VDs of the mode, not rounded.

    Its 95 % interval ``low`` to ``high``, two-sided ``p`` of it, ``boot_low`` to ``boot_high`` of a block bootstrap
    and ``p_dm`` of the Diebold-Mariano test, before any correction for how many tests the report makes.
    """

    a: str
    b: str
    mae: float | None
    low: float | None
    high: float | None
    p: float | None
    boot_low: float | None
    boot_high: float | None
    p_dm: float | None
    days: int
    vds: int


class Spent(msgspec.Struct, frozen=True, kw_only=True):
    """What a run takes: of ``training.json`` and ``cost.json`` what the reports print."""

    parameters: int
    flops_per_window: int
    epochs: int
    epoch_seconds: float
    seconds: float
    latency_ms: float
    latency_batch_ms: float
    peak_memory_mb: float


class FurtherTarget(msgspec.Struct, frozen=True, kw_only=True):
    """A target beyond the first: MAE by name, over all VDs of the mode, mean over seeds."""

    target: str
    unit: str
    mae: dict[str, float | None]


class QuantileRow(msgspec.Struct, frozen=True, kw_only=True):
    """wql, and coverage_80, width_80 and so on for each interval; with ``_raw`` what it was before calibration."""

    label: int | float | str
    figures: dict[str, float | None]


class QuantileScores(msgspec.Struct, frozen=True, kw_only=True):
    """Of runs with ``train.quantiles``, the headline target."""

    levels: list[float]  # ascending, 0.5 in the middle
    scores: dict[str, dict[str, dict[str, float | None]]]  # by scope, model and figure
    cuts: dict[str, dict[str, dict[str, list[QuantileRow]]]]  # by scope, cut and model


class Comparison(
    msgspec.Struct, frozen=True, kw_only=True, tag_field="status", tag="compared", omit_defaults=True
):
    """Everything that the reports say of one mode, for the headline target."""

    mode: str
    problem: (
        str | None
    )  # why there is no verdict, though there are figures: a run lacks weights, its figures are null
    target: str
    unit: str
    target_vd: str
    vds: list[str]
    seeds: int
    windows: int
    interval: int  # seconds
    mape_floor: float
    congested: str  # the rule, in words
    peak: str  # the rule, in words
    notes: list[str]  # sentences on what could not be judged
    losses: list[str]  # a sentence for each model that loses to a baseline somewhere
    scores: dict[str, dict[str, Scores]]  # by scope and name
    # by scope, cut and name: horizon (minutes), hour (0 to 23), day, peak, congestion, missing (share of missing input)
    # and, in all_vds, vd. Every name has the same labels in the same order
    cuts: dict[str, dict[str, dict[str, list[CutRow]]]]
    # the naive forecast with the lowest MAE on the very observations of ``differences``, as skill has it: chosen with
    # hindsight, the opponent can only make it harder for a model to be called better
    best_naive: str
    differences: list[PairedDifference]  # xlstm - lstm, then each against ``best_naive``
    cost: dict[str, Spent]  # by model
    further_targets: list[FurtherTarget]
    quantiles: QuantileScores | None = None


class NoComparison(msgspec.Struct, frozen=True, kw_only=True, tag_field="status", tag="not_compared"):
    """Of a mode whose runs cannot be laid side by side at all; ``problem`` says why."""

    mode: str
    problem: str
