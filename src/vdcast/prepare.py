"""Select, check, split and describe: data/detectors.h5 -> data/prepared.h5.

    python -m vdcast.prepare

The time axis is split first; everything that is learned from data (what to drop, mean, standard
deviation) is then learned from the training part alone. Windows are cut later, inside each part, so
none crosses a border.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from vdcast.errors import InputError, one_sentence
from vdcast.layout import DETECTORS, PARAMS, PREPARED, REPORTS

if TYPE_CHECKING:
    from vdcast import params, store

REPORT = REPORTS / "prepare.md"


@dataclass(frozen=True)
class Dropped:
    """A VD or feature that no model will see, and why."""

    name: str
    reason: str


def main() -> None:
    argparse.ArgumentParser(prog="python -m vdcast.prepare", description=__doc__.split("\n")[0]).parse_args()
    with one_sentence():
        from vdcast import params, store

        settings = params.load()
        prepared, dropped = prepare(store.read(DETECTORS), settings.prepare)
        check_fits(prepared, settings)
        store.write_prepared(PREPARED, prepared)
        REPORT.parent.mkdir(parents=True, exist_ok=True)
        REPORT.write_text(describe(prepared, dropped), "utf-8")
        V = len(prepared.parts["train"].vd_ids)
        print(f"{PREPARED}: {V} VDs kept, {len(dropped)} VDs or features dropped (why: {REPORT})")


def prepare(table: store.Detectors, settings: params.Prepare) -> tuple[store.Prepared, list[Dropped]]:
    """Split ``table`` and keep what its training part shows to be usable.

    Raises InputError for names that the file lacks, and where nothing usable is left.
    """
    from vdcast import store

    vds = list(table.vd_ids) if settings.vds == "all" else settings.vds
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
    parts = {name: part.select(kept, features) for name, part in parts.items()}
    mean, std = statistics(parts["train"].values)
    prepared = store.Prepared(parts=parts, mean=mean, std=std, targets=tuple(settings.targets))
    return prepared, dropped_features + dropped_vds


def split(table: store.Detectors, shares: list[float]) -> dict[str, store.Detectors]:
    """Cut the time axis into train, validation and test, in this order; every step is in one part."""
    from vdcast import store

    T = len(table.timestamps)
    borders = [0, *(round(T * share) for share in np.cumsum(shares)[:-1]), T]
    return {
        name: table.rows(start, stop)
        for name, start, stop in zip(store.PARTS, borders[:-1], borders[1:], strict=True)
    }


def usable_features(
    parts: dict[str, store.Detectors], settings: params.Prepare
) -> tuple[list[str], list[Dropped]]:
    """Features that training and validation observe, and one VD at least well enough. A target that training lacks is an error.

    An input that is missing everywhere would otherwise drop every VD, or go to the models as a constant.
    """
    kept, dropped = [], []
    for feature in parts["train"].features:
        reason = _unusable(parts, feature, settings.max_missing)
        if feature in settings.targets:  # judged VD by VD, and by check_fits
            if not _observed(parts["train"], feature).any():
                raise InputError(
                    f"target {feature!r} has no valid observation in the training part of {parts['train'].source}; "
                    "see reports/quality/quality.md, then change prepare.targets or the data"
                )
        elif reason:
            dropped.append(Dropped(feature, reason))
            continue
        kept.append(feature)
    return kept, dropped


def _unusable(parts: dict[str, store.Detectors], feature: str, max_missing: float) -> str | None:
    """Why no VD could use a feature; None where one could."""
    for name, what in (("train", "training"), ("validation", "validation")):  # the test part decides nothing
        if not _observed(parts[name], feature).any():
            return f"feature without any observation in the {what} part"
    least = 1 - _observed(parts["train"], feature).mean(axis=0).max()
    if least > max_missing:
        return f"feature of which every VD lacks {least:.1%} or more in the training part, over {max_missing:.0%}"
    return None


def _observed(part: store.Detectors, feature: str) -> np.ndarray:
    """(T, V) where a feature is observed."""
    return np.isfinite(part.values[:, :, part.features.index(feature)])


def usable_vds(train: store.Detectors, settings: params.Prepare) -> tuple[list[str], list[Dropped]]:
    """VDs that pass the thresholds of ``prepare`` on the training part."""
    targets = [train.features.index(target) for target in settings.targets]
    kept, dropped = [], []
    for v, vd in enumerate(train.vd_ids):
        values = train.values[:, v]
        missing = np.isnan(values).mean(axis=0)
        worst = int(missing.argmax())
        if missing[worst] == 1:
            reason = f"100.0% of {train.features[worst]} missing: there is nothing to learn from"
        elif missing[worst] > settings.max_missing:
            reason = (
                f"{missing[worst]:.1%} of {train.features[worst]} missing, over {settings.max_missing:.0%}"
            )
        elif (mean := np.nanmean(values[:, targets[0]])) < settings.min_mean:
            reason = f"mean {settings.targets[0]} {mean:.2f}, under {settings.min_mean:g}"
        elif constant := [train.features[k] for k in targets if np.nanstd(values[:, k]) == 0]:
            reason = f"{constant[0]} is constant: there is nothing to forecast"
        else:
            kept.append(vd)
            continue
        dropped.append(Dropped(vd, reason))
    return kept, dropped


def statistics(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation (V, F) over the valid observations of ``values`` (T, V, F).

    A constant series gets a standard deviation of 1, so that scaling leaves it finite.
    """
    mean = np.nanmean(values, axis=0, dtype=np.float64)
    std = np.nanstd(values, axis=0, dtype=np.float64)
    return mean, np.where(std > 0, std, 1.0)


def check_fits(prepared: store.Prepared, settings: params.Params) -> None:
    """Refuse settings that this data cannot serve, before any training starts."""
    V = len(prepared.parts["train"].vd_ids)
    for mode in ("multi_vd", "independent_multi_vd"):
        if (wanted := getattr(settings.modes, mode).num_vds) > V:
            raise InputError(
                f"{PARAMS}: modes.{mode}.num_vds = {wanted}, but {V} VDs are left of the data (why: "
                f"`prepare` with max_missing {settings.prepare.max_missing} and min_mean "
                f"{settings.prepare.min_mean}); allowed: 1 to {V}"
            )
    if settings.modes.target_vd_index >= V:
        raise InputError(
            f"{PARAMS}: modes.single_vd.target_vd_index = {settings.modes.target_vd_index}, "
            f"but {V} VDs are left of the data; allowed: 0 to {V - 1}"
        )
    forecast = sorted(
        {v for mode in type(settings.modes).model_fields for v in settings.modes.vd_indices(mode)}
    )
    L, H = settings.window.sequence_length, settings.window.prediction_length
    for (name, part), share in zip(prepared.parts.items(), settings.prepare.split, strict=True):
        if (T := len(part.timestamps)) < L + H:
            raise InputError(
                f"{PARAMS}: prepare.split gives the {name} part {share:.0%} = {T} steps, too short for one "
                f"window of sequence_length {L} + prediction_length {H}; give more data, a larger share or "
                "shorter windows"
            )
    for name in ("validation", "test"):
        part = prepared.parts[name]
        for target in prepared.targets:
            valid = _observed(part, target)[L:].any(axis=0)  # no window forecasts the steps before
            # a VD that is silent in the test part alone is marked in the reports; the target VD is what they are about
            needed = [settings.modes.target_vd_index] if name == "test" else forecast
            if silent := [part.vd_ids[v] for v in needed if not valid[v]]:
                raise InputError(
                    f"VD {silent[0]} has no valid {target} in the {name} part, past its first {L} steps"
                    f"{f' (and {len(silent) - 1} more VDs)' if len(silent) > 1 else ''}, so no model of it could be "
                    "judged; leave it out of prepare.vds or change prepare.split"
                )


def describe(prepared: store.Prepared, dropped: list[Dropped]) -> str:
    """What was kept, what was dropped and why, as markdown."""
    train = prepared.parts["train"]
    lines = [
        "# Prepared data",
        "",
        f"Source: {train.source}. Interval {train.interval} s, {train.time_zone}.",
        "",
    ]
    lines += ["| Part | Steps | From (UTC) | To (UTC) | Missing |", "|---|---|---|---|---|"]
    for name, part in prepared.parts.items():
        first, last = (np.datetime64(int(t), "s") for t in part.timestamps[[0, -1]])
        lines.append(
            f"| {name} | {len(part.timestamps)} | {first} | {last} | {np.isnan(part.values).mean():.2%} |"
        )
    lines += ["", "| VD | Feature | Mean (train) | Std (train) | Unit |", "|---|---|---|---|---|"]
    for v, vd in enumerate(train.vd_ids):
        for f, feature in enumerate(train.features):
            lines.append(
                f"| {vd} | {feature} | {prepared.mean[v, f]:.2f} | {prepared.std[v, f]:.2f} | {train.units[f]} |"
            )
    lines += ["", "## Dropped", ""]
    lines += [f"- {item.name}: {item.reason}" for item in dropped] or ["Nothing."]
    return "\n".join(lines) + "\n"


def _known(key: str, names: list[str], available: tuple[str, ...]) -> None:
    if unknown := [name for name in names if name not in available]:
        raise InputError(
            f"{PARAMS}: {key} names {unknown[0]!r}, which the data lacks; it has: {', '.join(available)}"
        )


if __name__ == "__main__":
    main()
