"""params.yaml as typed, validated settings; the only reader of that file.

``load`` checks the whole file before any stage does any work: every key, type and combination, and
every run with its overrides applied. What depends on the data (``num_vds``, names of VDs, length of
the parts) is checked by ``prepare``.
"""

import difflib
import itertools
import re
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Union, get_args
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import yaml
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)

from vdcast.errors import InputError
from vdcast.layout import PARAMS

Positive = Annotated[int, Field(gt=0)]
Share = Annotated[float, Field(ge=0, le=1)]
Rate = Annotated[float, Field(gt=0)]


class Section(BaseModel):
    """Settings as the file has them: no unknown key, no silent conversion."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)


def _known_zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError(
            f"{name!r} is no IANA time zone; e.g. Asia/Taipei, America/Los_Angeles, UTC"
        ) from None
    return name


def _divides_a_day(seconds: int) -> int:
    if 86400 % seconds:
        raise ValueError(f"{seconds} s does not divide a day; intervals are e.g. 60, 300, 900, 3600")
    return seconds


TimeZone = Annotated[str, AfterValidator(_known_zone)]
Interval = Annotated[Positive, AfterValidator(_divides_a_day)]
Names = Annotated[list[str], Field(min_length=1)]
DateOrder = Literal["dmy", "mdy"]
SpeedUnit = Literal["km/h", "mph"]
CALIFORNIA = "America/Los_Angeles"


class Raw(Section):
    """What every format has. Speeds are km/h, occupancies %, whatever the files hold."""

    raw: str
    files: str = "*"
    on_bad_file: Literal["stop", "skip"] = "stop"


class Measured(Raw):
    """What every format has whose quantities are known: limits beyond which a value is impossible."""

    missing_codes: list[float] = []
    max_speed: Rate = 200.0


class Listed(Measured):
    """What formats have whose detectors stand in a static list: a file in ``raw`` that is not read as data."""

    vd_list: str | None = None


class Table(Raw):
    """What a plain table must be told: where its time is and what its numbers mean."""

    time_zone: TimeZone
    interval: Interval
    missing_codes: list[float] = []
    max_speed: Rate = 200.0
    encoding: str = "utf-8"
    date_order: DateOrder | None = None


class WideTable(Table):
    """CSV or parquet: a column of numbers per detector (``vdcast.ingest.wide_table``)."""

    format: Literal["wide_table"]
    time_column: str | None = "time"
    start: str | None = None
    columns: Names | None = None
    feature: str
    unit: str

    @model_validator(mode="after")
    def _consistent(self):
        if (self.time_column is None) == (self.start is None):
            raise ValueError("set time_column, or set it to null and start to the time of the first row")
        return self


class LongTable(Table):
    """CSV or parquet: a row per time and detector (``vdcast.ingest.long_table``)."""

    format: Literal["long_table"]
    time_column: str = "time"
    vd_column: str = "vd"
    units: Annotated[dict[str, str], Field(min_length=1)]


class DayRows(Table):
    """CSV or parquet: a row per detector and day (``vdcast.ingest.day_rows``)."""

    format: Literal["day_rows"]
    date_column: str = "Date"
    vd_columns: Names
    value_columns: str = "V00"
    feature: str
    unit: str


class TaiwanLanes(Listed):
    """What both Taiwanese detector standards share: rules from lanes to a VD."""

    interval: Interval = 60
    time_zone: TimeZone = "Asia/Taipei"
    missing_codes: list[float] = [-99.0]
    missing_when: Literal["any", "all"] = "any"
    per: Literal["vd", "link"] = "vd"
    max_age: Positive = 3600


class TaiwanVDLive(TaiwanLanes):
    """MOTC standard v2, JSON or XML (``vdcast.ingest.taiwan_vdlive``)."""

    format: Literal["taiwan_vdlive"]


class TaiwanV11(TaiwanLanes):
    """MOTC standard v1.1, attribute XML (``vdcast.ingest.taiwan_v11``)."""

    format: Literal["taiwan_v11"]


class TaiwanM05A(Listed):
    """Freeway segments between ETC gantries (``vdcast.ingest.taiwan_m05a``)."""

    interval: ClassVar[int] = 300
    time_zone: ClassVar[str] = "Asia/Taipei"

    format: Literal["taiwan_m05a"]
    vehicle_types: Annotated[list[Literal[31, 32, 41, 42, 5]], Field(min_length=1)] = [31, 32, 41, 42, 5]
    missing_when: Literal["any", "all"] = "any"

    @field_validator("vehicle_types")
    @classmethod
    def _unique(cls, types):
        if len(set(types)) != len(types):
            raise ValueError(f"vehicle_types {types} name one twice")
        return types


class PemsStation(Listed):
    """Caltrans PeMS 5-minute station text (``vdcast.ingest.pems_station``)."""

    interval: ClassVar[int] = 300
    time_zone: ClassVar[str] = CALIFORNIA

    format: Literal["pems_station"]
    min_observed: Annotated[float, Field(ge=0, le=100)] = 1.0


class PemsExport(Measured):
    """Caltrans PeMS web export of one station (``vdcast.ingest.pems_export``)."""

    time_zone: ClassVar[str] = CALIFORNIA

    format: Literal["pems_export"]
    features: list[Literal["volume", "speed", "occupancy"]] = ["volume"]
    interval: Interval = 300
    date_order: DateOrder | None = None
    min_observed: Annotated[float, Field(ge=0, le=100)] = 1.0
    missing_when: Literal["any", "all"] = "any"
    vd_id: str | None = None


class PemsNpz(Measured):
    """PEMS03, 04, 07, 08: an array and no timestamps (``vdcast.ingest.pems_npz``)."""

    time_zone: ClassVar[str] = CALIFORNIA

    format: Literal["pems_npz"]
    start: str
    interval: Interval = 300
    features: list[Literal["volume", "occupancy", "speed"]] = ["volume", "occupancy", "speed"]
    speed_unit: SpeedUnit = "km/h"


class MetrLA(Measured):
    """METR-LA, PEMS-BAY: a pandas table in h5 (``vdcast.ingest.metr_la``)."""

    time_zone: ClassVar[str] = CALIFORNIA

    format: Literal["metr_la"]
    interval: Interval = 300
    missing_codes: list[float] = [0.0]
    speed_unit: SpeedUnit = "km/h"


FORMATS: dict[str, type[Raw]] = {
    get_args(section.model_fields["format"].annotation)[0]: section
    for section in (
        WideTable,
        LongTable,
        DayRows,
        TaiwanVDLive,
        TaiwanV11,
        TaiwanM05A,
        PemsStation,
        PemsExport,
        PemsNpz,
        MetrLA,
    )
}
Data = Annotated[Union[tuple(FORMATS.values())], Field(discriminator="format")]  # noqa: UP007


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


class Window(Section):
    sequence_length: Positive
    prediction_length: Positive


class Train(Section):
    seeds: Annotated[list[Annotated[int, Field(ge=0)]], Field(min_length=1)]
    epochs: Positive
    patience: Positive
    gradient_clip: Rate
    quantiles: list[float] = []
    device: Literal["auto", "cpu", "cuda"]
    precision: Literal["float32", "bfloat16"]

    @property
    def levels(self) -> tuple[float, ...]:
        """(P,) what the network forecasts, ascending: ``quantiles``, or the median alone."""
        return tuple(self.quantiles) or (0.5,)

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


class Optimiser(Section):
    """What the two models set each for themselves beside their architecture."""

    dropout: Annotated[float, Field(ge=0, lt=1)]
    batch_size: Positive
    learning_rate: Rate
    weight_decay: Annotated[float, Field(ge=0)]


class LSTM(Optimiser):
    hidden_size: Positive
    num_layers: Positive


class XLSTM(Optimiser):
    embedding_dim: Positive
    num_blocks: Positive
    slstm_at: list[int]
    num_heads: Positive
    context_length: Positive
    slstm_backend: Literal["auto", "vanilla", "cuda"]
    mlstm_backend: Literal["vanilla"]
    compile: bool

    @model_validator(mode="after")
    def _consistent(self):
        if bad := [i for i in self.slstm_at if not 0 <= i < self.num_blocks]:
            raise ValueError(
                f"slstm_at {self.slstm_at} names block {bad[0]}; num_blocks {self.num_blocks} "
                f"allows 0 to {self.num_blocks - 1}"
            )
        if len(set(self.slstm_at)) != len(self.slstm_at):
            raise ValueError(f"slstm_at {self.slstm_at} names a block twice")
        inner = -(-2 * self.embedding_dim // 64) * 64  # the package rounds an mLSTM block's width up to 64s
        for what, width in (("embedding_dim", self.embedding_dim), ("the inner width", inner)):
            if width % self.num_heads:
                raise ValueError(
                    f"num_heads {self.num_heads} must divide {what} {width} (embedding_dim {self.embedding_dim})"
                )
        if self.num_heads == self.embedding_dim:
            raise ValueError(
                f"num_heads {self.num_heads} must be less than embedding_dim {self.embedding_dim}"
            )
        return self


class SingleVD(Section):
    target_vd_index: Annotated[int, Field(ge=0)]


class ManyVDs(Section):
    num_vds: Positive


class Modes(Section):
    single_vd: SingleVD
    multi_vd: ManyVDs
    independent_multi_vd: ManyVDs

    @property
    def target_vd_index(self) -> int:
        """The VD that all three modes are compared on."""
        return self.single_vd.target_vd_index

    def vd_indices(self, mode: str) -> list[int]:
        """Which of the prepared VDs a mode forecasts."""
        if mode == "single_vd":
            return [self.target_vd_index]
        return list(range(getattr(self, mode).num_vds))

    @model_validator(mode="after")
    def _consistent(self):
        for mode in ("multi_vd", "independent_multi_vd"):
            if self.target_vd_index not in self.vd_indices(mode):
                raise ValueError(
                    f"single_vd.target_vd_index {self.target_vd_index} is not among the "
                    f"{getattr(self, mode).num_vds} VDs of {mode}; allowed: 0 to {getattr(self, mode).num_vds - 1}"
                )
        return self


class Evaluate(Section):
    protocol: Literal["metr_la", "pems0x"] | None
    mape_floor: Annotated[float, Field(ge=0)]
    horizons: Annotated[list[Positive], Field(min_length=1)]
    peak_hours: list[Annotated[int, Field(ge=0, le=23)]]
    congested_speed: Rate
    congested_quantile: Annotated[float, Field(gt=0, lt=1)]


class Run(Section):
    """One run with its overrides applied: everything that its training depends on."""

    name: str
    model: Literal["lstm", "xlstm"]
    mode: Literal["single_vd", "multi_vd", "independent_multi_vd"]
    network: LSTM | XLSTM
    train: Train


NETWORKS: dict[str, type[Optimiser]] = {"lstm": LSTM, "xlstm": XLSTM}


class Sections(Section):
    data: Data
    prepare: Prepare
    window: Window
    train: Train
    lstm: LSTM
    xlstm: XLSTM
    modes: Modes
    evaluate: Evaluate


# Li et al. 2018 (DCRNN), for METR-LA and PEMS-BAY; Guo et al. 2019 (ASTGCN), Song et al. 2020 (STSGCN), for PEMS03, 04, 07, 08
PROTOCOL_SPLITS = {"metr_la": [0.7, 0.1, 0.2], "pems0x": [0.6, 0.2, 0.2]}

STANDARD_RUNS = [f"{model}-{mode}" for model in NETWORKS for mode in Modes.model_fields]


class Params(Sections):
    """The whole file, with every run resolved."""

    runs: dict[str, Run]

    @model_validator(mode="after")
    def _consistent(self):
        if (last := max(self.evaluate.horizons)) > self.window.prediction_length:
            raise ValueError(
                f"evaluate.horizons names step {last}; window.prediction_length is {self.window.prediction_length}"
            )
        self._check_protocol()
        for run in self.runs.values():
            if run.name in STANDARD_RUNS and run.name != f"{run.model}-{run.mode}":
                raise ValueError(
                    f"runs.{run.name} is {run.model} in {run.mode}; that name is what `compare` takes for the "
                    "model and mode in it, so give another run another name"
                )
            if getattr(run.network, "slstm_backend", "") == "cuda" and run.train.device == "cpu":
                raise ValueError(
                    f"xlstm.slstm_backend 'cuda' (run {run.name}) needs a GPU; train.device is 'cpu'"
                )
            limit = getattr(run.network, "context_length", None)
            if limit is not None and limit < self.window.sequence_length:
                raise ValueError(
                    f"xlstm.context_length {limit} (run {run.name}) is below window.sequence_length "
                    f"{self.window.sequence_length}; it is an upper bound of it"
                )
        return self

    def _check_protocol(self) -> None:
        """Refuse a run under a published protocol's name that departs from it."""
        if not self.evaluate.protocol:
            return
        found = {
            "data.missing_codes": (0.0 in self.data.missing_codes, "to hold 0.0 (zeros count for nothing)"),
            **{
                key: (value == wanted, f"{wanted}")
                for key, value, wanted in (
                    ("window.sequence_length", self.window.sequence_length, 12),
                    ("window.prediction_length", self.window.prediction_length, 12),
                    ("evaluate.horizons", self.evaluate.horizons, [3, 6, 12]),
                    ("evaluate.mape_floor", self.evaluate.mape_floor, 0.0),
                    ("prepare.split", self.prepare.split, PROTOCOL_SPLITS[self.evaluate.protocol]),
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


def load(path: Path = PARAMS) -> Params:
    """Read and check the whole file. Raises InputError: which key, what it says, what is allowed."""
    try:
        document = yaml.load(Path(path).read_text("utf-8"), _Yaml12Floats)
    except FileNotFoundError:
        raise InputError(f"{path} does not exist here; run from the folder that holds dvc.yaml") from None
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is not UTF-8 text (byte {error.start}); save it as UTF-8") from None
    except yaml.YAMLError as error:
        raise InputError(f"{path} is not valid YAML: {' '.join(str(error).split())}") from None
    if not isinstance(document, dict):
        raise InputError(f"{path} holds {type(document).__name__}, not sections of settings")
    _check("", Sections, {key: value for key, value in document.items() if key != "runs"})
    runs = {name: _resolve_run(name, line, document) for name, line in _runs(document).items()}
    return _check("", Params, {**document, "runs": runs})


class _Yaml12Floats(yaml.SafeLoader):
    """PyYAML reads 1e-3 as text (YAML 1.1); DVC, like everyone who types it, means a number."""


_Yaml12Floats.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"^[-+]?[0-9]+(\.[0-9]*)?[eE][-+]?[0-9]+$"), list("-+0123456789")
)


def _runs(document: dict) -> dict[str, dict]:
    runs = document.get("runs")
    if not isinstance(runs, dict) or not runs or not all(isinstance(line, dict) for line in runs.values()):
        raise InputError(
            f"{PARAMS}: runs must be lines like `lstm-single_vd: {{model: lstm, mode: single_vd}}`"
        )
    return runs


def _resolve_run(name: str, line: dict[str, Any], document: dict) -> dict[str, Any]:
    """A run's line laid over its model's section and over ``train``."""
    where = f"runs.{name}"
    if not isinstance(name, str) or not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_-]*", name):
        raise InputError(
            f"{PARAMS}: {where}: a run is named with letters, digits, '_' and '-' alone, and no '-' in front; it "
            "names a folder, and stands in a command"
        )
    if name == "naive":
        raise InputError(f"{PARAMS}: {where}: 'naive' is the baselines' folder; name the run otherwise")
    overrides = {key: value for key, value in line.items() if key not in ("model", "mode")}
    model = line.get("model")
    if model not in list(NETWORKS):
        raise InputError(f"{PARAMS}: {where}.model = {model!r}: allowed are {', '.join(NETWORKS)}")
    for key in overrides:
        allowed = [*NETWORKS[model].model_fields, *Train.model_fields]
        if key not in allowed:
            raise InputError(f"{PARAMS}: {where}.{key} is not a setting{_suggest(str(key), allowed)}")

    def overridden(section: str, fields: type[Section]) -> Section:
        changed = {key: value for key, value in overrides.items() if key in fields.model_fields}
        return _check(where, fields, {**document[section], **changed})

    return {
        "name": name,
        "model": model,
        "mode": line.get("mode"),
        "network": overridden(model, NETWORKS[model]),
        "train": overridden("train", Train),
    }


def _check(where: str, section: type[Section], values: dict[str, Any]) -> Section:
    try:
        return section.model_validate(values)
    except ValidationError as error:
        # a misspelt key is also a missing one: name what was typed first
        first, *others = sorted(error.errors(), key=lambda e: e["type"] != "extra_forbidden")
        # pydantic names the member of the union, data.FORMAT.key; the file has data.key
        loc = [part for i, part in enumerate(first["loc"]) if i != 1 or part not in FORMATS]
        path = ".".join(str(part) for part in (where, *loc) if part != "")
        more = f" (and {len(others)} more)" if others else ""
        raise InputError(f"{PARAMS}: {_sentence(path, first, section)}{more}") from None


def _sentence(path: str, error: dict, section: type[Section]) -> str:
    parent, _, key = path.rpartition(".")
    match error["type"]:
        case "extra_forbidden":
            return f"{path} is not a setting{_suggest(key, _siblings(error['loc'], section))}"
        case "missing":
            return f"{path} is missing"
        case "union_tag_not_found":
            return f"{path}.format is missing (allowed: {', '.join(FORMATS)})"
        case "union_tag_invalid":
            found = error["ctx"]["tag"]
            return f"{path}.format = {found!r} is not a format{_suggest(found, list(FORMATS))}"
        case "value_error":
            return f"{path}: {error['ctx']['error']}" if path else str(error["ctx"]["error"])
        case _:
            found = error["input"]
            return f"{path} = {found!r} ({type(found).__name__}): {error['msg'].lower()}"


def _siblings(loc: tuple, section: type[Section]) -> list[str]:
    """The keys allowed where ``loc`` points, following nested sections."""
    for part in loc[:-1]:
        if part in FORMATS:
            section = FORMATS[part]
            continue
        if part == "data" and "data" in section.model_fields:
            continue
        inner = section.model_fields.get(str(part))
        if (
            inner is None
            or not isinstance(inner.annotation, type)
            or not issubclass(inner.annotation, Section)
        ):
            return []
        section = inner.annotation
    return list(section.model_fields)


def _suggest(key: str, allowed: list[str]) -> str:
    close = difflib.get_close_matches(key, allowed, n=1)
    hint = f"; did you mean {close[0]}?" if close else ""
    return f"{hint} (allowed: {', '.join(allowed)})" if allowed else hint
