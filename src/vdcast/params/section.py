"""A section of params.yaml, and the types of values that several have."""

from typing import Annotated
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
)

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
