"""What a mode is: its settings, which VDs it forecasts, and how these meet weights.

A mode is one field of ``Modes``; one more is one more field, and a section of params.yaml.
"""

from dataclasses import dataclass
from enum import Enum
from typing import Annotated, Literal

from pydantic import (
    AfterValidator,
    Field,
    model_validator,
)

from vdcast.params.section import Positive, Section


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


@dataclass(frozen=True)
class Mode:
    """What is true of a mode whatever its settings are."""

    sharing: Sharing
    what: str  # as the page explains it


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


class Social(ManyVDs):
    neighbours: Annotated[int, Field(ge=0)]
    radius: Annotated[float, Field(gt=0)]  # metres
    weights: Literal["gaussian", "attention"]
    direction: Literal["any", "same_road"]


class Modes(Section):
    single_vd: Annotated[
        OneVD,
        Mode(sharing=Sharing.JOINT, what="One set of weights sees one detector and forecasts it."),
    ]
    multi_vd: Annotated[
        ManyVDs,
        Mode(
            sharing=Sharing.JOINT,
            what="One set of weights sees all detectors of the mode as one joint input and forecasts all of them.",
        ),
    ]
    independent_multi_vd: Annotated[
        ManyVDs,
        Mode(
            sharing=Sharing.APART,
            what="Every detector has its own set of weights, which sees that detector alone.",
        ),
    ]
    global_multi_vd: Annotated[
        ManyVDs,
        Mode(
            sharing=Sharing.SHARED,
            what="One set of weights forecasts every detector from that detector alone, and learns for each an "
            "embedding by which it knows it.",
        ),
    ]

    social: Annotated[
        Social,
        Mode(
            sharing=Sharing.SHARED,
            what="As in global_multi_vd, and what the network has read at the detectors nearby joins what it has read "
            "at the detector itself.",
        ),
    ]

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


MODES: dict[str, Mode] = {
    name: next(each for each in field.metadata if isinstance(each, Mode))
    for name, field in Modes.model_fields.items()
}


def sharing_of(mode: str) -> Sharing:
    return MODES[mode].sharing


def _known(name: str) -> str:
    if name not in MODES:
        raise ValueError(f"{name!r} is not a mode; allowed are {', '.join(MODES)}")
    return name


ModeName = Annotated[str, AfterValidator(_known)]
