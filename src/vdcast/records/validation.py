"""``runs/naive/validation.json``: how the simpler forecasts do on the validation part, which is what one is chosen by."""

import msgspec


class Validation(msgspec.Struct, frozen=True, kw_only=True):
    """Mean absolute errors of the headline target, by baseline, (H, V); null without an observation.

    Of a walk forward they are of the first fold, whose validation part lies before every test part.
    """

    vds: list[str]
    mae: dict[str, list[list[float | None]]]
