"""What is known of a time before it comes: public holidays, what is planned, and the weather as it was forecast.

Inputs of both models beside the calendar, at every step back and ahead. What is planned is known at all times. Of the
weather each value says when it was issued, and a window sees of each time the newest one that was issued by the end of its
lookback: an observation does not reach a window that ended before it was made.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from vdcast.errors import InputError

HOLIDAY = "holiday"  # what a public holiday is called among what is planned
ARRAYS = ("time", "issued", "values", "mean", "std")  # of ``Weather``


@dataclass(frozen=True, kw_only=True)
class Weather:
    """Values of some kinds at some times, by time and then by when they were issued."""

    kinds: tuple[str, ...]
    time: (
        np.ndarray
    )  # (rows,) Unix seconds: the start of what is spoken of, a multiple of ``step`` after the first
    issued: np.ndarray  # (rows,) Unix seconds
    values: np.ndarray  # (rows, kinds) float32; NaN where nobody said
    mean: np.ndarray  # (kinds,) over the training part
    std: np.ndarray  # (kinds,)
    step: int  # seconds that a value speaks of

    @property
    def scaled(self) -> np.ndarray:
        """(rows + 1, 2 * kinds) float32: the values, 0 where nobody said; then 1 where somebody did. Of the last row nobody did."""
        said = np.isfinite(self.values)
        values = np.where(said, (self.values - self.mean) / self.std, 0)
        rows = np.concatenate([values, said], axis=1)
        return np.pad(rows, ((0, 1), (0, 0))).astype(np.float32)

    def rows(self, time: np.ndarray, now: np.ndarray) -> np.ndarray:
        """Which row is the newest one of each time that was issued by ``now``, -1 where none was; both (n,) Unix seconds."""
        earliest = self.issued.min()
        span = self.issued.max() - earliest + 2
        place, wanted = ((each - self.time[0]) // self.step for each in (self.time, time))
        keys = place * span + self.issued - earliest  # ascending, as the rows are
        asked = wanted * span + np.clip(now - earliest, -1, span - 2)
        found = np.searchsorted(keys, asked, side="right") - 1
        return np.where((found >= 0) & (place[found] == wanted), found, -1)


@dataclass(frozen=True, kw_only=True)
class Covariates:
    """All that is known ahead; without arguments, nothing."""

    plans: Mapping[str, np.ndarray] = field(
        default_factory=dict
    )  # (periods, 2) Unix seconds: from, and to before
    inputs: tuple[str, ...] = ()  # those of ``plans`` that a model takes
    until: Mapping[str, int] = field(default_factory=dict)  # Unix seconds before which a plan is complete
    weather: Weather | None = None
    tables: Mapping[str, str] = field(default_factory=dict)  # which file ``plans`` and ``weather`` come from

    def __bool__(self) -> bool:
        return bool(self.plans) or self.weather is not None

    @property
    def days(self) -> int:
        """How many kinds of day the profile tells apart: those of the week and, where they are known, holidays."""
        return 7 + (HOLIDAY in self.plans)

    def planned(self, name: str, timestamps: np.ndarray) -> np.ndarray:
        """(T,) bool: whether it is so then. Raises InputError for a time of which the plan says nothing yet."""
        last = int(timestamps.max(initial=0))
        if last >= self.until.get(name, last + 1):
            end, asked = (np.datetime64(each, "s") for each in (self.until[name], last))
            raise InputError(
                f"the model knows of {name!r} up to {end} UTC, and is asked for {asked}; `vdcast forecast` reads the tables "
                "of `calendar` anew, and `dvc repro` takes holidays of later years"
            )
        begin, end = np.sort(self.plans.get(name, np.empty((0, 2), np.int64)), axis=0).T
        begun, over = (np.searchsorted(each, timestamps, side="right") for each in (begin, end))
        return begun > over

    def features(self, timestamps: np.ndarray) -> np.ndarray:
        """(T, inputs) float32: 1 where it is so."""
        columns = [self.planned(name, timestamps) for name in self.inputs]
        return np.array(columns, np.float32).reshape(len(columns), len(timestamps)).T

    def without(self, names: Collection[str]) -> Covariates:
        """The same without these inputs, plans or kinds of weather; a holiday stays a day of the profile."""
        plans = {name: each for name, each in self.plans.items() if name not in names or name == HOLIDAY}
        weather = self.weather and _fewer(self.weather, names)
        read = {"plans": plans.keys() - {HOLIDAY}, "weather": weather}
        return Covariates(
            plans=plans,
            inputs=tuple(name for name in self.inputs if name not in names),
            until={name: end for name, end in self.until.items() if name in plans},
            weather=weather,
            tables={key: file for key, file in self.tables.items() if read[key]},
        )

    def content(self) -> dict[str, np.ndarray]:
        """As arrays of numbers and text, for a file; ``of`` reads it."""
        number = np.repeat(np.arange(len(self.plans)), [len(each) for each in self.plans.values()])
        arrays = {
            "plans": np.array(list(self.plans), "U"),
            "periods": np.column_stack(
                [number, np.concatenate([np.empty((0, 2), "i8"), *self.plans.values()])]
            ),
            "until": np.array([self.until.get(name, -1) for name in self.plans], "i8"),
            "inputs": np.array(self.inputs, "U"),
            "tables": np.array([part for each in self.tables.items() for part in each], "U"),
        }
        if self.weather is not None:
            arrays |= {f"weather_{name}": np.asarray(each) for name, each in vars(self.weather).items()}
        return arrays

    @classmethod
    def of(cls, content: Mapping[str, np.ndarray]) -> Covariates:
        names, tables = content["plans"].tolist(), content["tables"].tolist()
        number, periods = content["periods"][:, 0], content["periods"][:, 1:]
        weather = {name: content[f"weather_{name}"] for name in ARRAYS if f"weather_{name}" in content}
        return cls(
            plans={name: periods[number == n] for n, name in enumerate(names)},
            inputs=tuple(content["inputs"].tolist()),
            until={name: end for name, end in zip(names, content["until"].tolist(), strict=True) if end >= 0},
            weather=Weather(
                kinds=tuple(content["weather_kinds"].tolist()), step=int(content["weather_step"]), **weather
            )
            if weather
            else None,
            tables=dict(zip(tables[::2], tables[1::2], strict=True)),
        )


def _fewer(weather: Weather, names: Collection[str]) -> Weather | None:
    kept = [i for i, kind in enumerate(weather.kinds) if kind not in names]
    columns = {name: getattr(weather, name)[..., kept] for name in ("values", "mean", "std")}
    return replace(weather, kinds=tuple(weather.kinds[i] for i in kept), **columns) if kept else None
