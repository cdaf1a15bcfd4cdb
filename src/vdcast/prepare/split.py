"""Split the time axis, keep what the training part shows to be usable, and take its statistics."""

from dataclasses import replace

import numpy as np

from vdcast.data import profile, scale
from vdcast.data.detectors import Detectors, Prepared
from vdcast.data.store import PARTS
from vdcast.errors import InputError
from vdcast.layout import PARAMS
from vdcast.params.sections import Prepare
from vdcast.prepare.covariates import learnable
from vdcast.prepare.usable import usable_features, usable_vds
from vdcast.records.prepare import Dropped


def prepare(table: Detectors, settings: Prepare) -> tuple[Prepared, list[Dropped]]:
    """Split ``table`` and keep what its training part shows to be usable, of what is known ahead too.

    Raises InputError for names that the file lacks, and where nothing usable is left.
    """
    vds = asked(table, settings)
    _known("prepare.vds", vds, table.vd_ids)
    _known("prepare.features", settings.features, table.features)
    parts = split(table.select(vds, settings.features), settings.split)

    features, dropped_features = usable_features(parts, settings)
    train = parts["train"].select(parts["train"].vd_ids, features)
    kept, dropped_vds = usable_vds(train, settings)
    if not kept:
        reasons = "; ".join(f"{d.name}: {d.reason}" for d in dropped_vds[:3])
        raise InputError(
            f"no VD of {table.source} passes prepare.max_missing {settings.max_missing} and "
            f"prepare.min_mean {settings.min_mean} ({reasons}); lower them or give better data"
        )
    covariates, dropped_covariates = learnable(table.covariates, train)
    parts = {
        name: replace(part.select(kept, features), covariates=covariates) for name, part in parts.items()
    }
    mean, std = scale.of_values(parts["train"].values)
    prepared = Prepared(
        parts=parts,
        mean=mean,
        std=std,
        profile=profile.of_part(parts["train"]),
        own_day_out=profile.left_out(parts["train"]),
        targets=tuple(settings.targets),
    )
    return prepared, dropped_features + dropped_vds + dropped_covariates


def asked(table: Detectors, settings: Prepare) -> list[str]:
    """The VDs that ``settings`` ask for, in their order."""
    return list(table.vd_ids) if settings.vds == "all" else settings.vds


def split(table: Detectors, shares: list[float]) -> dict[str, Detectors]:
    """Cut the time axis into train, validation and test, in this order; every step is in one part."""
    T = len(table.timestamps)
    borders = [0, *(round(T * share) for share in np.cumsum(shares)[:-1]), T]
    return {
        name: table.rows(start, stop)
        for name, start, stop in zip(PARTS, borders[:-1], borders[1:], strict=True)
    }


def _known(key: str, names: list[str], available: tuple[str, ...]) -> None:
    if unknown := [name for name in names if name not in available]:
        raise InputError(
            f"{PARAMS}: {key} names {unknown[0]!r}, which the data lacks; it has: {', '.join(available)}"
        )
