"""The pictures of ``quality.md``: the same data gives the same bytes."""

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from vdcast.escape import plot
from vdcast.language import feature, say
from vdcast.records.quality import Quality
from vdcast.scores.fonts import legible

COLOURS = {
    "gap": "#bbbbbb",
    "empty": "#8da0cb",
    "no_vehicle": "#a6d854",
    "code": "#fc8d62",
    "impossible": "#e78ac3",
    "status": "#e31a1c",
}  # of causes, in the order in which they are stacked


@legible
def coverage(path: Path, found: Quality) -> None:
    """Detectors down, time along: the share of values observed, per feature."""
    figure, axes = _rows(found)
    shares = np.frombuffer(found.coverage, "u1").reshape(len(axes), found.detectors, -1) / 255
    ends = [time[:16].replace("T", " ") for time in (found.first, found.last)]
    for axis, name, share in zip(axes, found.features, shares, strict=True):
        image = axis.imshow(
            share, aspect="auto", vmin=0, vmax=1, cmap="viridis", interpolation="nearest",
            extent=(0, 1, found.detectors, 0),
        )  # fmt: skip
        axis.set_ylabel(f"{plot(feature(name))}\n{say('quality.picture.detector')}")
        axis.set_xticks([0, 1], ends)
    figure.colorbar(image, ax=figure.axes, label=say("quality.picture.observed"))
    figure.suptitle(say("quality.picture.coverage"), fontsize=10)
    _save(figure, path)


@legible
def missing(path: Path, found: Quality) -> None:
    """Detectors along, worst first: the share missing, stacked by cause, per feature."""
    figure, axes = _rows(found)
    V = found.detectors
    labels = [say(f"language.cause.{name}") for name in COLOURS]
    for axis, name, shares in zip(axes, found.features, _by_cause(found), strict=True):
        steps = np.concatenate([shares, shares[:, -1:]], axis=1)  # each detector as wide as 1
        axis.stackplot(np.arange(V + 1), steps, labels=labels, colors=COLOURS.values(), step="post")
        axis.set(xlim=(0, V), ylim=(0, 1))
        axis.set_ylabel(f"{plot(feature(name))}\n{say('quality.picture.share_missing')}")
    axes[-1].set_xlabel(say("quality.picture.detectors"))
    axes[0].legend(ncols=len(COLOURS), fontsize=7, loc="upper right")
    figure.suptitle(say("quality.picture.missing"), fontsize=10)
    _save(figure, path)


def _by_cause(found: Quality) -> np.ndarray:
    """(F, causes, V) shares of all steps, the detector that lacks most first."""
    shares = np.array([[it.by_cause.get(name, 0.0) for name in COLOURS] for it in found.series])
    shares = shares.reshape(found.detectors, len(found.features), len(COLOURS))
    worst_first = np.argsort(-shares.sum(axis=(1, 2)), kind="stable")
    return shares[worst_first].transpose(1, 2, 0)


def _rows(found: Quality) -> tuple[Figure, list[Axes]]:
    """A row per feature."""
    F = len(found.features)
    figure = Figure(figsize=(9, min(2.2 * F + 0.6, 8)), layout="constrained")
    return figure, list(figure.subplots(F, 1, sharex=True, squeeze=False)[:, 0])


def _save(figure: Figure, path: Path) -> None:
    figure.savefig(path, dpi=110, metadata={"Software": None})  # without the version that matplotlib writes
