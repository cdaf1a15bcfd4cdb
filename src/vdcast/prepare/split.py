"""Split the time axis, keep what the training part shows to be usable, and take its statistics."""

import itertools
from dataclasses import replace

from vdcast.data import profile, scale
from vdcast.data.detectors import Detectors, Prepared
from vdcast.data.store import PARTS
from vdcast.errors import InputError
from vdcast.language import in_words
from vdcast.layout import PARAMS
from vdcast.params.sections import Folds, Prepare
from vdcast.prepare.amount import check_days
from vdcast.prepare.covariates import learnable
from vdcast.prepare.folds import Borders, borders
from vdcast.prepare.usable import usable_features, usable_vds
from vdcast.records.prepare import Dropped


def prepare(
    table: Detectors, settings: Prepare, folds: Folds | None = None
) -> tuple[list[Prepared], list[Dropped]]:
    """Split ``table``, once for each of ``folds``, and keep what the first training part shows to be usable.

    Each fold has statistics of its own training part; what is known ahead has the scale of the first one. Raises InputError
    for names that the file lacks, and where nothing usable is left.
    """
    vds = asked(table, settings)
    _known("prepare.vds", vds, table.vd_ids)
    _known("prepare.features", settings.features, table.features)
    cuts = borders(len(table.timestamps), table.interval, settings.split, folds)
    parts = split(table.select(vds, settings.features), cuts[0])
    check_days(parts["train"])

    features, dropped_features = usable_features(parts, settings)
    train = parts["train"].select(parts["train"].vd_ids, features)
    kept, dropped_vds = usable_vds(train, settings)
    if not kept:
        reasons = "; ".join(f"{d.name}: {in_words(d.reason)}" for d in dropped_vds[:3])
        raise InputError(
            f"no VD of {table.source} passes prepare.max_missing {settings.max_missing} and "
            f"prepare.min_mean {settings.min_mean} ({reasons}); lower them or give better data"
        )
    covariates, dropped_covariates = learnable(table.covariates, train)
    chosen = replace(table.select(kept, features), covariates=covariates)
    dropped = dropped_features + dropped_vds + dropped_covariates
    return [_fold(split(chosen, cut), settings.targets) for cut in cuts], dropped


def _fold(parts: dict[str, Detectors], targets: list[str]) -> Prepared:
    mean, std = scale.of_values(parts["train"].values)
    return Prepared(
        parts=parts,
        mean=mean,
        std=std,
        profile=profile.of_part(parts["train"]),
        own_day_out=profile.left_out(parts["train"]),
        targets=tuple(targets),
    )


def asked(table: Detectors, settings: Prepare) -> list[str]:
    """The VDs that ``settings`` ask for, in their order."""
    return list(table.vd_ids) if settings.vds == "all" else settings.vds


def split(table: Detectors, cut: Borders) -> dict[str, Detectors]:
    """Train, validation and test, in this order of time; no step is in two of them."""
    return {
        name: table.rows(start, stop)
        for name, (start, stop) in zip(PARTS, itertools.pairwise(cut), strict=True)
    }


def _known(key: str, names: list[str], available: tuple[str, ...]) -> None:
    if unknown := [name for name in names if name not in available]:
        raise InputError(
            f"{PARAMS}: {key} names {unknown[0]!r}, which the data lacks; it has: {', '.join(available)}"
        )
