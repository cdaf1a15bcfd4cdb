"""What a mode is: its settings, which VDs it forecasts, and how these meet weights.

A mode is one field of ``Modes``; one more is one more field, and a section of params.yaml.
"""

from enum import Enum
from typing import Annotated, Literal

from pydantic import (
    AfterValidator,
    Field,
    model_validator,
)

from vdcast.params.section import Positive, Section

LEAST_RADIUS = 50  # metres: below it there are only lanes of one place, and kilometres by mistake


class Sharing(Enum):
    """How detectors meet weights. A *group* is what a network takes at once: all detectors, side by side, or one."""

    JOINT = "joint"  # one network takes all detectors at once
    APART = "apart"  # each detector has a network of its own
    SHARED = "shared"  # one network takes one detector at a time, whichever it is

    def copies(self, detectors: int) -> list[list[int]]:
        """The copies of a network that one seed needs, each as the groups that it sees, by number."""
        match self:
            case Sharing.JOINT:
                return [[0]]
            case Sharing.APART:
                return [[group] for group in range(detectors)]
            case Sharing.SHARED:
                return [list(range(detectors))]


class OneVD(Section):
    target_vd_index: Annotated[int, Field(ge=0)]

    @property
    def vd_indices(self) -> list[int]:
        """Which of the prepared VDs are forecast."""
        return [self.target_vd_index]


class ManyVDs(Section):
    num_vds: Positive

    @property
    def vd_indices(self) -> list[int]:
        """Which of the prepared VDs are forecast."""
        return list(range(self.num_vds))


def _metres(radius: float) -> float:
    if not radius >= LEAST_RADIUS:
        raise ValueError(f"{radius:g} is in metres, at least {LEAST_RADIUS}; two kilometres are 2000")
    return radius


class Social(ManyVDs):
    neighbours: Annotated[int, Field(ge=0)]
    radius: Annotated[float, AfterValidator(_metres)]
    weights: Literal["gaussian", "attention"]
    direction: Literal["any", "same_road"]


class Modes(Section):
    single_vd: Annotated[OneVD, Sharing.JOINT]
    multi_vd: Annotated[ManyVDs, Sharing.JOINT]
    independent_multi_vd: Annotated[ManyVDs, Sharing.APART]
    global_multi_vd: Annotated[ManyVDs, Sharing.SHARED]
    social: Annotated[Social, Sharing.SHARED]

    @property
    def target_vd_index(self) -> int:
        """The VD that all modes are compared on."""
        return self.single_vd.target_vd_index

    def vd_indices(self, mode: str) -> list[int]:
        """Which of the prepared VDs ``mode`` forecasts."""
        return getattr(self, mode).vd_indices

    def neighbourhood(self, mode: str) -> Social | None:
        """How ``mode`` finds the neighbours of a detector; None where it hears of none."""
        settings = getattr(self, mode)
        return settings if isinstance(settings, Social) and settings.neighbours else None

    @model_validator(mode="after")
    def _consistent(self):
        for mode in MODES:
            if self.target_vd_index not in (vds := self.vd_indices(mode)):
                raise ValueError(
                    f"single_vd.target_vd_index {self.target_vd_index} is not among the {len(vds)} VDs of {mode}; "
                    f"allowed: {vds[0]} to {vds[-1]}"
                )
        return self


MODES: dict[str, Sharing] = {
    name: next(each for each in field.metadata if isinstance(each, Sharing))
    for name, field in Modes.model_fields.items()
}


def sharing_of(mode: str) -> Sharing:
    return MODES[mode]


def _known(name: str) -> str:
    if name not in MODES:
        raise ValueError(f"{name!r} is not a mode; allowed are {', '.join(MODES)}")
    return name


ModeName = Annotated[str, AfterValidator(_known)]
