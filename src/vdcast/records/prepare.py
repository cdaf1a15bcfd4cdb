"""``reports/prepare.json``: what ``prepare`` was asked for, kept and dropped."""

from typing import Literal

import msgspec


class Dropped(msgspec.Struct, frozen=True):
    """A VD or feature that no model will see, and why."""

    name: str
    kind: Literal["vd", "feature"]
    reason: str


class Preparation(msgspec.Struct, frozen=True, kw_only=True):
    """What the models see of the data."""

    asked: list[str]  # VDs, as ``prepare.vds`` names them, in their order
    kept: list[str]  # those of them that the training part shows to be usable
    target_vd: str  # the one of them that all modes are compared on
    dropped: list[Dropped]
