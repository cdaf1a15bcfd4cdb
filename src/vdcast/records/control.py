"""``reports/comparisons/controls/<run>.json``: a run beside its control, the same model without one thing."""

from typing import Literal

import msgspec

from vdcast.records.comparison import PairedDifference


class Neighbourhood(msgspec.Struct, frozen=True, kw_only=True):
    """Where V detectors are, and which hear of which: a link from detector ``of`` to detector ``near``, by number."""

    lon: list[float | None]  # degrees; null where it is not known, as is lat then
    lat: list[float | None]
    of: list[int]
    near: list[int]
    weight: list[float]  # of the Gaussian kernel, 0.1 to 1; attention starts from it
    most: int  # that a detector hears of; with ``direction`` same_road, of those upstream and of those downstream
    radius: float  # metres
    direction: Literal["any", "same_road"]


class Control(msgspec.Struct, frozen=True, kw_only=True):
    """``difference`` is of the run, ``a``, against its control, ``b``, over all VDs."""

    model: str
    mode: str  # of the run
    without: str  # that of the control; the same where what it lacks are covariates
    difference: PairedDifference
    unit: str
    vds: list[str]
    each: list[float | None]  # (V,) the relative difference of each VD, null where nothing was observed
    provisional: bool  # of one seed, or of trainings that did not end well
    neighbourhood: Neighbourhood | None  # of a run that hears of neighbours
