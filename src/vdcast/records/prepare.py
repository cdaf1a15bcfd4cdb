"""``reports/prepare.json``: what `prepare` kept of the data, and what it dropped."""

from typing import Literal

import msgspec

from vdcast.language import Said


class Dropped(msgspec.Struct, frozen=True):
    """A VD, feature or covariate that no model will see, and why."""

    name: str
    kind: Literal["vd", "feature", "covariate"]
    reason: Said


class Amount(msgspec.Struct, frozen=True, kw_only=True):
    """How much data there is."""

    days: dict[str, float]  # of train, validation and test
    weeks: int  # whole ones in the training part: how often it sees every weekday
    too_little: Said | None  # what the answer is worth, where there is too little


class Preparation(msgspec.Struct, frozen=True, kw_only=True):
    """VDs are ids, in the order in which modes count them."""

    asked: list[str]  # VDs that were asked for
    kept: list[str]
    target_vd: str
    dropped: list[Dropped]
    amount: Amount
