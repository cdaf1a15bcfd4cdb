"""``reports/comparisons/<mode>/comparison.json``: the two models of one mode and the baselines, side by side.

A figure that is undefined is null. ``name`` below is a model (``lstm``, ``xlstm``: the mean of the scores of their
seeds), an ensemble (``lstm_ensemble``, ``xlstm_ensemble``: the mean of their seeds' forecasts, where there are
several) or a baseline. ``scope`` is ``target_vd`` or, where the mode has several VDs, ``all_vds`` too.
"""

from typing import Literal

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


class Parts(msgspec.Struct, frozen=True, kw_only=True):
    """Of a variance or its degrees of freedom, by what would be another one next time; 0 where there is one alone."""

    days: float
    vds: float
    seeds_a: float  # trainings of ``a``
    seeds_b: float


class PairedDifference(msgspec.Struct, frozen=True, kw_only=True):
    """Errors of ``a`` against those of ``b``, over all VDs of the mode, not rounded.

    ``relative`` is the mean over VDs of their relative difference, 2 (A - B) / (A + B); ``variance`` and ``df``
    are of it, null without two days. ``mae`` is the difference of the errors pooled over VDs, in units; ``boot_low`` to
    ``boot_high``, a block bootstrap, and ``p_dm``, of Diebold and Mariano, are of that. Nothing is corrected for how many
    differences a report holds.
    """

    a: str
    b: str
    relative: float | None
    variance: Parts | None
    df: Parts | None
    correlation: float | None  # of neighbouring days, as it was allowed for
    mae: float | None
    boot_low: float | None
    boot_high: float | None
    p_dm: float | None
    days: int
    vds: int
    seeds: int


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """A model against a simpler forecast, somewhere; ``relative`` as of a difference, with its standard error.

    ``simpler`` was the best of the baselines on the validation part, over all horizons (``place`` whole) or at one
    (horizon; ``label``: minutes ahead). All VDs of the mode; of ``vds`` that were observed the model's error is the lower
    one at ``vds_ahead``.
    """

    model: str
    simpler: str
    place: Literal["whole", "horizon"]
    label: float | str
    relative: float | None
    error: float | None  # null without two days
    df: float | None
    mae: float | None  # of the model
    mae_simpler: float | None
    vds: int
    vds_ahead: int


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


class Note(msgspec.Struct, frozen=True):
    """A sentence on what weakens an answer. Of the kind ``seeds`` or ``training`` it makes every answer provisional."""

    kind: Literal["seeds", "training", "days", "data"]
    words: str


class Comparison(
    msgspec.Struct, frozen=True, kw_only=True, tag_field="status", tag="compared", omit_defaults=True
):
    """Everything that the reports say of one mode, for the headline target."""

    mode: str
    # why there is no verdict, though there are figures: a run lacks weights, its figures are null
    problem: str | None
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
    notes: list[Note]  # what weakens any answer
    scores: dict[str, dict[str, Scores]]  # by scope and name
    # by scope, cut and name: horizon (minutes), hour (0 to 23), day, peak, congestion, missing (share of missing input), age
    # (days since the first forecast, of a walk forward without refit)
    # and, in all_vds, vd. Every name has the same labels in the same order
    cuts: dict[str, dict[str, dict[str, list[CutRow]]]]
    best_naive: str  # the naive forecast with the lowest MAE on the very observations that are compared
    # xlstm - lstm, then that of their ensembles where there are several seeds
    differences: list[PairedDifference]
    # each model against the simpler forecast of each place, in the order in which they are judged
    lines: list[Line]
    cost: dict[str, Spent]  # by model
    further_targets: list[FurtherTarget]
    quantiles: QuantileScores | None = None


class NoComparison(msgspec.Struct, frozen=True, kw_only=True, tag_field="status", tag="not_compared"):
    """Of a mode whose runs cannot be laid side by side at all; ``problem`` says why."""

    mode: str
    problem: str
