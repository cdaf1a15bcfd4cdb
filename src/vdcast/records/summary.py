"""``reports/summary.json``: the verdict, and the figures that `dvc metrics diff` and `vdcast verdict` compare."""

from typing import Literal

import msgspec

from vdcast.language import Language
from vdcast.records.comparison import Line, PairedDifference, Scores, Spent

Status = Literal["better", "equal", "undecided", "no_verdict"]
LineStatus = Literal["better", "worse", "equal", "undecided", "no_verdict", "unjudged"]


class JudgedDifference(PairedDifference, frozen=True, kw_only=True):
    """With the interval ``low`` to ``high`` that leaves ``level`` outside; ``words`` have no full stop."""

    level: float
    low: float | None
    high: float | None
    smallest: float | None  # the true difference that this design shows in 80 % of cases
    status: Status
    better: str | None  # the name of the better one
    words: str
    takes: str | None  # of an undecided one, what it would take


class JudgedControl(JudgedDifference, frozen=True, kw_only=True):
    """A run, ``a``, against its control, ``b``: what ``mode`` adds to the mode ``without`` it, in one model.

    Where the two are one mode, what covariates add to that run.
    """

    model: str
    mode: str
    without: str
    provisional: bool


class JudgedLine(Line, frozen=True, kw_only=True):
    """``status`` is of the model: better than the simpler forecast, worse, equal within the margin, or undecided.

    Of an unjudged one the interval stands alone, and nothing is claimed: of a mode that is not the primary one, or after
    one that showed no difference.
    """

    level: float
    low: float | None
    high: float | None
    status: LineStatus
    words: str


class ModeVerdict(msgspec.Struct, frozen=True, kw_only=True):
    """LSTM against xLSTM in one mode; ``per_second`` and ``per_parameter`` are the model that wins by cost, or null."""

    status: Status
    better: str | None
    provisional: bool  # of one seed, or of trainings that their limit ended
    words: str
    takes: str | None
    per_second: str | None
    per_parameter: str | None
    cost_words: str


class Overall(msgspec.Struct, frozen=True, kw_only=True):
    """The answer of the page: that of the primary mode."""

    mode: str
    status: Status
    better: str | None
    provisional: bool
    words: str  # sentences: what to do, by how much, and what would decide it


class Weakness(msgspec.Struct, frozen=True, kw_only=True):
    """Sentences of one kind on what weakens the answer."""

    title: str
    sentences: list[str]


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    overall: Overall
    losses: str  # a sentence on simpler forecasts
    modes: dict[str, ModeVerdict]
    differences: dict[str, list[JudgedDifference]]  # by mode, as the comparison has them
    lines: dict[str, list[JudgedLine]]  # by mode, as the comparison has them
    against: dict[str, list[str]]  # by mode, sentences on all lines
    controls: list[JudgedControl] = []  # as ``controls`` of params.yaml has them; none in an older file
    weaknesses: list[Weakness]
    same_vd: str | None  # why two modes agree on the target VD
    rule: str
    margin: float


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
    language: Language = "en"  # of what it says in words
