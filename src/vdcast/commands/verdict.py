"""What changed in the verdict between two revisions or experiments, as Markdown for a pull request.

    vdcast verdict                      # the last commit against what lies in the workspace
    vdcast verdict main exp-larger      # two branches, tags, commits or experiments

Reads reports/summary.json of each through DVC: from the workspace, the cache or the remote.
"""

import argparse
import json
from collections.abc import Mapping
from pathlib import Path

from vdcast.errors import InputError, one_sentence
from vdcast.layout import REPORTS

SUMMARY = REPORTS / "summary.json"
WORKSPACE = "workspace"


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        prog="vdcast verdict",
        description="What changed in the verdict between two revisions or experiments, as Markdown.",
    )
    parser.add_argument("old", nargs="?", default="HEAD", help="a commit, branch, tag or experiment (HEAD)")
    parser.add_argument("new", nargs="?", default=WORKSPACE, help="the same, or: workspace (the default)")
    given = parser.parse_args(argv)
    with one_sentence():
        print(as_markdown(given.old, given.new, summary(given.old), summary(given.new)))


def summary(rev: str) -> dict:
    """reports/summary.json at ``rev``. Raises InputError where there is no such revision or file."""
    from dvc.api import DVCFileSystem
    from dvc.exceptions import DvcException
    from dvc.scm import RevError, SCMError

    if not Path("dvc.yaml").exists():
        raise InputError("dvc.yaml does not exist here; run from the folder that holds it")
    where = "here" if rev == WORKSPACE else f"at {rev}"
    try:
        files = DVCFileSystem(".", rev=None if rev == WORKSPACE else rev)
        return json.loads(files.read_text(SUMMARY.as_posix(), encoding="utf-8"))
    except RevError:
        raise InputError(
            f"no revision or experiment {rev!r}; `git log` and `dvc exp show` list them"
        ) from None
    except FileNotFoundError:  # never made, or neither in the cache nor in a remote
        raise InputError(
            f"no {SUMMARY} {where}; make it with `dvc repro report`, or fetch what somebody pushed with `dvc "
            + ("pull report`" if rev == WORKSPACE else "fetch --all-commits report`")
        ) from None
    except json.JSONDecodeError as error:
        raise InputError(f"{SUMMARY} {where} is damaged ({error}); run `dvc repro report`") from None
    except (DvcException, SCMError) as error:
        raise InputError(f"{SUMMARY} {where} cannot be read: {error}") from None


def as_markdown(old_name: str, new_name: str, old: Mapping, new: Mapping) -> str:
    """The change from ``old`` to ``new`` (two summary.json): verdict by mode, then MAE and cost by model."""
    was, now = (each.get("verdict", {}).get("overall", {}).get("words") for each in (old, new))
    modes = [mode for mode in {**old, **new} if mode != "verdict"]
    lines = [f"### Verdict: `{old_name}` to `{new_name}`", ""]
    lines += [f"**{_sentence(now)}**" + (" (as before)" if was == now else f" Before: {_sentence(was)}"), ""]
    lines += [f"- {each}" for each in new.get("verdict", {}).get("warnings", [])]
    for mode in modes:
        before, after = (each.get("verdict", {}).get("modes", {}).get(mode, {}) for each in (old, new))
        said = [_sentence(each.get("words")) for each in (before, after)]
        if said[0] == said[1]:
            lines.append(f"- `{mode}`: {said[1]} (as before)")
        else:
            changed = "**changed**" if _answer(before) != _answer(after) else "same answer"
            lines += [f"- `{mode}`: {changed}", f"  - now: {said[1]}", f"  - before: {said[0]}"]
    if differ := [mode for mode in modes if _observations(old, mode) != _observations(new, mode)]:
        lines += [
            "",
            "**The naive forecasts differ too, so the two were not scored on the same observations and their MAE "
            f"cannot be compared: {', '.join(f'`{mode}`' for mode in differ)}.**",
        ]
    lines += [
        "",
        "| mode | model | MAE, target VD | change | training seconds | change | parameters | change |",
        "|---|---|--:|--:|--:|--:|--:|--:|",
    ]
    for mode in modes:
        for model, label in (("lstm", "LSTM"), ("xlstm", "xLSTM")):
            cells = [
                _change(*(_at(each, mode, *place, model, name) for each in (old, new)), spec)
                for place, name, spec in (
                    (("target_vd",), "mae", ".3f"),
                    (("cost",), "seconds", ",.0f"),
                    (("cost",), "parameters", ",.0f"),
                )
            ]
            lines.append(f"| `{mode}` | {label} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _change(old: float | None, new: float | None, spec: str) -> str:
    """Two cells: "old to new" and the change in per cent."""
    if old is None or new is None:
        shown = ["none" if each is None else format(each, spec) for each in (old, new)]
        return f"{shown[0]} to {shown[1]} | -"
    if old == new:
        return f"{new:{spec}} | 0"
    return f"{old:{spec}} to {new:{spec}} | {f'{new / old - 1:+.1%}' if old else '-'}"


def _observations(summary: Mapping, mode: str) -> dict[str, float | None]:
    """What the baselines scored: they do not learn, so it says which observations were scored."""
    rows = _at(summary, mode, "target_vd") or {}
    return {name: row["mae"] for name, row in rows.items() if name.split("_")[0] not in ("lstm", "xlstm")}


def _at(summary: Mapping, *keys: str):
    """The value under ``keys``, None where a key is missing."""
    for key in keys:
        summary = (summary or {}).get(key)
    return summary


def _answer(said: Mapping) -> str | None:
    """Who is better, None where no difference is shown; no verdict at all is an answer of its own."""
    judged = not (said.get("words") or "no verdict").startswith("no verdict")
    return said.get("better") if judged else "no verdict"


def _sentence(words: str | None) -> str:
    """With a capital and a full stop."""
    if words is None:
        return "No verdict."
    return (words if words.startswith("xLSTM") else words[0].upper() + words[1:]) + "."
