"""What the stages before left for the report."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from vdcast.errors import InputError
from vdcast.layout import REPORTS

if TYPE_CHECKING:
    from vdcast.params.sections import Params


def read(path: Path, stage: str) -> bytes:
    """The file. Raises InputError that names the stage which leaves it."""
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise InputError(f"{path} does not exist; run `dvc repro {stage}`") from None


LISTED = 5  # of what was dropped


def read_comparison(mode: str) -> dict:
    """What ``compare`` left. Raises InputError where it is missing or damaged."""
    path = REPORTS / mode / "comparison.json"
    try:
        return json.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        raise InputError(f"{path} does not exist; run `dvc repro compare@{mode}`") from None
    except json.JSONDecodeError as error:
        raise InputError(
            f"{path} is damaged ({error}); delete it and run `dvc repro compare@{mode}`"
        ) from None


def read_dropped(modes: dict[str, dict], settings: Params) -> list[str]:
    """What ``prepare`` dropped, as sentences; what the data held to begin with is read from the quality report."""
    pass

    reasons = read(REPORTS / "prepare.md", "prepare").decode("utf-8").partition("## Dropped")[2]
    vds = settings.prepare.vds
    if vds == "all":
        series = json.loads(read(REPORTS / "quality" / "quality.json", "ingest"))["series"]
        vds = list(dict.fromkeys(it["vd"] for it in series))
    target_vd = next((it["target_vd"] for it in modes.values() if "scores" in it), None)
    return dropped_in_words(reasons, vds, settings.modes.target_vd_index, target_vd)


def dropped_in_words(reasons: str, vds: list[str], index: int, target_vd: str | None) -> list[str]:
    """Of what was asked for: which VDs and features no model has seen, and whether that moved the target VD.

    ``reasons`` are the lines "- name: why" of prepare.md, ``vds`` the ids asked for, in order, ``index`` is
    ``target_vd_index``, which counts those that were kept.
    """
    dropped = [line[2:].partition(": ") for line in reasons.splitlines() if line.startswith("- ")]
    if not dropped:
        return []
    named = [f"{name} ({why})" for name, _, why in dropped[:LISTED]]
    more = f" and {len(dropped) - LISTED} more" if len(dropped) > LISTED else ""
    found = [
        f"Dropped by prepare, for what the training part holds of it: {', '.join(named)}{more}; reports/prepare.md has "
        "the reasons."
    ]
    if target_vd is not None and vds[index] != target_vd:
        found.append(
            f"A VD that was dropped stood before the target VD: target_vd_index {index} is VD {target_vd}, not VD {vds[index]}."
        )
    return found
