"""What ``data`` may say: a class of settings per raw format, with the defaults of each.

A default here decides numbers, so the stage ``ingest`` depends on this file.
"""

# ruff: noqa: RUF012 -- pydantic copies a default

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, get_args

from pydantic import (
    ConfigDict,
    Field,
    field_validator,
    model_validator,
)

from vdcast.params.section import Interval, Names, Positive, Rate, Section, Share, TimeZone

DateOrder = Literal["dmy", "mdy"]
SpeedUnit = Literal["km/h", "mph"]
Rows = Literal["elapsed", "local"]
CALIFORNIA = "America/Los_Angeles"

MPH = 1.609344  # km/h
# The units that a plain table may give these features in, in small letters: what one is in km/h, and in %.
SPEEDS = {
    **dict.fromkeys(("km/h", "kmh", "kph", "kmph", "km/hr"), 1.0),
    **dict.fromkeys(("mph", "mi/h", "miles/h"), MPH),
    "m/s": 3.6,
}
OCCUPANCIES = {
    **dict.fromkeys(("%", "percent", "pct"), 1.0),
    **dict.fromkeys(("fraction", "share", "0..1"), 100.0),
}
KNOWN_UNITS = {"speed": SPEEDS, "occupancy": OCCUPANCIES}


def _known_unit(feature: str, unit: str) -> None:
    """Raises ValueError for a speed or an occupancy in a unit that has no limit, as it is not known."""
    known = KNOWN_UNITS.get(feature.lower())
    if known is not None and unit.strip().lower() not in known:
        raise ValueError(
            f"{feature} in {unit!r} is in no unit that is known: {', '.join(known)}; call it otherwise to keep it as it is"
        )


class Raw(Section):
    """What every format has. Speeds are km/h, occupancies %, whatever the files hold."""

    raw: str
    files: str = "*"
    on_bad_file: Literal["stop", "skip"] = "stop"


class Listed(Raw):
    """What formats have whose detectors stand in a static list: a file in ``raw`` that is not read as data."""

    vd_list: str | None = None

    def lists(self, row: Mapping[str, str]) -> bool:
        """Whether a row of the list may be of a detector of these data."""
        return True


class Measured(Raw):
    """What every format has whose quantities are known: limits beyond which a value is impossible."""

    missing_codes: list[float] = []
    max_speed: Rate = 200.0


class Coarser(Section):
    """What formats have whose records may be laid on a grid coarser than their own."""

    from_interval: Interval | None = None
    min_share: Annotated[Share, Field(gt=0)] = 1.0
    if TYPE_CHECKING:
        interval: int  # of the format, a setting or its only one

    @property
    def spacing(self) -> int:
        """Seconds between the records of the files: ``interval``, unless they are laid on a coarser grid."""
        return self.from_interval or self.interval

    @model_validator(mode="after")
    def _multiple(self):
        if self.from_interval and (self.interval % self.from_interval or self.interval == self.from_interval):
            raise ValueError(
                f"interval {self.interval} is not a multiple of from_interval {self.from_interval}"
            )
        return self


class Table(Listed):
    """What a plain table must be told: where its time is and what its numbers mean."""

    time_zone: TimeZone
    interval: Interval
    missing_codes: list[float] = []
    max_speed: Rate = 200.0
    encoding: str = "utf-8"
    delimiter: Annotated[str, Field(min_length=1, max_length=1)] | None = None
    decimal: Literal[".", ","] | None = None
    thousands: Literal[",", ".", " ", "'"] | None = None
    header: bool | None = None
    sheet: str | None = None
    date_order: DateOrder | None = None
    time_marks: Literal["start", "end"] | None = None

    @model_validator(mode="after")
    def _one_mark_each(self):
        marks = [mark for mark in (self.delimiter, self.decimal, self.thousands) if mark]
        if len(set(marks)) != len(marks):
            raise ValueError(f"delimiter, decimal and thousands {marks} are not different marks")
        return self


class TimedTable(Table):
    """A table with a time in every row, in one column or in two: of the date, and of the time of day or the hour."""

    time_column: str | None = "time"
    date_column: str | None = None
    hour_column: str | None = None

    @model_validator(mode="after")
    def _one_time(self):
        if self.hour_column is not None:
            if self.date_column is None:
                raise ValueError("hour_column needs date_column, the column of the date")
            if "time_column" in self.model_fields_set and self.time_column is not None:
                raise ValueError("set time_column or hour_column beside date_column, not both")
        elif self.date_column is not None and self.time_column is None:
            raise ValueError("date_column needs time_column or hour_column beside it, the time of day")
        return self

    @property
    def time_columns(self) -> list[str]:
        """The columns that make up a row's time: one, or the date's and that of the time of day."""
        clock = self.time_column if self.hour_column is None else self.hour_column
        return [name for name in (self.date_column, clock) if name is not None]


class WideTable(TimedTable):
    """CSV, parquet or a sheet: a column of numbers per detector (``vdcast.ingest.formats.wide_table``)."""

    format: Literal["wide_table"]
    start: str | None = None
    rows: Rows | None = None
    columns: Names | None = None
    feature: str
    unit: str

    @model_validator(mode="after")
    def _consistent(self):
        if bool(self.time_columns) == (self.start is not None):
            raise ValueError("set time_column, or set it to null and start to the time of the first row")
        _known_unit(self.feature, self.unit)
        return self


class LongTable(TimedTable):
    """CSV, parquet or a sheet: a row per time and detector (``vdcast.ingest.formats.long_table``)."""

    format: Literal["long_table"]
    vd_column: str = "vd"
    units: Annotated[dict[str, str], Field(min_length=1)]
    columns: dict[str, str] = {}
    valid_when: dict[str, Annotated[list[float], Field(min_length=2, max_length=2)]] = {}
    sum_over: list[str] | None = None
    missing_when: Literal["any", "all"] = "any"

    @model_validator(mode="after")
    def _consistent(self):
        if not self.time_columns:
            raise ValueError("time_column null is for wide tables; a long table has a time in every row")
        for feature, unit in self.units.items():
            _known_unit(feature, unit)
        if unknown := set(self.columns) - set(self.units):
            raise ValueError(
                f"columns {sorted(unknown)} are not among the features of units, {list(self.units)}"
            )
        if self.sum_over and (
            other := [f for f in self.units if f.lower() not in ("volume", "speed", "occupancy")]
        ):
            raise ValueError(
                f"sum_over sums volumes and averages speeds and occupancies; what is {other[0]!r}? Call it so in units, "
                "and name its column in columns"
            )
        return self

    def column(self, feature: str) -> str:
        """The column that holds ``feature``."""
        return self.columns.get(feature, feature)


class DayRows(Table):
    """CSV, parquet or a sheet: a row per detector and day (``vdcast.ingest.formats.day_rows``)."""

    format: Literal["day_rows"]
    date_column: str = "Date"
    vd_columns: Names
    value_columns: str = "V00"
    feature: str
    unit: str

    @model_validator(mode="after")
    def _consistent(self):
        _known_unit(self.feature, self.unit)
        return self


class TaiwanLanes(Measured, Listed, Coarser):
    """What both Taiwanese detector standards share: rules from lanes to a VD."""

    interval: Interval = 60
    time_zone: TimeZone = "Asia/Taipei"
    missing_codes: list[float] = [-99.0]
    missing_when: Literal["any", "all"] = "any"
    per: Literal["vd", "link"] = "vd"
    max_age: Positive = 3600


class TaiwanVDLive(TaiwanLanes):
    """MOTC standard v2, JSON or XML (``vdcast.ingest.formats.taiwan_vdlive``)."""

    format: Literal["taiwan_vdlive"]


class TaiwanV11(TaiwanLanes):
    """MOTC standard v1.1, attribute XML (``vdcast.ingest.formats.taiwan_v11``)."""

    format: Literal["taiwan_v11"]


class TaiwanM05A(Measured, Listed):
    """Freeway segments between ETC gantries (``vdcast.ingest.formats.taiwan_m05a``)."""

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


class PemsStation(Measured, Listed):
    """Caltrans PeMS 5-minute station text (``vdcast.ingest.formats.pems_station``)."""

    interval: ClassVar[int] = 300
    time_zone: ClassVar[str] = CALIFORNIA

    format: Literal["pems_station"]
    min_observed: Annotated[float, Field(ge=0, le=100)] = 1.0


class PemsExport(Measured, Coarser):
    """Caltrans PeMS web export of one station (``vdcast.ingest.formats.pems_export``)."""

    time_zone: ClassVar[str] = CALIFORNIA

    format: Literal["pems_export"]
    features: list[Literal["volume", "speed", "occupancy"]] = ["volume"]
    interval: Interval = 300
    date_order: DateOrder | None = None
    min_observed: Annotated[float, Field(ge=0, le=100)] = 1.0
    missing_when: Literal["any", "all"] = "any"
    vd_id: str | None = None
    vd_from: Literal["path", "name"] = "path"


class PemsNpz(Measured, Coarser):
    """PEMS03, 04, 07, 08: an array and no timestamps (``vdcast.ingest.formats.pems_npz``)."""

    time_zone: ClassVar[str] = CALIFORNIA

    format: Literal["pems_npz"]
    start: str
    rows: Rows | None = None
    interval: Interval = 300
    features: list[Literal["volume", "occupancy", "speed"]] = ["volume", "occupancy", "speed"]
    speed_unit: SpeedUnit = "km/h"


class MetrLA(Measured, Listed, Coarser):
    """METR-LA, PEMS-BAY, LargeST: a pandas table in h5 (``vdcast.ingest.formats.metr_la``)."""

    time_zone: TimeZone = CALIFORNIA

    format: Literal["metr_la"]
    feature: Literal["speed", "volume"] = "speed"
    interval: Interval = 300
    missing_codes: list[float] = [0.0]
    speed_unit: SpeedUnit = "km/h"

    @model_validator(mode="before")
    @classmethod
    def _no_flow_is_missing(cls, values):
        """A speed of 0 stands for none there; a flow of 0 is one."""
        if isinstance(values, dict) and values.get("feature") == "volume":
            return {"missing_codes": [], **values}
        return values


class WebTRIS(Measured, Listed):
    """National Highways WebTRIS daily reports, CSV (``vdcast.ingest.formats.webtris``)."""

    interval: ClassVar[int] = 900

    format: Literal["webtris"]
    time_zone: TimeZone = "Europe/London"
    date_order: DateOrder | None = None


class UTD19(Measured, Listed):
    """A city of UTD19 (``vdcast.ingest.formats.utd19``)."""

    format: Literal["utd19"]
    city: str
    time_zone: TimeZone
    interval: Interval
    features: Annotated[list[Literal["volume", "speed", "occupancy"]], Field(min_length=1)] = ["volume"]
    occupancy_unit: Literal["%", "fraction"] | None = None

    @model_validator(mode="after")
    def _stated(self):
        if "occupancy" in self.features and self.occupancy_unit is None:
            raise ValueError(
                "occupancies are % in some cities and fractions in others; set occupancy_unit to % or fraction"
            )
        return self

    def lists(self, row: Mapping[str, str]) -> bool:
        """The list is of all cities, and several have a detector of one name."""
        return row.get("citycode", self.city) == self.city


class Auto(Listed):
    """Whatever the files are told to be by ``vdcast.ingest.detect``; other keys are those of the format found."""

    model_config = ConfigDict(extra="allow")

    format: Literal["auto"]
    interval: Interval | None = None

    def settings(self, found: str) -> dict[str, Any]:
        """What ``data`` says, for the format ``found``; one that has a single interval wants to be told none."""
        said = {**self.model_dump(exclude_unset=True), "format": found}
        if "interval" not in FORMATS[found].model_fields and self.interval == FORMATS[found].interval:
            del said["interval"]
        return said


Known = (
    WideTable
    | LongTable
    | DayRows
    | TaiwanVDLive
    | TaiwanV11
    | TaiwanM05A
    | PemsStation
    | PemsExport
    | PemsNpz
    | MetrLA
    | WebTRIS
    | UTD19
)
Data = Annotated[Known | Auto, Field(discriminator="format")]
FORMATS: dict[str, type[Known]] = {
    get_args(section.model_fields["format"].annotation)[0]: section for section in get_args(Known)
}
SECTIONS: dict[str, type[Raw]] = {**FORMATS, "auto": Auto}
