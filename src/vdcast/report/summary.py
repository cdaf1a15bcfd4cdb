"""``summary.json``: what `dvc metrics diff --targets reports/summary.json` compares."""

from __future__ import annotations


def summarise(modes: dict[str, dict], judged: dict) -> dict:
    """The verdict, then figures by mode and model: what `dvc metrics diff --targets reports/summary.json` compares."""
    return {
        "verdict": judged,
        **{
            mode: ({"problem": summary["problem"]} if summary["problem"] else {})
            | (_figures(summary) if "scores" in summary else {})
            for mode, summary in modes.items()
        },
    }


def _figures(summary: dict) -> dict:
    """Of one mode."""
    return {
        **summary["scores"],
        "by_horizon": {
            name: {f"{row['horizon']:g}min": row["mae"] for row in rows}
            for name, rows in summary["cuts"]["target_vd"]["horizon"].items()
        },
        "cost": summary["cost"],
        **({"quantiles": summary["quantiles"]["scores"]} if "quantiles" in summary else {}),
    }
