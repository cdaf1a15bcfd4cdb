"""Which VDs and features the training part shows to be usable, and why others are not."""

import numpy as np

from vdcast.data import calendar
from vdcast.data.calendar import DAY
from vdcast.data.detectors import Detectors, Prepared
from vdcast.errors import InputError
from vdcast.language import Said, named
from vdcast.layout import PARAMS
from vdcast.params.modes import MODES
from vdcast.params.sections import Params, Prepare
from vdcast.params.times import minutes
from vdcast.records.prepare import Dropped


def usable_features(parts: dict[str, Detectors], settings: Prepare) -> tuple[list[str], list[Dropped]]:
    """Features that training and validation observe, and at least one VD well enough.

    Raises InputError for a target that the training part lacks. An input that is missing everywhere would otherwise drop every VD, or go to the models as a constant.
    """
    kept, dropped = [], []
    for feature in parts["train"].features:
        reason = _unusable(parts, feature, settings.max_missing)
        if feature in settings.targets:  # judged VD by VD, and by check_fits
            if not observed(parts["train"], feature).any():
                raise InputError(
                    f"target {feature!r} has no valid observation in the training part of {parts['train'].source}; "
                    "see reports/quality/quality.md (`dvc repro quality`), then change prepare.targets or the data"
                )
        elif reason:
            dropped.append(Dropped(feature, "feature", reason))
            continue
        kept.append(feature)
    return kept, dropped


def _unusable(parts: dict[str, Detectors], feature: str, max_missing: float) -> Said | None:
    """Why no VD could use a feature; None where one could."""
    for name in ("train", "validation"):  # the test part decides nothing
        if not observed(parts[name], feature).any():
            return Said(f"language.dropped.unobserved.{name}")
    least = 1 - observed(parts["train"], feature).mean(axis=0).max()
    if least > max_missing:
        return Said("language.dropped.feature_lacks", {"share": float(least), "limit": max_missing})
    return None


def observed(part: Detectors, feature: str) -> np.ndarray:
    """(T, V) where a feature is observed."""
    return np.isfinite(part.values[:, :, part.features.index(feature)])


def usable_vds(train: Detectors, settings: Prepare) -> tuple[list[str], list[Dropped]]:
    """VDs that pass the thresholds of ``prepare`` on the training part."""
    date = calendar.dates(train.timestamps, train.time_zone)
    kept, dropped = [], []
    for v, vd in enumerate(train.vd_ids):
        reason = _unusable_vd(train, v, settings, date)
        if reason:
            dropped.append(Dropped(vd, "vd", reason))
        else:
            kept.append(vd)
    return kept, dropped


def _unusable_vd(train: Detectors, v: int, settings: Prepare, date: np.ndarray) -> Said | None:
    """Why no model could learn from a VD; None where one could. ``date`` (T,) is that of each step."""
    values = train.values[:, v]
    targets = [train.features.index(target) for target in settings.targets]
    missing = np.isnan(values).mean(axis=0)
    worst = int(missing.argmax())
    if missing[worst] == 1:
        return Said("language.dropped.all_missing", {"feature": named(train.features[worst])})
    if missing[worst] > settings.max_missing:
        figures = {"share": float(missing[worst]), "limit": settings.max_missing}
        return Said("language.dropped.missing", figures | {"feature": named(train.features[worst])})
    for name, valid in zip(train.features, np.isfinite(values).T, strict=True):
        if calendar.in_one_day(date[valid]):
            return Said("language.dropped.one_day", {"feature": named(name)})
    if (mean := np.nanmean(values[:, targets[0]])) < settings.min_mean:
        figures = {"mean": float(mean), "limit": settings.min_mean}
        return Said("language.dropped.low_mean", figures | {"feature": named(settings.targets[0])})
    for k in targets:
        if np.nanstd(values[:, k]) == 0:
            return Said("language.dropped.constant", {"feature": named(train.features[k])})
    return None


def check_fits(prepared: Prepared, settings: Params) -> None:
    """Refuse settings that this data cannot serve, before any training starts."""
    _enough_vds(len(prepared.parts["train"].vd_ids), settings)
    _enough_steps(prepared, settings)
    _all_observed(prepared, settings)


def _enough_vds(V: int, settings: Params) -> None:
    for mode in MODES:
        if (needed := max(settings.modes.vd_indices(mode)) + 1) > V:
            key, value = next(iter(getattr(settings.modes, mode)))  # the first setting says which VDs
            raise InputError(
                f"{PARAMS}: modes.{mode}.{key} = {value} needs {needed} VDs, but {V} are left of the data (why: "
                f"`prepare` with max_missing {settings.prepare.max_missing} and min_mean {settings.prepare.min_mean})"
            )


def _enough_steps(prepared: Prepared, settings: Params) -> None:
    L, H = settings.window.sequence_length, settings.window.prediction_length
    folds = settings.evaluate.folds
    for (name, part), share in zip(prepared.parts.items(), settings.prepare.split, strict=True):
        long, window = len(part.timestamps) * part.interval, (L + H) * part.interval
        gives, to_change = f"prepare.split gives the {name} part {share:.0%} =", "a larger share"
        if folds:
            gives = f"evaluate.folds ({folds}) leaves the {name} part of a fold"
            to_change = "longer folds" if name == "test" else "fewer or shorter folds"
        if long < window:
            raise InputError(
                f"{PARAMS}: {gives} {minutes(long)}, too short for one window with a lookback of "
                f"{minutes(L * part.interval)} and a horizon of {minutes(H * part.interval)}; give more data, {to_change} "
                "or shorter windows"
            )
        if folds and long < 2 * DAY:
            raise InputError(
                f"{PARAMS}: {gives} {minutes(long)}, fewer than two days; give more data or {to_change}"
            )


def _all_observed(prepared: Prepared, settings: Params) -> None:
    """Every VD that a mode forecasts must be observed in the validation part, and the target VD in the test part.

    Another VD that is silent in the test part alone is marked in the reports.
    """
    L, target_vd = settings.window.sequence_length, settings.modes.target_vd_index
    forecast = sorted({v for mode in MODES for v in settings.modes.vd_indices(mode)})
    for name, needed in (("validation", forecast), ("test", [target_vd])):
        part = prepared.parts[name]
        for target in prepared.targets:
            valid = np.any(observed(part, target)[L:], axis=0)  # (V,); no window forecasts the steps before
            if silent := [part.vd_ids[v] for v in needed if not valid[v]]:
                raise InputError(
                    f"VD {silent[0]} has no valid {target} in the {name} part, past its first {minutes(L * part.interval)}"
                    f"{f' (and {len(silent) - 1} more VDs)' if len(silent) > 1 else ''}, so no model of it could be "
                    "judged; leave it out of prepare.vds or change prepare.split"
                )
