"""All sections of params.yaml, and what must hold between them."""

import itertools
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import (
    Field,
    field_validator,
    model_validator,
)

from vdcast.errors import InputError
from vdcast.language import Language
from vdcast.layout import CALENDAR, PARAMS
from vdcast.params.formats import Data
from vdcast.params.modes import ModeName, Modes
from vdcast.params.networks import LSTM, NETWORKS, XLSTM
from vdcast.params.search import Search
from vdcast.params.section import Positive, Rate, Section, Share
from vdcast.params.times import minutes


class Prepare(Section):
    features: Annotated[list[str], Field(min_length=1)]
    targets: Annotated[list[str], Field(min_length=1)]
    vds: Literal["all"] | list[str]
    max_missing: Share
    min_mean: float
    split: Annotated[list[Annotated[float, Field(gt=0, lt=1)]], Field(min_length=3, max_length=3)]

    @model_validator(mode="after")
    def _consistent(self):
        if abs(sum(self.split) - 1) > 1e-9:
            raise ValueError(f"split {self.split} adds up to {sum(self.split):g}, not to 1")
        for key in ("features", "targets", "vds"):
            if (names := getattr(self, key)) != "all" and len(set(names)) != len(names):
                raise ValueError(f"{key} {names} names one twice")
        if unknown := set(self.targets) - set(self.features):
            raise ValueError(f"targets {sorted(unknown)} are not among features {self.features}")
        return self


class Calendar(Section):
    """What is known ahead, beside the time; the tables lie in data/calendar/."""

    holidays: str | None
    plans: str | None
    weather: str | None

    @property
    def names_any(self) -> bool:
        return any(vars(self).values())

    @field_validator("plans", "weather")
    @classmethod
    def _a_table(cls, name):
        if name is not None and (Path(name).name != name or Path(name).suffix not in (".csv", ".parquet")):
            raise ValueError(f"{name!r} is no name of a .csv or .parquet in {CALENDAR}/")
        return name


class Window(Section):
    """In steps, whatever the file says it in (``vdcast.params.times``)."""

    sequence_length: Positive
    prediction_length: Positive


class Train(Section):
    seeds: Annotated[list[Annotated[int, Field(ge=0)]], Field(min_length=1)]
    epochs: Positive
    patience: Positive
    gradient_clip: Rate
    quantiles: list[float]
    device: Literal["auto", "cpu", "cuda"]
    precision: Literal["float32", "bfloat16"]

    @field_validator("seeds")
    @classmethod
    def _unique(cls, seeds):
        if len(set(seeds)) != len(seeds):
            raise ValueError(f"seeds {seeds} repeat; each trains one copy")
        return seeds

    @field_validator("quantiles")
    @classmethod
    def _median_and_intervals(cls, levels):
        if not levels:
            return levels
        if outside := [level for level in levels if not 0 < level < 1]:
            raise ValueError(f"quantiles {levels}: {outside[0]:g} is not between 0 and 1")
        if any(low >= high for low, high in itertools.pairwise(levels)):
            raise ValueError(f"quantiles {levels} are not in ascending order")
        if 0.5 not in levels:
            raise ValueError(f"quantiles {levels} lack 0.5, the median: it is the forecast that is scored")
        mirrored = {round(1 - level, 9) for level in levels}
        if alone := [level for level in levels if round(level, 9) not in mirrored]:
            raise ValueError(
                f"quantiles {levels}: {alone[0]:g} has no partner {1 - alone[0]:g}; an interval has two ends"
            )
        if levels == [0.5]:
            raise ValueError("quantiles [0.5] hold no interval; take [] for the median alone")
        return levels


# the first five are naive: vdcast.scores.names
Baseline = Literal["persistence", "yesterday", "last_week", "hour_of_week", "damped", "linear", "trees"]


class Folds(Section):
    """Test parts of a walk forward, each of so many ``days``, one ``every`` so many days, the last at the end of the data."""

    number: Positive
    days: Positive
    every: Positive
    refit: bool

    @model_validator(mode="after")
    def _apart(self):
        if self.days < 2:
            raise ValueError("folds of fewer than two test days allow no interval; give days 2 or more")
        if self.every < self.days:
            raise ValueError(
                f"test parts of {self.days} days, one every {self.every}, overlap: a day would count twice; give every "
                f"{self.days} or more"
            )
        return self


class Evaluate(Section):
    primary: ModeName
    margin: float
    folds: Folds | None
    protocol: Literal["metr_la", "pems0x"] | None
    baselines: list[Baseline]
    mape_floor: Annotated[float, Field(ge=0)]
    horizons: Annotated[list[Positive], Field(min_length=1)]
    peak_hours: list[Annotated[int, Field(ge=0, le=23)]]
    congested_speed: Rate
    congested_quantile: Annotated[float, Field(gt=0, lt=1)]

    @field_validator("margin")
    @classmethod
    def _a_share(cls, margin):
        if not 0 < margin <= 0.5:
            raise ValueError(
                f"margin {margin:g} is not above 0 and at most 0.5; it is the share of the error, e.g. 0.05 for 5 %, "
                "within which two models are equal"
            )
        return margin

    @field_validator("baselines")
    @classmethod
    def _one_to_beat(cls, names):
        if len(set(names)) != len(names):
            raise ValueError(f"baselines {names} name one twice")
        if not set(names) - {"linear", "trees"}:
            raise ValueError(
                f"baselines {names} hold no naive forecast, which skill is against; add persistence"
            )
        return names


class Forecast(Section):
    """Of ``vdcast forecast`` and ``vdcast score``; no stage reads it."""

    folder: Annotated[str, Field(min_length=1)]
    format: Literal["parquet", "csv"]
    max_age: Positive
    alarm: Annotated[float, Field(ge=0)] | None


class Report(Section):
    """How results are told."""

    language: Language


class Run(Section):
    """One run with its overrides applied: everything that its training depends on."""

    name: str
    model: Literal["lstm", "xlstm"]
    mode: ModeName
    network: LSTM | XLSTM
    train: Train
    # whether it takes what ``calendar`` names; written only where it does not, so that other runs keep their bytes
    covariates: Annotated[bool, Field(exclude_if=lambda taken: taken)]

    @classmethod
    def of(cls, dumped: dict[str, Any]) -> Self:
        """What ``model_dump`` was given. Raises KeyError or ValueError where it lacks a setting, or has one more."""
        network = NETWORKS[dumped["model"]].model_validate(dumped["network"])
        return cls.model_validate({"covariates": True, **dumped, "network": network})


class Pair(Section):
    """The two runs that are laid side by side."""

    lstm: str
    xlstm: str


# What a mode adds is seen beside the same model in the mode that lacks just that.
CONTROL_MODES = {"social": "global_multi_vd", "global_multi_vd": "independent_multi_vd"}


class Source(Section):
    """What says how long a step is."""

    data: Data


class Sections(Section):
    data: Data
    prepare: Prepare
    calendar: Calendar
    window: Window
    train: Train
    lstm: LSTM
    xlstm: XLSTM
    modes: Modes
    comparisons: Annotated[dict[ModeName, Pair], Field(min_length=1)]
    # of a run, its control: the same model in the mode that ``CONTROL_MODES`` names, or the same run without covariates
    controls: dict[str, str]
    evaluate: Evaluate
    report: Report
    forecast: Forecast
    search: Search


class Live(Section):
    """All that forecasts of new data take."""

    data: Data
    forecast: Forecast


class Params(Sections):
    """The whole file, with every run resolved."""

    runs: dict[str, Run]

    @model_validator(mode="after")
    def _consistent(self):
        if (last := max(self.evaluate.horizons)) > (end := self.window.prediction_length):
            raise ValueError(
                f"evaluate.horizons names {self._span(last)}; forecasts end at {self._span(end)} (window.horizon)"
            )
        self._check_protocol()
        self._check_comparisons()
        self._check_controls()
        self._check_folds()
        for run in self.runs.values():
            if run.network.needs_gpu and run.train.device == "cpu":
                raise ValueError(
                    f"{run.model}.{run.network.needs_gpu} (run {run.name}) needs a GPU; train.device is 'cpu'"
                )
            if (own := run.network.lookback) is not None and own > self.window.sequence_length:
                raise ValueError(
                    f"{run.model}.lookback (run {run.name}) is {self._span(own)}; a window looks back "
                    f"{self._span(self.window.sequence_length)} (window.lookback)"
                )
            longest = run.network.longest
            if longest is not None and longest < self.window.sequence_length:
                raise ValueError(
                    f"{run.model}.context_length {longest} (run {run.name}) is below the lookback of "
                    f"{self._span(self.window.sequence_length)}; raise it, or shorten window.lookback"
                )
        return self

    def _span(self, steps: int) -> str:
        """So many steps, and how long they are where that is known."""
        length = self.data.interval and f", {minutes(steps * self.data.interval)}"
        return f"{steps} steps{length or ''}"

    def _check_comparisons(self) -> None:
        """Refuse a comparison of a run that is gone, or is not of the model and mode that it is named for."""
        if self.evaluate.primary not in self.comparisons:
            raise ValueError(
                f"evaluate.primary is {self.evaluate.primary!r}, which `comparisons` lacks; name one of those: "
                f"{', '.join(self.comparisons)}"
            )
        for mode, pair in self.comparisons.items():
            for model, name in pair:
                if name not in self.runs:
                    raise ValueError(
                        f"comparisons.{mode} names run {name!r}, which `runs` lacks; put the run back or take the "
                        "comparison out"
                    )
                run = self.runs[name]
                if (run.model, run.mode) != (model, mode):
                    raise ValueError(
                        f"comparisons.{mode}.{model} names run {name!r}, which is {run.model} in {run.mode}; name "
                        f"one that is {model} in {mode}"
                    )
            if self.runs[pair.lstm].covariates != self.runs[pair.xlstm].covariates:
                raise ValueError(
                    f"comparisons.{mode}: one of its runs has `covariates: false` and the other has not; compare runs that "
                    "know the same"
                )

    def _check_controls(self) -> None:
        """Refuse a control that would show more than what the mode adds, and a comparison of ``social`` without one."""
        for name, other in self.controls.items():
            for each in (name, other):
                if each not in self.runs:
                    raise ValueError(
                        f"controls.{name} names run {each!r}, which `runs` lacks; put the run back or take the control out"
                    )
            self._check_control(self.runs[name], self.runs[other])
        for model, name in self.comparisons.get("social", ()):
            if name not in self.controls:
                raise ValueError(
                    f"comparisons.social.{model} names run {name!r}, which `controls` lacks; add {name} there, with a run "
                    f"of {model} in {CONTROL_MODES['social']}: without it nobody can say what neighbours give"
                )

    def _check_control(self, run: Run, control: Run) -> None:
        """Refuse a ``control`` that is not ``run`` but for what its mode adds, or for covariates."""
        where = f"controls.{run.name}"
        uninformed = run.covariates and not control.covariates
        if uninformed and not self.calendar.names_any:
            raise ValueError(
                f"{where} names run {control.name!r} with `covariates: false`, and `calendar` names none that {run.name} "
                "could take; name one, or take the control out"
            )
        if control.covariates and not run.covariates:
            raise ValueError(
                f"{where} has `covariates: false` and its control {control.name!r} takes them; give it to both, or to the "
                "control alone"
            )
        if not uninformed and run.mode not in CONTROL_MODES:
            have = ", ".join(CONTROL_MODES)
            raise ValueError(
                f"{where} is of a run in {run.mode}, which has no control but one with `covariates: false`; runs in "
                f"{have} have"
            )
        without = run.mode if uninformed else CONTROL_MODES[run.mode]
        if (control.model, control.mode) != (run.model, without):
            raise ValueError(
                f"{where} names run {control.name!r}, which is {control.model} in {control.mode}; name one that is "
                f"{run.model} in {without}"
            )
        vds, others = (len(self.modes.vd_indices(mode)) for mode in (run.mode, without))
        if vds != others:
            raise ValueError(
                f"{where}: {run.mode} forecasts {vds} VDs and {without} {others}; give both the same num_vds, or "
                "take the control out"
            )
        if run.train.seeds != control.train.seeds:
            raise ValueError(
                f"{where}: {run.name} has train.seeds {run.train.seeds} and {control.name} {control.train.seeds}; give "
                "both the same"
            )

    def _check_folds(self) -> None:
        """Refuse intervals of several trainings as one: each has margins of its own."""
        if self.evaluate.folds and self.evaluate.folds.refit:
            for name, run in self.runs.items():
                if run.train.quantiles:
                    raise ValueError(
                        f"evaluate.folds with refit and train.quantiles (run {name}) do not go together: each fold would "
                        "calibrate intervals of its own; take quantiles [], refit false or folds null"
                    )

    @property
    def folds(self) -> int:
        """How often each seed is trained: once, or for every fold."""
        folds = self.evaluate.folds
        return folds.number if folds and folds.refit else 1

    def _check_protocol(self) -> None:
        """Refuse a run under a published protocol's name that departs from it."""
        if not self.evaluate.protocol:
            return
        # Li et al. 2018 (DCRNN), for METR-LA and PEMS-BAY; Guo et al. 2019 (ASTGCN), Song et al. 2020 (STSGCN), for
        # PEMS03, 04, 07, 08
        splits = {"metr_la": [0.7, 0.1, 0.2], "pems0x": [0.6, 0.2, 0.2]}
        found = {
            "data.missing_codes": (
                0.0 in getattr(self.data, "missing_codes", ()),
                "to hold 0.0 (zeros count for nothing)",
            ),
            **{
                key: (value == wanted, f"{wanted}")
                for key, value, wanted in (
                    ("window.sequence_length", self.window.sequence_length, 12),
                    ("window.prediction_length", self.window.prediction_length, 12),
                    ("evaluate.horizons", self.evaluate.horizons, [3, 6, 12]),
                    ("evaluate.mape_floor", self.evaluate.mape_floor, 0.0),
                    ("prepare.split", self.prepare.split, splits[self.evaluate.protocol]),
                )
            },
        }
        for key, (kept, wanted) in found.items():
            if not kept:
                raise ValueError(f"evaluate.protocol {self.evaluate.protocol} wants {key} {wanted}")

    def run(self, name: str) -> Run:
        if name not in self.runs:
            raise InputError(f"no run {name!r} in {PARAMS}; its runs are: {', '.join(self.runs)}")
        return self.runs[name]
