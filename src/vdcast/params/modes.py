"""What a mode is: which VDs it forecasts, and whether they share one set of weights."""

from typing import Annotated

from pydantic import (
    Field,
    model_validator,
)

from vdcast.params.section import Positive, Section


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


def is_joint(mode: str) -> bool:
    """Whether a mode's detectors share one network (``multi_vd``; ``single_vd`` is the case V = 1)."""
    return mode != "independent_multi_vd"
