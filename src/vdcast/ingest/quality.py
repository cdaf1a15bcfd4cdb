"""What the data is worth: shares missing per detector and feature, for people and for programs."""

import json
from pathlib import Path

import numpy as np

from vdcast.store import Detectors


def write(folder: Path, table: Detectors) -> None:
    """Write ``quality.json`` and ``quality.md`` to ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    missing = np.isnan(table.values).mean(axis=0)  # (V, F)
    T, V, _ = table.values.shape
    series = [
        {"vd": vd, "feature": feature, "missing": round(float(missing[v, f]), 6)}
        for v, vd in enumerate(table.vd_ids)
        for f, feature in enumerate(table.features)
    ]
    report = {"steps": T, "detectors": V, "features": list(table.features), "series": series}
    (folder / "quality.json").write_text(json.dumps(report, indent=1, ensure_ascii=False) + "\n", "utf-8")
    lines = [
        f"# Quality of {table.source}",
        "",
        f"{T} steps of {table.interval} s, {V} detectors, features {', '.join(table.features)}.",
        "",
        "| VD | feature | missing |",
        "|---|---|---|",
        *(f"| {s['vd']} | {s['feature']} | {s['missing']:.2%} |" for s in series),
    ]
    (folder / "quality.md").write_text("\n".join(lines) + "\n", "utf-8")
