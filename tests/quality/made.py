"""What `ingest` would have found, made up."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from vdcast.records.quality import Files, Missing, Quality, SeriesQuality


def of_series(vd: str, feature: str, **other: Any) -> SeriesQuality:
    """Of 100 steps all are observed, but for what ``other`` says."""
    whole = {
        "missing": 0.0,
        "by_cause": {},
        "longest_gap": 0,
        "mean": 3.5,
        "min": 1.0,
        "max": 9.0,
        "verdict": "",
    }
    return SeriesQuality(vd=vd, feature=feature, **whole | other)


def quality(series: Sequence[SeriesQuality], **other: Any) -> Quality:
    """Of ``series`` by detector and then by feature, 100 minutes long."""
    features = list(dict.fromkeys(it.feature for it in series))
    V = len(series) // len(features)
    share = np.array([1 - it.missing for it in series]).reshape(V, len(features), 1)
    facts = {
        "source": "long_table: raw.csv",
        "first": "2026-10-01T05:00:00+08:00",
        "last": "2026-10-01T06:39:00+08:00",
        "time_zone": "Asia/Taipei",
        "interval": 60,
        "steps": 100,
        "detectors": V,
        "located": 0,
        "features": features,
        "units": ["km/h"] * len(features),
        "missing": {name: Missing(share=0.0, by_cause={}) for name in features},
        "counts": {"records": 100 * V},
        "files": Files(read=1, bad=[], passed_over=[]),
        "silent": [],
        "series": list(series),
        "coverage": np.round(255 * share).astype("u1").transpose(1, 0, 2).tobytes(),
    }
    return Quality(**facts | other)
