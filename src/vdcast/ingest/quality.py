"""What the data is worth: ``quality.json`` for programs, ``quality.md`` with plots for people."""

from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import msgspec
import numpy as np

from vdcast import escape
from vdcast.data.detectors import Detectors
from vdcast.ingest.records import AHEAD, CAUSES, OBSERVED
from vdcast.params.times import minutes

BINS = 168  # columns of the coverage map
NEAR_CONSTANT = 0.95  # of the values equal to the one observed before
LISTED = 20  # worst series, bad files and the like in quality.md; quality.json has all
WARN_MISSING = 0.2

COUNTS = {
    "records": "records read",
    "duplicates": "records of a detector and interval that another record had before",
    "conflicting": "of the duplicates, with other values; the later one in the order of the files stands",
    "crowded": "of these, of another time within the interval",
    "files_out_of_order": "files that start before the one before them",
    "rows_out_of_order": "rows of a table that lie before the row before them",
    "off_grid": "records whose time is not the start of an interval; it was floored",
    "stale": f"records dropped: older than their snapshot by more than data.max_age, or newer by more than {AHEAD} s",
    "undated": "records dropped: without a time, or with one like 0001-01-01",
    "error_type": "lanes with an ErrorType other than diag0; their values are taken as they are",
    "nonexistent": "rows dropped: local times that clocks skip when daylight saving starts",
    "repeated_hour": "rows in the hour that clocks repeat when daylight saving ends",
    "impossible_values": "raw values beyond the limits, lanes and vehicle classes each counted",
    "steps_without_records": "intervals in which no detector has a record",
    "unended": "tables that do not end in a line break: legal, but what is cut off would leave them so, and the last "
    "number may be cut short",
    "undated_order": "files whose dates only one order of day and month fits",
}


class Tally:
    """Running counts over blocks of T steps of V detectors and F features; memory grows with V times F."""

    def __init__(self, steps: int, detectors: int, features: int):
        shape = (detectors, features)
        self.steps = steps
        self.causes = np.zeros((len(CAUSES) + 1, *shape), "i8")
        self.bins = min(BINS, steps)
        self.coverage = np.zeros((self.bins, *shape), "i8")
        self.rows = np.diff(-(-np.arange(self.bins + 1) * steps // self.bins))
        self.low, self.high = np.full(shape, np.inf), np.full(shape, -np.inf)
        self.total = np.zeros(shape)
        self.gap, self.longest_gap = np.zeros(shape, "i8"), np.zeros(shape, "i8")
        self.repeats = np.zeros(shape, "i8")
        self.last = np.full(shape, np.nan, "f4")
        self._row = 0

    def add(self, values: np.ndarray, cause: np.ndarray) -> None:
        """Count the next rows: values (n, V, F), causes (n, V, F)."""
        for code in range(len(self.causes)):
            self.causes[code] += (cause == code).sum(axis=0)
        seen = cause == OBSERVED
        self.low = np.fmin(self.low, np.where(seen, values, np.inf).min(axis=0))
        self.high = np.fmax(self.high, np.where(seen, values, -np.inf).max(axis=0))
        self.total += np.where(seen, values, 0).sum(axis=0, dtype="f8")
        np.add.at(self.coverage, (self._row + np.arange(len(values))) * self.bins // self.steps, seen)
        for row, there in zip(values, seen, strict=True):
            self.gap = np.where(there, 0, self.gap + 1)
            np.maximum(self.longest_gap, self.gap, out=self.longest_gap)
            self.repeats += there & (row == self.last)
            self.last = np.where(there, row, self.last)
        self._row += len(values)

    @property
    def observed(self) -> np.ndarray:
        """(V, F) how many values are observed."""
        return self.causes[OBSERVED]

    def verdict(self) -> np.ndarray:
        """(V, F) text: empty, constant, near-constant, or nothing to report."""
        n = self.observed
        near = (n > 1) & (self.repeats >= NEAR_CONSTANT * (n - 1))
        return np.select(
            [n == 0, (n > 1) & (self.low == self.high), near], ["empty", "constant", "near-constant"], ""
        )


@dataclass(frozen=True)
class Reading:
    """What reading the raw files came to."""

    counts: Counter  # of ``COUNTS``
    files: dict  # how many were read; which were bad, which passed over
    silent: list[str]  # detectors that a list names, and no file


def write(
    folder: Path,
    table: Detectors,
    timestamps: np.ndarray,
    tally: Tally,
    reading: Reading,
) -> dict:
    """Write ``quality.json``, ``quality.md`` and the plots to ``folder``; returns what the JSON says."""
    folder.mkdir(parents=True, exist_ok=True)
    report = summary(table, timestamps, tally, reading)
    text = msgspec.json.format(msgspec.json.encode(report), indent=1)
    (folder / "quality.json").write_bytes(text + b"\n")
    plots = plot(folder, table, timestamps, tally)
    (folder / "quality.md").write_text(markdown(report, plots), "utf-8")
    return report


def summary(table: Detectors, timestamps: np.ndarray, tally: Tally, reading: Reading) -> dict:
    """Everything that the report says, as JSON types; shares are of all steps."""
    T = tally.steps
    verdict = tally.verdict()
    series = []
    for v, vd in enumerate(table.vd_ids):
        for f, feature in enumerate(table.features):
            n = int(tally.observed[v, f])
            causes = {CAUSES[c]: round(int(tally.causes[c, v, f]) / T, 6) for c in CAUSES}
            series.append(
                {
                    "vd": vd,
                    "feature": feature,
                    "missing": round(1 - n / T, 6),
                    "by_cause": {name: share for name, share in causes.items() if share},
                    "longest_gap": int(tally.longest_gap[v, f]),
                    "mean": round(float(tally.total[v, f]) / n, 4) if n else None,
                    "min": round(float(tally.low[v, f]), 4) if n else None,
                    "max": round(float(tally.high[v, f]), 4) if n else None,
                    "verdict": str(verdict[v, f]),
                }
            )
    cells = T * len(table.vd_ids)
    return {
        "source": table.source,
        "first": _local(timestamps[0], table.time_zone),
        "last": _local(timestamps[-1], table.time_zone),
        "time_zone": table.time_zone,
        "interval": table.interval,
        "steps": T,
        "detectors": len(table.vd_ids),
        "features": list(table.features),
        "units": list(table.units),
        "missing": {
            feature: {
                "share": round(1 - int(tally.observed[:, f].sum()) / cells, 6),
                "by_cause": {
                    CAUSES[c]: round(int(tally.causes[c, :, f].sum()) / cells, 6)
                    for c in CAUSES
                    if tally.causes[c, :, f].any()
                },
            }
            for f, feature in enumerate(table.features)
        },
        "counts": {name: reading.counts[name] for name in COUNTS if reading.counts[name]},
        "files": reading.files,
        "located": _located(table),
        "silent": reading.silent,
        "series": series,
    }


def _located(table: Detectors) -> int:
    """How many detectors have coordinates."""
    return int(np.isfinite(table.info["lon"]).sum()) if "lon" in table.info else 0


def _local(seconds: int, zone: str) -> str:
    return datetime.fromtimestamp(int(seconds), UTC).astimezone(ZoneInfo(zone)).isoformat()


def markdown(report: dict, plots: list[str]) -> str:
    """The report for people."""
    features = ", ".join(
        f"{escape.markdown(f)} ({escape.markdown(u)})"
        for f, u in zip(report["features"], report["units"], strict=True)
    )
    lines = [
        f"# What the data is worth: {escape.markdown(report['source'])}",
        "",
        f"{report['steps']:,} times, {minutes(report['interval'])} apart, from {report['first']} to {report['last']} "
        f"({report['time_zone']}), {report['detectors']} detectors ({report['located']} with coordinates), "
        f"features {features}.",
        "",
        *_warnings(report),
        "## Missing, by cause",
        "",
        "Share of all times and detectors. " + "; ".join(f"*{k}*: {v}" for k, v in _EXPLAINED.items()) + ".",
        "",
        "| feature | missing | " + " | ".join(CAUSES.values()) + " |",
        "|---" * (len(CAUSES) + 2) + "|",
    ]
    for feature, missing in report["missing"].items():
        cells = [_percent(missing["by_cause"].get(name, 0)) for name in CAUSES.values()]
        lines.append(
            f"| {escape.markdown(feature)} | {_percent(missing['share'])} | " + " | ".join(cells) + " |"
        )
    lines += ["", *(f"![{name}]({name})" for name in plots), ""]
    worst = sorted(report["series"], key=lambda s: (-s["missing"], -s["longest_gap"]))
    lines += [
        f"## Worst series (of {len(worst)}; all are in quality.json)",
        "",
        "| VD | feature | missing | mostly | longest gap | mean | min | max | |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for s in worst[:LISTED]:
        mostly = max(s["by_cause"], key=s["by_cause"].get, default="")
        numbers = " | ".join("" if s[k] is None else f"{s[k]:g}" for k in ("mean", "min", "max"))
        lines.append(
            f"| {escape.markdown(s['vd'])} | {escape.markdown(s['feature'])} | {_percent(s['missing'])} | {mostly} | {minutes(s['longest_gap'] * report['interval'])} | "
            f"{numbers} | {s['verdict']} |"
        )
    lines += ["", "## What was read", "", f"- {report['files']['read']} files"]
    lines += [f"- {n} {COUNTS[name]}" for name, n in report["counts"].items()]
    for title, names in (
        ("Bad files, skipped", "bad"),
        ("Files passed over: not of this format", "passed_over"),
    ):
        if found := report["files"][names]:
            lines += [
                "",
                f"## {title} ({len(found)})",
                "",
                *(f"- {escape.markdown(name)}" for name in found[:LISTED]),
            ]
            lines += [f"- and {len(found) - LISTED} more, in quality.json"] * (len(found) > LISTED)
    return "\n".join(lines) + "\n"


_EXPLAINED = {
    "gap": "no record",
    "empty": "the record lacks the field",
    "no_vehicle": "no vehicle passed, so there is no speed",
    "code": "a code such as -99",
    "impossible": "beyond the limits",
    "status": "the device reports that it is not well",
}


def _warnings(report: dict) -> list[str]:
    lines = []
    for name in ("empty", "constant", "near-constant"):
        if found := [s for s in report["series"] if s["verdict"] == name]:
            some = ", ".join(escape.markdown(f"{s['vd']} {s['feature']}") for s in found[:5])
            more = f" and {len(found) - 5} more" if len(found) > 5 else ""
            lines.append(f"- **{name}** series: {len(found)} ({some}{more})")
    if found := [s for s in report["series"] if WARN_MISSING < s["missing"] < 1]:
        lines.append(f"- **{len(found)} series lack more than {_percent(WARN_MISSING)}** of their values")
    if silent := report["silent"]:
        some = ", ".join(map(escape.markdown, silent[:5])) + (
            f" and {len(silent) - 5} more" if len(silent) > 5 else ""
        )
        lines.append(
            f"- **{len(silent)} detectors of data.vd_list never reported**, and are not in the table ({some})"
        )
    if report["files"]["bad"]:
        lines.append(f"- **{len(report['files']['bad'])} bad files** were skipped; they are listed below")
    return [*lines, ""] if lines else []


def _percent(share: float) -> str:
    return f"{share:.2%}" if share else "0"


def plot(folder: Path, table: Detectors, timestamps: np.ndarray, tally: Tally) -> list[str]:
    """The coverage map and the shares missing by cause, per feature; returns the files' names."""
    from matplotlib.figure import Figure

    names = []
    start, stop = (_local(timestamps[i], table.time_zone)[:16].replace("T", " ") for i in (0, -1))
    V, F = tally.observed.shape
    figure = Figure(figsize=(9, min(2.2 * F + 0.6, 8)), layout="constrained")
    for f, axes in enumerate(figure.subplots(F, 1, sharex=True, squeeze=False)[:, 0]):
        share = (tally.coverage[:, :, f] / tally.rows[:, None]).T  # (V, bins)
        image = axes.imshow(
            share, aspect="auto", vmin=0, vmax=1, cmap="viridis", interpolation="nearest", extent=(0, 1, V, 0)
        )
        axes.set_ylabel(f"{escape.plot(table.features[f])}\ndetector")
        axes.set_xticks([0, 1], [start, stop])
    figure.colorbar(image, ax=figure.axes, label="share observed")
    figure.suptitle("Coverage: share of values observed, per detector and time", fontsize=10)
    names.append(_save(figure, folder / "coverage.png"))

    figure = Figure(figsize=(9, min(2.2 * F + 0.6, 8)), layout="constrained")
    colours = ["#bbbbbb", "#8da0cb", "#a6d854", "#fc8d62", "#e78ac3", "#e31a1c"]
    order = np.argsort(tally.observed.sum(axis=1), kind="stable")
    for f, axes in enumerate(figure.subplots(F, 1, sharex=True, squeeze=False)[:, 0]):
        shares = [tally.causes[c, order, f] / tally.steps for c in CAUSES]
        steps = [np.append(share, share[-1]) for share in shares]  # each detector as wide as 1
        axes.stackplot(np.arange(V + 1), steps, labels=CAUSES.values(), colors=colours, step="post")
        axes.set(xlim=(0, V), ylim=(0, 1))
        axes.set_ylabel(f"{escape.plot(table.features[f])}\nshare missing")
    axes.set_xlabel("detectors, worst first")
    figure.axes[0].legend(ncols=6, fontsize=7, loc="upper right")
    figure.suptitle("Share missing, by cause", fontsize=10)
    names.append(_save(figure, folder / "missing.png"))
    return names


def _save(figure, path: Path) -> str:
    # without the version that matplotlib writes, the same data gives the same bytes
    figure.savefig(path, dpi=110, metadata={"Software": None})
    return path.name
