"""What ``data`` may say: a class of settings per raw format, with the defaults of each.

A default here decides numbers, so the stage ``ingest`` depends on this file.
"""

# ruff: noqa: RUF012 -- pydantic copies a default

from typing import Annotated, ClassVar, Literal, get_args

from pydantic import (
    Field,
    field_validator,
    model_validator,
)

from vdcast.params.section import Interval, Names, Positive, Rate, Section, TimeZone

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
    """CSV or parquet: a column of numbers per detector (``vdcast.ingest.formats.wide_table``)."""

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
    """CSV or parquet: a row per time and detector (``vdcast.ingest.formats.long_table``)."""

    format: Literal["long_table"]
    time_column: str = "time"
    vd_column: str = "vd"
    units: Annotated[dict[str, str], Field(min_length=1)]


class DayRows(Table):
    """CSV or parquet: a row per detector and day (``vdcast.ingest.formats.day_rows``)."""

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
    """MOTC standard v2, JSON or XML (``vdcast.ingest.formats.taiwan_vdlive``)."""

    format: Literal["taiwan_vdlive"]


class TaiwanV11(TaiwanLanes):
    """MOTC standard v1.1, attribute XML (``vdcast.ingest.formats.taiwan_v11``)."""

    format: Literal["taiwan_v11"]


class TaiwanM05A(Listed):
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


class PemsStation(Listed):
    """Caltrans PeMS 5-minute station text (``vdcast.ingest.formats.pems_station``)."""

    interval: ClassVar[int] = 300
    time_zone: ClassVar[str] = CALIFORNIA

    format: Literal["pems_station"]
    min_observed: Annotated[float, Field(ge=0, le=100)] = 1.0


class PemsExport(Measured):
    """Caltrans PeMS web export of one station (``vdcast.ingest.formats.pems_export``)."""

    time_zone: ClassVar[str] = CALIFORNIA

    format: Literal["pems_export"]
    features: list[Literal["volume", "speed", "occupancy"]] = ["volume"]
    interval: Interval = 300
    date_order: DateOrder | None = None
    min_observed: Annotated[float, Field(ge=0, le=100)] = 1.0
    missing_when: Literal["any", "all"] = "any"
    vd_id: str | None = None


class PemsNpz(Measured):
    """PEMS03, 04, 07, 08: an array and no timestamps (``vdcast.ingest.formats.pems_npz``)."""

    time_zone: ClassVar[str] = CALIFORNIA

    format: Literal["pems_npz"]
    start: str
    interval: Interval = 300
    features: list[Literal["volume", "occupancy", "speed"]] = ["volume", "occupancy", "speed"]
    speed_unit: SpeedUnit = "km/h"


class MetrLA(Measured):
    """METR-LA, PEMS-BAY: a pandas table in h5 (``vdcast.ingest.formats.metr_la``)."""

    time_zone: ClassVar[str] = CALIFORNIA

    format: Literal["metr_la"]
    interval: Interval = 300
    missing_codes: list[float] = [0.0]
    speed_unit: SpeedUnit = "km/h"


Data = Annotated[
    WideTable
    | LongTable
    | DayRows
    | TaiwanVDLive
    | TaiwanV11
    | TaiwanM05A
    | PemsStation
    | PemsExport
    | PemsNpz
    | MetrLA,
    Field(discriminator="format"),
]
FORMATS: dict[str, type[Raw]] = {
    get_args(section.model_fields["format"].annotation)[0]: section for section in get_args(get_args(Data)[0])
}
